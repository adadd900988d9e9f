//! Decodes blocks: whole ones on worker threads, others as a stream.
//!
//! Either way liblzma gets a complete stream of exactly one block, with a header
//! and an index made here, so it verifies the block's check and sizes as it
//! always does; there is no second implementation of any check.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;

use xz2::stream::{Action, Status, Stream};

use super::format::{self, CheckKind, Wrong};
use crate::io::codec::decode::{Chunk, DecodeError, Output, Slot};

/// How much memory liblzma may use for one block, in bytes: enough for the 64 MiB
/// dictionary of `xz -9`, the largest preset.
const MEMORY: u64 = 80 << 20;

/// How much is unpacked at a time when decoding as a stream, in bytes.
const PIECE: usize = 256 << 10;

/// Packed blocks that are known to decode to zeros, for all workers.
#[derive(Debug, Clone, Default)]
pub struct ZeroBlocks(Arc<RwLock<Vec<KnownBlock>>>);

/// A whole packed block, and the kind of check that was verified with it.
type KnownBlock = (CheckKind, Vec<u8>);

/// How many different ones are remembered; an encoder makes one of full length
/// and perhaps a shorter one at the end.
const ZERO_BLOCKS: usize = 4;

/// The longest that is remembered, in bytes; 1 MiB of zeros packs into about 200.
const ZERO_BLOCK_MAX: usize = 16 << 10;

impl ZeroBlocks {
    /// True if a block of the same bytes has been decoded, checked, and was zeros.
    pub fn knows(&self, check: CheckKind, packed: &[u8]) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|(known_check, known)| *known_check == check && known == packed)
    }

    fn remember(&self, check: CheckKind, packed: &[u8]) {
        if packed.len() > ZERO_BLOCK_MAX || self.knows(check, packed) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < ZERO_BLOCKS {
            known.push((check, packed.to_vec()));
        }
    }
}

/// A whole block to decode.
#[derive(Debug)]
pub struct Job {
    pub check: CheckKind,
    /// The block from its header to its check.
    pub packed: Vec<u8>,
    /// Its length without padding, as the index counts it.
    pub unpadded: u64,
    pub unpacked: u64,
    /// Where it ends in the input, for messages.
    pub ends_at: u64,
    pub zero_blocks: ZeroBlocks,
    pub slot: Slot,
}

impl Job {
    fn run(self) {
        let chunk = self.decode().map(Chunk::of);
        if let Ok(Chunk::Zeros(_)) = chunk {
            self.zero_blocks.remember(self.check, &self.packed);
        }
        let ends_at = self.ends_at;
        self.slot.fill(chunk.map_err(|wrong| wrong.at(ends_at)));
    }

    fn decode(&self) -> Result<Vec<u8>, Wrong> {
        let mut decoder = decoder()?;
        let mut unpacked = Vec::with_capacity(self.unpacked as usize);
        let header = format::write_stream_header(self.check);
        let tail = format::write_single_tail(self.check, self.unpadded, self.unpacked);
        let mut ended = false;
        for mut part in [&header[..], &self.packed, &tail] {
            while !part.is_empty() {
                let before = (decoder.total_in(), decoder.total_out());
                let status = decoder
                    .process_vec(part, &mut unpacked, Action::Run)
                    .map_err(wrong)?;
                part = &part[(decoder.total_in() - before.0) as usize..];
                ended = status == Status::StreamEnd;
                if before == (decoder.total_in(), decoder.total_out()) {
                    return Err(Wrong::corrupt("a block is longer than its header states"));
                }
            }
        }
        if ended && unpacked.len() as u64 == self.unpacked {
            Ok(unpacked)
        } else {
            Err(Wrong::corrupt("a block is shorter than its header states"))
        }
    }
}

/// Threads that decode whole blocks, one for each core. They end by themselves
/// when the pool is dropped and their work is done.
#[derive(Debug)]
pub struct Pool {
    /// What bounds this queue is the budget of the output, which is reserved for
    /// each job before it is submitted.
    jobs: Sender<Job>,
}

impl Pool {
    pub fn start() -> Result<Self, DecodeError> {
        let (jobs, inbox) = channel();
        let inbox = Arc::new(Mutex::new(inbox));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores {
            let inbox = Arc::clone(&inbox);
            thread::Builder::new()
                .name("xz-block".to_owned())
                .spawn(move || work(&inbox))
                .map_err(|error| DecodeError::Thread {
                    what: error.to_string(),
                })?;
        }
        Ok(Self { jobs })
    }

    pub fn submit(&self, job: Job) -> Result<(), DecodeError> {
        self.jobs.send(job).map_err(|_| DecodeError::Thread {
            what: "no worker is left".to_owned(),
        })
    }
}

fn work(inbox: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: whoever has it takes the next job.
        let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job.run(),
            Err(_) => return,
        }
    }
}

/// A block that is decoded as its bytes come.
pub struct Streaming {
    decoder: Stream,
    check: CheckKind,
    frame: Frame,
    /// Bytes of the block so far: header and packed data.
    data: u64,
    piece: Vec<u8>,
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streaming")
            .field("frame", &self.frame)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// Where the packed data, padding and check of a block end.
#[derive(Debug)]
enum Frame {
    Data(Lzma2Walker),
    /// Padding and check, bytes left.
    Check(u64),
}

impl Streaming {
    /// Begins a block with its complete header.
    pub fn begin(check: CheckKind, header: &[u8]) -> Result<Self, Wrong> {
        let mut decoder = decoder()?;
        for mut part in [&format::write_stream_header(check)[..], header] {
            while !part.is_empty() {
                let before = decoder.total_in();
                decoder.process(part, &mut [], Action::Run).map_err(wrong)?;
                let taken = decoder.total_in() - before;
                if taken == 0 {
                    return Err(Wrong::corrupt("a block's header is not understood"));
                }
                part = &part[taken as usize..];
            }
        }
        Ok(Self {
            decoder,
            check,
            frame: Frame::Data(Lzma2Walker::default()),
            data: header.len() as u64,
            piece: vec![0; PIECE],
        })
    }

