//! gzip (RFC 1952): one or more members, decoded on the pushing thread.
//!
//! flate2 decodes them, framing and checksums included. Its readers and writers of gzip
//! are not used: they take whatever follows the last member for another one, and hand
//! out 32 KiB at a time, for each of which zlib copies its window.

use flate2::{Decompress, FlushDecompress, Status};

use super::error::{DecodeError, GZIP};
use super::queue::ChunkSender;

/// How much is unpacked at a time, in bytes.
const PIECE: usize = 256 << 10;

/// The largest window that the format has, as a power of two.
const WINDOW_BITS: u8 = 15;

/// The first byte of every member.
const MAGIC: u8 = 0x1f;

#[derive(Debug)]
pub(super) struct GzipDecoder {
    member: Decompress,
    /// True between members, where the input may end.
    is_complete: bool,
    output: ChunkSender,
    piece: Vec<u8>,
    at: u64,
}

impl GzipDecoder {
    pub(super) fn new(output: ChunkSender) -> Self {
        Self {
            member: Decompress::new_gzip(WINDOW_BITS),
            is_complete: false,
            output,
            piece: vec![0; PIECE],
            at: 0,
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), DecodeError> {
        loop {
            if self.is_complete {
                match bytes.first() {
                    None => return Ok(()),
                    Some(&MAGIC) => self.member = Decompress::new_gzip(WINDOW_BITS),
                    Some(_) => {
                        return Err(DecodeError::TrailingGarbage {
                            codec: GZIP,
                            at: self.at,
                        });
                    }
                }
            }
            let before = (self.member.total_in(), self.member.total_out());
            let status = self
                .member
                .decompress(bytes, &mut self.piece, FlushDecompress::None)
                .map_err(|error| self.corrupt(error.message()))?;
            let taken = (self.member.total_in() - before.0) as usize;
            let made = (self.member.total_out() - before.1) as usize;
            bytes = &bytes[taken..];
            self.at += taken as u64;
            self.output.copy(&self.piece[..made])?;
            self.is_complete = status == Status::StreamEnd;
            // With room left in the piece, all that the input gives has come.
            if bytes.is_empty() && made < self.piece.len() {
                return Ok(());
            }
            if taken == 0 && made == 0 {
                return Err(self.corrupt(Some("the decoder makes no progress")));
            }
        }
    }

    fn corrupt(&self, what: Option<&str>) -> DecodeError {
        DecodeError::Corrupt {
            codec: GZIP,
            at: self.at,
            what: what.unwrap_or("the compressed data").to_owned(),
        }
    }

    pub(super) fn finish(self) -> Result<(), DecodeError> {
        if self.is_complete {
            self.output.end()
        } else {
            Err(DecodeError::Truncated {
                codec: GZIP,
                at: self.at,
                within: "a member",
            })
        }
    }
}
