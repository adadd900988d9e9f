//! Compressed bytes in, plain bytes out: xz, gzip and Zstandard.

pub mod decode;
mod xz;
