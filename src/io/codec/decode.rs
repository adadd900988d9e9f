//! Decompression as a pipe: compressed bytes are pushed in at one end as they
//! arrive, unpacked bytes come out of the other end, in order, on another
//! thread.
//!
//! xz blocks that carry their sizes are decoded on all cores; everything else is
//! decoded on the pushing thread. Memory has a bound that the size of the image
//! does not enter: at most [`BUFFERED`] bytes are between the two ends (or less, where
//! several decoders share them), and
//! besides them one block being gathered, one chunk in the consumer's hands, and
//! one dictionary for each decoder at work. Taking in and unpacking 1 GiB on two
//! cores peaked at 70 MiB of memory for the blocks of `xz -0 -T0` (1 MiB, 256 KiB
//! of dictionary), and at 160 MiB for those of `xz -6 -T0` (24 MiB each). An end of input in the middle of
//! anything is an error, and a consumer that sees the end without an error has
//! seen everything, checked.

mod gzip;
mod queue;
mod zstd;

#[cfg(test)]
pub(in crate::io) mod tests;

use std::fmt;

use crate::model::Codec;

pub use queue::Decoded;
pub(super) use queue::{Output, Slot};

/// How many bytes all decoders at work hold between their two ends at most (64 MiB);
/// a sized xz block may take half of that, or else is decoded as a stream.
pub const BUFFERED: usize = 64 << 20;

/// A piece of the unpacked content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Bytes.
    Data(Vec<u8>),
    /// That many zero bytes, recognised in runs without anyone comparing again.
    Zeros(u64),
}

impl Chunk {
    /// The bytes as a chunk; all zeros become a run.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        if crate::io::file::sparse::is_zero(&bytes) {
            Self::Zeros(bytes.len() as u64)
        } else {
            Self::Data(bytes)
        }
    }
}

/// Why compressed data does not decode.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The data end in the middle of something.
    #[error("the {codec} data end after {at} bytes, in the middle of {within}")]
    Truncated {
        /// The compression.
        codec: Name,
        /// How many compressed bytes there were.
        at: u64,
        /// What was not complete.
        within: &'static str,
    },
    /// The data are not what the format allows, or a checksum does not agree.
    #[error("the {codec} data are corrupt near byte {at}: {what}")]
    Corrupt {
        /// The compression.
        codec: Name,
        /// How many compressed bytes were good before, about.
        at: u64,
        /// What was found.
        what: String,
    },
    /// Something follows the end of the compressed data.
    #[error("the {codec} data end properly after {at} bytes, but something else follows")]
    TrailingGarbage {
        /// The compression.
        codec: Name,
        /// Where the compressed data end.
        at: u64,
    },
    /// The data are well-formed but cannot be decoded here.
    #[error("the {codec} data need something that is not supported: {what}")]
    Unsupported {
        /// The compression.
        codec: Name,
        /// What they need.
        what: String,
    },
    /// The consumer went away; its own error says why.
    #[error("nobody takes the unpacked bytes any more")]
    Closed,
    /// The pushing side went away before the end.
    #[error("the compressed data were not delivered to their end")]
    Aborted,
    /// A decoder thread could not be started, or stopped.
    #[error("a decoder thread failed: {what}")]
    Thread {
        /// What happened.
        what: String,
    },
}

impl DecodeError {
    /// True if the same transfer may succeed when tried again: what was cut off
    /// may be complete next time, what is corrupt was sent that way.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Truncated { .. } | Self::Closed | Self::Aborted | Self::Thread { .. } => true,
            Self::Corrupt { .. } | Self::TrailingGarbage { .. } | Self::Unsupported { .. } => false,
        }
    }
}

/// The name of a compression, as messages have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name(Codec);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Codec::Xz => "xz",
            Codec::Zstd => "zstd",
            Codec::Gzip => "gzip",
        })
    }
}

pub(super) const XZ: Name = Name(Codec::Xz);
const ZSTD: Name = Name(Codec::Zstd);
const GZIP: Name = Name(Codec::Gzip);

/// The end that compressed bytes go into.
#[derive(Debug)]
pub struct Decoder(Inner);

#[derive(Debug)]
enum Inner {
    Xz(Box<crate::io::codec::xz::XzDecoder>),
    Zstd(zstd::ZstdDecoder),
    Gzip(Box<gzip::GzipDecoder>),
}

/// Makes a decoder that holds so many bytes at most, and one block however large: the
/// two ends of the pipe. They belong on different threads,
/// since pushing waits for the consumer.
///
/// # Errors
/// If the decoding library cannot be set up.
pub fn decoder(codec: Codec, buffered: usize) -> Result<(Decoder, Decoded), DecodeError> {
    let (output, decoded) = queue::queue(buffered.min(BUFFERED));
    let inner = match codec {
        Codec::Xz => Inner::Xz(Box::new(crate::io::codec::xz::XzDecoder::new(output))),
        Codec::Zstd => Inner::Zstd(zstd::ZstdDecoder::new(output)?),
        Codec::Gzip => Inner::Gzip(Box::new(gzip::GzipDecoder::new(output))),
    };
    Ok((Decoder(inner), decoded))
}

impl Decoder {
    /// Takes the next compressed bytes, however they are cut. Blocks while the
    /// other end is behind.
    ///
    /// # Errors
    /// If the bytes are not what the format allows, or the other end is gone.
    /// No further bytes may follow.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        match &mut self.0 {
            Inner::Xz(decoder) => decoder.push(bytes),
            Inner::Zstd(decoder) => decoder.push(bytes),
            Inner::Gzip(decoder) => decoder.push(bytes),
        }
    }

    /// Says that no further bytes come; only after this does the other end see
    /// the end of the content.
    ///
    /// # Errors
    /// If the data are incomplete.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.0 {
            Inner::Xz(decoder) => decoder.finish(),
            Inner::Zstd(decoder) => decoder.finish(),
            Inner::Gzip(decoder) => decoder.finish(),
        }
    }
}