    /// Takes bytes up to the end of the block; when that is reached, the block's
    /// unpadded length and unpacked length, both verified.
    pub fn push(
        &mut self,
        bytes: &mut &[u8],
        output: &Output,
    ) -> Result<Option<(u64, u64)>, Wrong> {
        let taken = match &mut self.frame {
            Frame::Data(walker) => {
                let taken = walker.walk(bytes)?;
                self.data += taken as u64;
                if walker.ended() {
                    let left = format::padding(self.data) + self.check.len();
                    self.frame = Frame::Check(left);
                }
                taken
            }
            Frame::Check(left) => {
                let taken = (bytes.len() as u64).min(*left);
                *left -= taken;
                taken as usize
            }
        };
        self.feed(&bytes[..taken], output)?;
        *bytes = &bytes[taken..];
        if !matches!(self.frame, Frame::Check(0)) {
            return Ok(None);
        }
        let unpadded = self.data + self.check.len();
        let unpacked = self.decoder.total_out();
        let tail = format::write_single_tail(self.check, unpadded, unpacked);
        if self.feed(&tail, output)? == Status::StreamEnd {
            Ok(Some((unpadded, unpacked)))
        } else {
            Err(Wrong::corrupt("a block does not end where its data end"))
        }
    }

    fn feed(&mut self, mut bytes: &[u8], output: &Output) -> Result<Status, Wrong> {
        let mut status = Status::Ok;
        let mut full = false;
        while !bytes.is_empty() || full {
            let before = (self.decoder.total_in(), self.decoder.total_out());
            status = self
                .decoder
                .process(bytes, &mut self.piece, Action::Run)
                .map_err(wrong)?;
            let taken = (self.decoder.total_in() - before.0) as usize;
            let made = (self.decoder.total_out() - before.1) as usize;
            bytes = &bytes[taken..];
            output.copy(&self.piece[..made]).map_err(Wrong::Other)?;
            if taken == 0 && made == 0 && !bytes.is_empty() {
                return Err(Wrong::corrupt("a block makes no progress"));
            }
            // A full piece may mean that liblzma holds more for the same input.
            full = made == self.piece.len();
        }
        Ok(status)
    }
}

/// Finds the end of LZMA2 data without decoding them: the chunks carry their
/// lengths. LZMA2 is the last filter of every .xz block.
#[derive(Debug, Default)]
struct Lzma2Walker {
    part: Lzma2Part,
}

#[derive(Debug, Default, Clone, Copy)]
enum Lzma2Part {
    #[default]
    Control,
    /// The rest of a chunk's header: bytes left, and of them those behind the
    /// two bytes with the length of the data.
    Header {
        left: u8,
        behind: u8,
        length: u16,
    },
    Data {
        left: u32,
    },
    Ended,
}

impl Lzma2Walker {
    fn ended(&self) -> bool {
        matches!(self.part, Lzma2Part::Ended)
    }

    /// Goes over bytes up to the end of the data; how many that were.
    fn walk(&mut self, bytes: &[u8]) -> Result<usize, Wrong> {
        let mut at = 0;
        while at < bytes.len() {
            self.part = match self.part {
                Lzma2Part::Ended => break,
                Lzma2Part::Data { left } => {
                    let here = (bytes.len() - at).min(left as usize);
                    at += here;
                    match left - here as u32 {
                        0 => Lzma2Part::Control,
                        left => Lzma2Part::Data { left },
                    }
                }
                Lzma2Part::Control => {
                    at += 1;
                    Self::control(bytes[at - 1])?
                }
                Lzma2Part::Header {
                    left,
                    behind,
                    length,
                } => {
                    let byte = u16::from(bytes[at]);
                    at += 1;
                    // Only the two bytes before those behind are the length.
                    let is_length = left > behind && left - behind <= 2;
                    let length = if is_length {
                        length << 8 | byte
                    } else {
                        length
                    };
                    match left - 1 {
                        0 => Lzma2Part::Data {
                            left: u32::from(length) + 1,
                        },
                        left => Lzma2Part::Header {
                            left,
                            behind,
                            length,
                        },
                    }
                }
            };
        }
        Ok(at)
    }

    fn control(byte: u8) -> Result<Lzma2Part, Wrong> {
        let header = |left, behind| Lzma2Part::Header {
            left,
            behind,
            length: 0,
        };
        match byte {
            0x00 => Ok(Lzma2Part::Ended),
            // Stored: the length.
            0x01 | 0x02 => Ok(header(2, 0)),
            // Packed: unpacked length, packed length, and from 0xc0 properties.
            0x80..0xc0 => Ok(header(4, 0)),
            0xc0.. => Ok(header(5, 1)),
            _ => Err(Wrong::corrupt("a chunk of an unknown kind")),
        }
    }
}

fn decoder() -> Result<Stream, Wrong> {
    Stream::new_stream_decoder(MEMORY, 0).map_err(wrong)
}

fn wrong(error: xz2::stream::Error) -> Wrong {
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
