//! gzip (RFC 1952): one or more members, decoded on the pushing thread.
//!
//! flate2 decodes them, one at a time. Its own decoder of several members is not used: it
//! takes whatever follows the last one for another, and cannot say where that begins.

use std::io::{self, Write};

use flate2::write::GzDecoder;

use super::error::{DecodeError, GZIP};
use super::queue::ChunkSender;

/// The first byte of every member.
const MAGIC: u8 = 0x1f;

#[derive(Debug)]
pub struct GzipDecoder {
    /// The member that is being decoded.
    member: GzDecoder<Consumer>,
    at: u64,
}

/// Where flate2 writes the unpacked bytes.
#[derive(Debug)]
struct Consumer(ChunkSender);

impl Write for Consumer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.copy(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl GzipDecoder {
    pub fn new(output: ChunkSender) -> Self {
        Self {
            member: GzDecoder::new(Consumer(output)),
            at: 0,
        }
    }

    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), DecodeError> {
        while let Some(&next) = bytes.first() {
            let written = self.member.write(bytes);
            let taken = written.map_err(|error| corrupt(error, self.at))?;
            if taken == 0 {
                let output = self.end_member()?;
                if next != MAGIC {
                    return Err(DecodeError::TrailingGarbage {
                        codec: GZIP,
                        at: self.at,
                    });
                }
                self.member = GzDecoder::new(Consumer(output));
            }
            bytes = &bytes[taken..];
            self.at += taken as u64;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<(), DecodeError> {
        let within = match self.member.header() {
            None => "a member's header",
            // A member that is complete takes no further byte, and any other takes one.
            Some(_) => match self.member.write(&[0]).map_err(io::Error::downcast) {
                Ok(0) => return self.end_member()?.end(),
                Err(Ok(error)) => return Err(error),
                Ok(_) | Err(Err(_)) => "a member",
            },
        };
        Err(DecodeError::Truncated {
            codec: GZIP,
            at: self.at,
            within,
        })
    }

    /// Compares the member with its checksum and length.
    fn end_member(&mut self) -> Result<ChunkSender, DecodeError> {
        let ended = self.member.try_finish();
        ended.map_err(|error| corrupt(error, self.at))?;
        Ok(self.member.get_ref().0.clone())
    }
}

/// What flate2 says, or the error of the queue that it passes on.
fn corrupt(error: io::Error, at: u64) -> DecodeError {
    error
        .downcast()
        .unwrap_or_else(|error| DecodeError::Corrupt {
            codec: GZIP,
            at,
            what: error.to_string(),
        })
}
