//! Chooses the decoder of a compression.

use super::error::DecodeError;
use super::gzip::GzipDecoder;
use super::queue::{BUFFERED, Decoded, queue};
use super::xz::XzDecoder;
use super::zstd::ZstdDecoder;
use crate::model::Codec;

/// The end that compressed bytes go into.
#[derive(Debug)]
pub struct PushDecoder(Inner);

#[derive(Debug)]
enum Inner {
    Xz(Box<XzDecoder>),
    Zstd(ZstdDecoder),
    Gzip(Box<GzipDecoder>),
}

/// Makes a decoder that holds so many bytes at most, and one block however large: the
/// two ends of the pipe. They belong on different threads,
/// since pushing waits for the consumer.
///
/// # Errors
/// If the decoding library cannot be set up.
pub fn decoder(codec: Codec, buffered: usize) -> Result<(PushDecoder, Decoded), DecodeError> {
    let (output, decoded) = queue(buffered.min(BUFFERED));
    let inner = match codec {
        Codec::Xz => Inner::Xz(Box::new(XzDecoder::new(output))),
        Codec::Zstd => Inner::Zstd(ZstdDecoder::new(output)?),
        Codec::Gzip => Inner::Gzip(Box::new(GzipDecoder::new(output))),
    };
    Ok((PushDecoder(inner), decoded))
}

impl PushDecoder {
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
