//! Decodes what is not held whole as its bytes come, on the pushing thread: liblzma's
//! own decoder of streams, begun in front of a block.

use xz2::stream::{Action, Status, Stream};

use super::format::{self, CheckKind, Wrong};
use crate::io::codec::error::DecodeError;
use crate::io::codec::queue::ChunkSender;

/// How much memory liblzma may use for one block, in bytes: enough for the 64 MiB
/// dictionary of `xz -9`, the largest preset.
const MEMORY: u64 = 80 << 20;

/// How much is unpacked at a time, in bytes.
const PIECE: usize = 256 << 10;

pub(super) struct Streamed {
    decoder: Stream,
    piece: Vec<u8>,
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streamed").finish_non_exhaustive()
    }
}

impl Streamed {
    /// Begins a stream whose first block has this header.
    pub(super) fn begin(
        check: CheckKind,
        header: &[u8],
        output: &ChunkSender,
    ) -> Result<Self, Wrong> {
        let mut streamed = Self {
            decoder: decoder()?,
            piece: vec![0; PIECE],
        };
        for mut part in [&format::write_stream_header(check)[..], header] {
            streamed.push(&mut part, output)?;
        }
        Ok(streamed)
    }

    /// Takes bytes up to the end of the stream; true when that is reached, and then
    /// everything has been verified.
    pub(super) fn push(&mut self, bytes: &mut &[u8], output: &ChunkSender) -> Result<bool, Wrong> {
        loop {
            let before = (self.decoder.total_in(), self.decoder.total_out());
            let status = self
                .decoder
                .process(bytes, &mut self.piece, Action::Run)
                .map_err(wrong)?;
            let taken = (self.decoder.total_in() - before.0) as usize;
            let made = (self.decoder.total_out() - before.1) as usize;
            *bytes = &bytes[taken..];
            output.copy(&self.piece[..made]).map_err(Wrong::Other)?;
            if status == Status::StreamEnd {
                return Ok(true);
            }
            // A full piece may mean that liblzma holds more for the same input.
            if bytes.is_empty() && made < self.piece.len() {
                return Ok(false);
            }
            if taken == 0 && made == 0 {
                return Err(Wrong::corrupt("a block makes no progress"));
            }
        }
    }

    /// Ends the stream behind its first block, which has this length without padding;
    /// the length of its content.
    pub(super) fn end_block(
        &mut self,
        check: CheckKind,
        unpadded: u64,
        output: &ChunkSender,
    ) -> Result<u64, Wrong> {
        let unpacked = self.decoder.total_out();
        let tail = format::write_single_tail(check, unpadded, unpacked);
        if self.push(&mut &tail[..], output)? {
            Ok(unpacked)
        } else {
            Err(Wrong::corrupt("a block is longer than its header states"))
        }
    }
}

pub(super) fn decoder() -> Result<Stream, Wrong> {
    Stream::new_stream_decoder(MEMORY, 0).map_err(wrong)
}

pub(super) fn wrong(error: xz2::stream::Error) -> Wrong {
    use xz2::stream::Error;
    match error {
        Error::MemLimit => Wrong::Unsupported(format!(
            "a dictionary for which {} MiB do not suffice",
            MEMORY >> 20
        )),
        Error::Options => Wrong::Unsupported("a filter that is not known".to_owned()),
        Error::Mem => Wrong::Other(DecodeError::Thread {
            what: "out of memory".to_owned(),
        }),
        other => Wrong::Corrupt(other.to_string()),
    }
}
