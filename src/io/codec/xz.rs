//! Splits .xz data into blocks, as the bytes arrive, and has them decoded.
//!
//! A block whose header carries its sizes is gathered whole and goes to a worker
//! on any core; its place in the output is reserved at once, so the order holds
//! by itself. A block of the same bytes as one that gave only zeros is a hole and
//! is not decoded: in a Talos image that is nine blocks of ten. A block without
//! sizes, or too large to hold, is decoded as a stream on the pushing thread.
//!
//! liblzma does the decoding and verifies each block's check. Its own threaded
//! decoder was not taken: it silently stops at the end of the first of several
//! streams, and cannot know that a block was seen before. What is between the
//! blocks (headers, index, footer, padding) is read and verified here.

mod block;
mod format;
#[cfg(test)]
mod tests;

use crate::io::codec::decode::{BUFFERED, DecodeError, Output, XZ};
use block::{Pool, Streaming, ZeroBlocks};
use format::{BlockHeader, CheckKind, FOOTER, IndexReader, MAGIC, Records, STREAM_HEADER, Wrong};

/// The largest block, packed and unpacked bytes together, that is held in memory
/// to be decoded by a worker; half the budget, so that two fit.
const BLOCK_MAX: u64 = BUFFERED as u64 / 2;

#[derive(Debug)]
pub struct XzDecoder {
    state: State,
    /// The part that is being gathered, from its first byte.
    part: Vec<u8>,
    /// Compressed bytes taken so far.
    at: u64,
    check: CheckKind,
    /// What the blocks of this stream came to, for comparison with its index.
    records: Records,
    zero_blocks: ZeroBlocks,
    /// Started when the first block for it comes.
    pool: Option<Pool>,
    output: Output,
}

#[derive(Debug)]
enum State {
    StreamHeader,
    /// The first byte of a block's header says its length; zero is the index.
    BlockOrIndex,
    BlockHeader {
        length: usize,
    },
    WholeBlock {
        header: BlockHeader,
        length: usize,
        unpacked: u64,
    },
    StreamedBlock(Box<Streaming>),
    Index(IndexReader),
    Footer {
        index_size: u64,
    },
    /// After a stream; counts the padding, which comes in fours.
    Between {
        padding: u64,
    },
}

