//! Why compressed data do not decode.

use std::fmt;

use crate::model::Codec;

/// Why compressed data does not decode.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The data end in the middle of something.
    #[error("the {codec} data ends after {at} bytes, in the middle of {within}")]
    Truncated {
        /// The compression.
        codec: CodecName,
        /// How many compressed bytes there were.
        at: u64,
        /// What was not complete.
        within: &'static str,
    },
    /// The data are not what the format allows, or a checksum does not agree.
    #[error("the {codec} data is corrupt near byte {at}: {what}")]
    Corrupt {
        /// The compression.
        codec: CodecName,
        /// How many compressed bytes were good before, about.
        at: u64,
        /// What was found.
        what: String,
    },
    /// Something follows the end of the compressed data.
    #[error("the {codec} data ends after {at} bytes, but more bytes follow")]
    TrailingGarbage {
        /// The compression.
        codec: CodecName,
        /// Where the compressed data end.
        at: u64,
    },
    /// The data are well-formed but cannot be decoded here.
    #[error("the {codec} data needs an unsupported feature: {what}")]
    Unsupported {
        /// The compression.
        codec: CodecName,
        /// What they need.
        what: String,
    },
    /// The consumer went away; its own error says why.
    #[error("the receiver of the unpacked bytes is gone")]
    Closed,
    /// The pushing side went away before the end.
    #[error("the compressed data is incomplete")]
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
pub struct CodecName(Codec);

impl fmt::Display for CodecName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Codec::Xz => "xz",
            Codec::Zstd => "zstd",
            Codec::Gzip => "gzip",
        })
    }
}

pub(super) const XZ: CodecName = CodecName(Codec::Xz);
pub(super) const ZSTD: CodecName = CodecName(Codec::Zstd);
pub(super) const GZIP: CodecName = CodecName(Codec::Gzip);
