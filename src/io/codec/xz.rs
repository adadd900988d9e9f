//! Splits .xz data into blocks, as the bytes arrive, and has them decoded.
//!
//! A block whose header carries its sizes is gathered whole and goes to a worker
//! on any core; its place in the output is reserved at once, so the order holds
//! by itself. A block of the same bytes as one that gave only zeros is a hole and
//! is not decoded: in a Talos image that is nine blocks of ten. A block that is too
//! large to hold is decoded as its bytes come, on the pushing thread. Where the first
//! block of a stream does not carry its size, only a decoder knows where it ends, and
//! the whole stream is left to liblzma.
//!
//! liblzma does the decoding and verifies each block's check. Its own threaded
//! decoder was not taken: it silently stops at the end of the first of several
//! streams, and cannot know that a block was seen before. What is between blocks with
//! sizes (headers, index, footer, padding) is read and verified here.

mod block;
mod format;
mod streamed;
#[cfg(test)]
mod tests;

use crate::io::codec::error::{DecodeError, XZ};
use crate::io::codec::queue::{BUFFERED, ChunkSender};
use block::{Pool, ZeroBlocks};
use format::{BlockHeader, CheckKind, FOOTER, IndexReader, MAGIC, Records, STREAM_HEADER, Wrong};
use streamed::Streamed;

/// The largest block, packed and unpacked bytes together, that is held in memory
/// to be decoded by a worker; half the budget, so that two fit.
const BLOCK_MAX: u64 = BUFFERED as u64 / 2;

#[derive(Debug)]
pub(super) struct XzDecoder {
    state: XzState,
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
    output: ChunkSender,
}

#[derive(Debug)]
enum XzState {
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
    LargeBlock {
        streamed: Box<Streamed>,
        unpadded: u64,
        /// Bytes still to come.
        left: u64,
    },
    /// A stream that is left to liblzma.
    WholeStream(Box<Streamed>),
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
    pub(super) fn new(output: ChunkSender) -> Self {
        Self {
            state: XzState::StreamHeader,
            part: Vec::new(),
            at: 0,
            check: CheckKind::None,
            records: Records::default(),
            zero_blocks: ZeroBlocks::default(),
            pool: None,
            output,
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), DecodeError> {
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
            XzState::StreamHeader => {
                if gather(&mut self.part, bytes, STREAM_HEADER) {
                    self.check = format::read_stream_header(&self.part).map_err(at(self.at))?;
                    self.part.clear();
                    self.records = Records::default();
                    self.state = XzState::BlockOrIndex;
                }
            }
            XzState::BlockOrIndex => {
                self.state = match format::block_header_len(bytes[0]) {
                    None => XzState::Index(IndexReader::default()),
                    Some(length) => XzState::BlockHeader { length },
                };
            }
            XzState::BlockHeader { length } => {
                let length = *length;
                if gather(&mut self.part, bytes, length) {
                    self.begin_block()?;
                }
            }
            &mut XzState::WholeBlock {
                header,
                length,
                unpacked,
            } => {
                if gather(&mut self.part, bytes, length) {
                    self.whole_block(header, unpacked)?;
                    self.state = XzState::BlockOrIndex;
                }
            }
            XzState::LargeBlock {
                streamed,
                unpadded,
                left,
            } => {
                let here = (bytes.len() as u64).min(*left);
                let (mut part, rest) = bytes.split_at(here as usize);
                *bytes = rest;
                *left -= here;
                let ended = streamed.push(&mut part, &self.output);
                ended.map_err(at(self.at))?;
                if *left == 0 {
                    let ended = streamed.end_block(self.check, *unpadded, &self.output);
                    let unpacked = ended.map_err(at(self.at))?;
                    self.records.add(*unpadded, unpacked).map_err(at(self.at))?;
                    self.state = XzState::BlockOrIndex;
                }
            }
            XzState::WholeStream(streamed) => {
                if streamed.push(bytes, &self.output).map_err(at(self.at))? {
                    self.state = XzState::Between { padding: 0 };
                }
            }
            XzState::Index(index) => {
                if let Some(index_size) = index.push(bytes, &self.records).map_err(at(self.at))? {
                    self.state = XzState::Footer { index_size };
                }
            }
            XzState::Footer { index_size } => {
                let index_size = *index_size;
                if gather(&mut self.part, bytes, FOOTER) {
                    format::read_footer(&self.part, self.check, index_size).map_err(at(self.at))?;
                    self.part.clear();
                    self.state = XzState::Between { padding: 0 };
                }
            }
            XzState::Between { padding } => {
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
                    self.state = XzState::StreamHeader;
                }
            }
        }
        Ok(())
    }

    fn begin_block(&mut self) -> Result<(), DecodeError> {
        let header = BlockHeader::read(&self.part).map_err(at(self.at))?;
        let length = header.whole_len(self.check);
        self.state = match length.zip(header.unpacked) {
            Some((length, unpacked)) if length.saturating_add(unpacked) <= BLOCK_MAX => {
                XzState::WholeBlock {
                    header,
                    length: length as usize,
                    unpacked,
                }
            }
            // Nobody writes them in this order.
            _ if length.is_none() && !self.records.is_empty() => {
                let what = "a block that does not state its length, behind others that do";
                return Err(Wrong::Unsupported(what.to_owned()).at(self.at));
            }
            _ => {
                let streamed = Streamed::begin(self.check, &self.part, &self.output);
                let streamed = Box::new(streamed.map_err(at(self.at))?);
                self.part.clear();
                match length {
                    Some(length) => XzState::LargeBlock {
                        streamed,
                        left: length - header.len,
                        unpadded: length - header.padding(),
                    },
                    None => XzState::WholeStream(streamed),
                }
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
            // The buffer is free again at once: most blocks are zeros.
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

    pub(super) fn finish(self) -> Result<(), DecodeError> {
        let within = match &self.state {
            XzState::Between { padding } if padding % 4 == 0 => return self.output.end(),
            XzState::Between { .. } => "the padding after a stream",
            XzState::StreamHeader => "a stream's header",
            XzState::BlockOrIndex => "a stream, before its index",
            XzState::BlockHeader { .. } => "a block's header",
            XzState::WholeBlock { .. } | XzState::LargeBlock { .. } => "a block",
            XzState::WholeStream(_) => "a stream",
            XzState::Index(_) => "a stream's index",
            XzState::Footer { .. } => "a stream's footer",
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
