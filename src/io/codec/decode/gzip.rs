//! gzip (RFC 1952): one or more members, decoded on the pushing thread.
//!
//! The framing is read here, since the ready-made readers either pull their
//! input or are lenient about what follows the first member.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{DecodeError, GZIP, Output};

/// How much is unpacked at a time, in bytes.
const PIECE: usize = 256 << 10;

/// Flags in a member's header.
const HAS_HEADER_CRC: u8 = 0x02;
const HAS_EXTRA: u8 = 0x04;
const HAS_NAME: u8 = 0x08;
const HAS_COMMENT: u8 = 0x10;
const RESERVED: u8 = 0xe0;

#[derive(Debug)]
pub struct GzipDecoder {
    state: State,
    /// Bytes of a fixed part of the framing, gathered until it is complete.
    part: Vec<u8>,
    flags: u8,
    deflate: Decompress,
    crc: Crc,
    /// Unpacked length of the member, modulo 2^32 as its trailer has it.
    length: u32,
    output: Output,
    piece: Vec<u8>,
    at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has come yet.
    Start,
    /// A member is complete; another may follow.
    Between,
    Fixed,
    ExtraLength,
    Extra(u16),
    Name,
    Comment,
    HeaderCrc,
    Body,
    Trailer,
}

impl GzipDecoder {
    pub fn new(output: Output) -> Self {
        Self {
            state: State::Start,
            part: Vec::new(),
            flags: 0,
            deflate: Decompress::new(false),
            crc: Crc::new(),
            length: 0,
            output,
            piece: vec![0; PIECE],
            at: 0,
        }
    }

    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), DecodeError> {
        while !bytes.is_empty() {
            let before = bytes.len();
            self.step(&mut bytes)?;
            self.at += (before - bytes.len()) as u64;
        }
        Ok(())
    }

    /// Does one step of the framing, which consumes at least one byte or moves
    /// on to another state.
    fn step(&mut self, bytes: &mut &[u8]) -> Result<(), DecodeError> {
        match self.state {
            State::Start => self.state = State::Fixed,
            State::Between => {
                if bytes[0] != 0x1f {
                    return Err(DecodeError::TrailingGarbage {
                        codec: GZIP,
                        at: self.at,
                    });
                }
                self.state = State::Fixed;
            }
            State::Fixed => {
                if let Some(fixed) = self.gather::<10>(bytes) {
                    self.begin_member(fixed)?;
                }
            }
            State::ExtraLength => {
                if let Some(length) = self.gather::<2>(bytes) {
                    self.state = State::Extra(u16::from_le_bytes(length));
                }
            }
            State::Extra(0) => self.state = self.after(HAS_EXTRA),
            State::Extra(left) => {
                let skipped = bytes.len().min(usize::from(left));
                *bytes = &bytes[skipped..];
                self.state = State::Extra(left - skipped as u16);
            }
            State::Name | State::Comment => {
                let flag = if self.state == State::Name {
                    HAS_NAME
                } else {
                    HAS_COMMENT
                };
                let end = bytes.iter().position(|&byte| byte == 0);
                *bytes = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
                if end.is_some() {
                    self.state = self.after(flag);
                }
            }
            State::HeaderCrc => {
                if self.gather::<2>(bytes).is_some() {
                    self.state = State::Body;
                }
            }
            State::Body => self.body(bytes)?,
            State::Trailer => {
                if let Some(trailer) = self.gather::<8>(bytes) {
                    self.end_member(trailer)?;
                }
            }
        }
        Ok(())
    }

    /// Gathers a part of fixed length; `None` until it is complete.
    fn gather<const N: usize>(&mut self, bytes: &mut &[u8]) -> Option<[u8; N]> {
        let taken = bytes.len().min(N - self.part.len());
        self.part.extend_from_slice(&bytes[..taken]);
        *bytes = &bytes[taken..];
        let whole = self.part.as_slice().try_into().ok()?;
        self.part.clear();
        Some(whole)
    }

    fn begin_member(&mut self, fixed: [u8; 10]) -> Result<(), DecodeError> {
        let [id1, id2, method, flags, ..] = fixed;
        if [id1, id2] != [0x1f, 0x8b] {
            return Err(self.corrupt("a member does not start with the magic number"));
        }
        if method != 8 || flags & RESERVED != 0 {
            return Err(DecodeError::Unsupported {
                codec: GZIP,
                what: format!("compression method {method}, flags {flags:#04x}"),
            });
        }
        self.flags = flags;
        self.state = self.after(0);
        Ok(())
    }

    /// The first optional field that is there, of those behind `done`; the
    /// fields come in the order of extra, name, comment, check.
    fn after(&self, done: u8) -> State {
        let order = [
            (HAS_EXTRA, State::ExtraLength),
            (HAS_NAME, State::Name),
            (HAS_COMMENT, State::Comment),
            (HAS_HEADER_CRC, State::HeaderCrc),
        ];
        let passed = order.iter().position(|&(flag, _)| flag == done);
        order[passed.map_or(0, |index| index + 1)..]
            .iter()
            .find(|&&(flag, _)| self.flags & flag != 0)
            .map_or(State::Body, |&(_, state)| state)
    }

    fn body(&mut self, bytes: &mut &[u8]) -> Result<(), DecodeError> {
        loop {
            let (ins, outs) = (self.deflate.total_in(), self.deflate.total_out());
            let status = self
                .deflate
                .decompress(bytes, &mut self.piece, FlushDecompress::None)
                .map_err(|error| self.corrupt(&error.to_string()))?;
            let taken = (self.deflate.total_in() - ins) as usize;
            let made = (self.deflate.total_out() - outs) as usize;
            *bytes = &bytes[taken..];
            self.crc.update(&self.piece[..made]);
            self.length = self.length.wrapping_add(made as u32);
            self.output.copy(&self.piece[..made])?;
            if status == Status::StreamEnd {
                self.state = State::Trailer;
                return Ok(());
            }
            if made == 0 && taken == 0 {
                return if bytes.is_empty() {
                    Ok(())
                } else {
                    Err(self.corrupt("the compressed data make no progress"))
                };
            }
            // With room left in the output, everything that can be decoded from
            // the input has been.
            if bytes.is_empty() && made < self.piece.len() {
                return Ok(());
            }
        }
    }

    fn end_member(&mut self, trailer: [u8; 8]) -> Result<(), DecodeError> {
        let [a, b, c, d, e, f, g, h] = trailer;
        let crc = u32::from_le_bytes([a, b, c, d]);
        let length = u32::from_le_bytes([e, f, g, h]);
        if crc != self.crc.sum() || length != self.length {
            return Err(self.corrupt("the checksum of a member does not agree"));
        }
        self.crc.reset();
        self.deflate.reset(false);
        self.length = 0;
        self.state = State::Between;
        Ok(())
    }

    fn corrupt(&self, what: &str) -> DecodeError {
        DecodeError::Corrupt {
            codec: GZIP,
            at: self.at,
            what: what.to_owned(),
        }
    }

    pub fn finish(self) -> Result<(), DecodeError> {
        let within = match self.state {
            State::Between => return self.output.end(),
            State::Body => "a member",
            State::Trailer => "a member's checksum",
            _ => "a member's header",
        };
        Err(DecodeError::Truncated {
            codec: GZIP,
            at: self.at,
            within,
        })
    }
}
