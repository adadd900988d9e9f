//! Decompression as a pipe: compressed bytes are pushed in at one end as they
//! arrive, unpacked bytes come out of the other end, in order, on another
//! thread.
//!
//! xz blocks that carry their sizes are decoded on all cores; everything else is
//! decoded on the pushing thread. Memory has a bound that the size of the image
//! does not enter: at most [`BUFFERED`] bytes are between the two ends (or less, where
//! several decoders share them), and besides them one block being gathered, one chunk
//! in the consumer's hands, and one dictionary for each decoder at work. Taking in and
//! unpacking 1 GiB on two cores peaked at 70 MiB of memory for the blocks of
//! `xz -0 -T0` (1 MiB, 256 KiB of dictionary), and at 160 MiB for those of `xz -6 -T0`
//! (24 MiB each). An end of input in the middle of anything is an error, and a consumer
//! that sees the end without an error has seen everything, checked.

mod decoder;
mod error;
mod gzip;
mod queue;
#[cfg(test)]
pub(in crate::io) mod tests;
mod xz;
mod zstd;

pub(crate) use decoder::PushDecoder;
pub use decoder::decoder;
pub(crate) use error::DecodeError;
pub(crate) use queue::Decoded;
pub use queue::{BUFFERED, Chunk};