impl XzDecoder {
    pub fn new(output: Output) -> Self {
        Self {
            state: State::StreamHeader,
            part: Vec::new(),
            at: 0,
            check: CheckKind::None,
            records: Records::default(),
            zero_blocks: ZeroBlocks::default(),
            pool: None,
            output,
        }
    }

    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), DecodeError> {
        while !bytes.is_empty() {
            let before = bytes.len();
            let step = self.step(&mut bytes);
            self.at += (before - bytes.len()) as u64;
            step?;
        }
        Ok(())
    }

    /// Takes at least one byte, or moves on to another state.
    fn step(&mut self, bytes: &mut &[u8]) -> Result<(), DecodeError> {
        match &mut self.state {
            State::StreamHeader => {
                if gather(&mut self.part, bytes, STREAM_HEADER) {
                    self.check = format::read_stream_header(&self.part).map_err(at(self.at))?;
                    self.part.clear();
                    self.records = Records::default();
                    self.state = State::BlockOrIndex;
                }
            }
            State::BlockOrIndex => {
                self.state = match format::block_header_len(bytes[0]) {
                    None => State::Index(IndexReader::default()),
                    Some(length) => State::BlockHeader { length },
                };
            }
            State::BlockHeader { length } => {
                let length = *length;
                if gather(&mut self.part, bytes, length) {
                    self.begin_block()?;
                }
            }
            &mut State::WholeBlock {
                header,
                length,
                unpacked,
            } => {
                if gather(&mut self.part, bytes, length) {
                    self.whole_block(header, unpacked)?;
                    self.state = State::BlockOrIndex;
                }
            }
            State::StreamedBlock(streaming) => {
                let done = streaming
                    .push(bytes, &self.output)
                    .map_err(|failed| failed.at(self.at))?;
                if let Some((unpadded, unpacked)) = done {
                    self.records.add(unpadded, unpacked).map_err(at(self.at))?;
                    self.state = State::BlockOrIndex;
                }
            }
            State::Index(index) => {
                if let Some(index_size) = index.push(bytes, &self.records).map_err(at(self.at))? {
                    self.state = State::Footer { index_size };
                }
            }
            State::Footer { index_size } => {
                let index_size = *index_size;
                if gather(&mut self.part, bytes, FOOTER) {
                    format::read_footer(&self.part, self.check, index_size).map_err(at(self.at))?;
                    self.part.clear();
                    self.state = State::Between { padding: 0 };
                }
            }
            State::Between { padding } => {
                let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
                *padding += zeros as u64;
                *bytes = &bytes[zeros..];
                if let Some(&next) = bytes.first() {
                    if *padding % 4 != 0 || next != MAGIC[0] {
                        return Err(DecodeError::TrailingGarbage {
                            codec: XZ,
                            at: self.at,
                        });
                    }
                    self.state = State::StreamHeader;
                }
            }
        }
        Ok(())
    }

    fn begin_block(&mut self) -> Result<(), DecodeError> {
        let header = BlockHeader::read(&self.part).map_err(at(self.at))?;
        let whole = header.whole_len(self.check).zip(header.unpacked);
        self.state = match whole {
            Some((length, unpacked)) if length.saturating_add(unpacked) <= BLOCK_MAX => {
                State::WholeBlock {
                    header,
                    length: length as usize,
                    unpacked,
                }
            }
            _ => {
                let streaming = Streaming::begin(self.check, &self.part)
                    .map_err(|failed| failed.at(self.at))?;
                self.part.clear();
                State::StreamedBlock(Box::new(streaming))
            }
        };
        Ok(())
    }

    /// Passes on a block that has been gathered.
    fn whole_block(&mut self, header: BlockHeader, unpacked: u64) -> Result<(), DecodeError> {
        let packed = std::mem::take(&mut self.part);
        let padding = header.padding();
        self.records
            .add(packed.len() as u64 - padding, unpacked)
            .map_err(at(self.at))?;
        if self.zero_blocks.knows(self.check, &packed) {
            // The buffer is free again at once: most blocks come this way.
            self.part = packed;
            self.part.clear();
            return self.output.zeros(unpacked);
        }
        if self.pool.is_none() {
            self.pool = Some(Pool::start()?);
        }
        let slot = self.output.later(packed.len() + unpacked as usize)?;
        let job = block::Job {
            check: self.check,
            unpadded: packed.len() as u64 - padding,
            packed,
            unpacked,
            ends_at: self.at,
            zero_blocks: self.zero_blocks.clone(),
            slot,
        };
        match &self.pool {
            Some(pool) => pool.submit(job),
            None => Err(DecodeError::Closed),
        }
    }

    pub fn finish(self) -> Result<(), DecodeError> {
        let within = match &self.state {
            State::Between { padding } if padding % 4 == 0 => return self.output.end(),
            State::Between { .. } => "the padding after a stream",
            State::StreamHeader => "a stream's header",
            State::BlockOrIndex => "a stream, before its index",
            State::BlockHeader { .. } => "a block's header",
            State::WholeBlock { .. } | State::StreamedBlock(_) => "a block",
            State::Index(_) => "a stream's index",
            State::Footer { .. } => "a stream's footer",
        };
        Err(DecodeError::Truncated {
            codec: XZ,
            at: self.at,
            within,
        })
    }
}

/// Gathers bytes up to a length; true when it is reached.
fn gather(part: &mut Vec<u8>, bytes: &mut &[u8], length: usize) -> bool {
    let taken = bytes.len().min(length - part.len());
    part.extend_from_slice(&bytes[..taken]);
    *bytes = &bytes[taken..];
    part.len() == length
}

/// Says where something was wrong.
fn at(at: u64) -> impl Fn(Wrong) -> DecodeError {
    move |wrong| wrong.at(at)
}
