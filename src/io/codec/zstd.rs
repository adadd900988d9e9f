//! zstd: one or more frames, decoded on the pushing thread (over 1 GB/s).

use ::zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};
use ::zstd::zstd_safe;

use super::error::{DecodeError, ZSTD};
use super::queue::ChunkSender;

/// How much is unpacked at a time, in bytes.
const PIECE: usize = 256 << 10;

/// The largest accepted window, as a power of two: 128 MiB, what `zstd -d`
/// accepts too. The factory's `zstd -18` uses 8 MiB.
const WINDOW_LOG_MAX: u32 = 27;

/// The longest header of a frame, in bytes (`ZSTD_FRAMEHEADERSIZE_MAX`).
const HEADER_MAX: usize = 18;

pub(super) struct ZstdDecoder {
    codec: Decoder<'static>,
    output: ChunkSender,
    piece: Vec<u8>,
    at: u64,
    frame: Frame,
    /// True between frames, where the input may end.
    complete: bool,
}

/// The frame that is being decoded.
#[derive(Default)]
struct Frame {
    /// Its first bytes, up to [`HEADER_MAX`].
    head: Vec<u8>,
    /// What came out of it, in bytes.
    made: u64,
}

impl Frame {
    fn take(&mut self, consumed: &[u8], made: usize) {
        let room = HEADER_MAX - self.head.len();
        self.head.extend(&consumed[..consumed.len().min(room)]);
        self.made += made as u64;
    }

    /// The length that the header announces, where it is another than what came out.
    ///
    /// The library compares them as well, but not where the last block is empty and
    /// the frame arrives in pieces.
    fn broken_promise(&self) -> Option<u64> {
        let announced = zstd_safe::get_frame_content_size(&self.head).ok()??;
        (announced != self.made).then_some(announced)
    }
}

impl std::fmt::Debug for ZstdDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZstdDecoder")
            .field("at", &self.at)
            .field("complete", &self.complete)
            .finish_non_exhaustive()
    }
}

impl ZstdDecoder {
    pub(super) fn new(output: ChunkSender) -> Result<Self, DecodeError> {
        let set_up = || -> std::io::Result<Decoder<'static>> {
            let mut library = Decoder::new()?;
            library.set_parameter(zstd_safe::DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
            Ok(library)
        };
        Ok(Self {
            codec: set_up().map_err(|error| DecodeError::Unsupported {
                codec: ZSTD,
                what: error.to_string(),
            })?,
            output,
            piece: vec![0; PIECE],
            at: 0,
            frame: Frame::default(),
            complete: false,
        })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut before = 0;
        let mut more = !bytes.is_empty();
        while more {
            // The first byte of a frame comes alone: a frame that is there as a whole would
            // be read by other code of the library, which accepts other damage.
            let end = match self.frame.head.is_empty() {
                true => bytes.len().min(before + 1),
                false => bytes.len(),
            };
            let mut input = InBuffer::around(&bytes[before..end]);
            let mut output = OutBuffer::around(&mut self.piece[..]);
            // Between frames anything but a frame's magic number is garbage.
            let at_start = self.complete;
            let hint = self.codec.run(&mut input, &mut output).map_err(|error| {
                let at = self.at + before as u64;
                if at_start && error.to_string().contains("Unknown frame descriptor") {
                    DecodeError::TrailingGarbage { codec: ZSTD, at }
                } else {
                    DecodeError::Corrupt {
                        codec: ZSTD,
                        at,
                        what: error.to_string(),
                    }
                }
            })?;
            let made = output.pos();
            let after = before + input.pos();
            self.frame.take(&bytes[before..after], made);
            self.output.copy(&self.piece[..made])?;
            // The library's hint is zero exactly at the end of a frame.
            self.complete = hint == 0;
            if self.complete {
                let frame = std::mem::take(&mut self.frame);
                if let Some(announced) = frame.broken_promise() {
                    return Err(DecodeError::Corrupt {
                        codec: ZSTD,
                        at: self.at + after as u64,
                        what: format!(
                            "a frame holds {} bytes and announces {announced}",
                            frame.made
                        ),
                    });
                }
            }
            let full = made == self.piece.len();
            before = after;
            more = after < bytes.len() || (full && !self.complete);
        }
        self.at += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), DecodeError> {
        if self.complete {
            self.output.end()
        } else {
            Err(DecodeError::Truncated {
                codec: ZSTD,
                at: self.at,
                within: "a frame",
            })
        }
    }
}
