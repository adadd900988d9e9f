//! Decodes whole blocks on worker threads.
//!
//! liblzma gets a complete stream of exactly one block, with a header and an index
//! made here, so it verifies the block's check and sizes as it always does; there is
//! no second implementation of any check.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;

use xz2::stream::{Action, Status};

use super::format::{self, CheckKind, Wrong};
use super::streamed::{decoder, wrong};
use crate::io::codec::error::DecodeError;
use crate::io::codec::queue::{Chunk, ReservedChunk};

/// Packed blocks that are known to decode to zeros, for all workers.
#[derive(Debug, Clone, Default)]
pub(super) struct ZeroBlocks(Arc<RwLock<Vec<KnownBlock>>>);

/// A whole packed block, and the kind of check that was verified with it.
type KnownBlock = (CheckKind, Vec<u8>);

/// How many different ones are remembered; an encoder makes one of full length
/// and perhaps a shorter one at the end.
const ZERO_BLOCKS: usize = 4;

/// The longest that is remembered, in bytes; 1 MiB of zeros packs into about 200.
const ZERO_BLOCK_MAX: usize = 16 << 10;

impl ZeroBlocks {
    /// True if a block of the same bytes has been decoded, checked, and was zeros.
    pub(super) fn knows(&self, check: CheckKind, packed: &[u8]) -> bool {
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
pub(super) struct Job {
    pub check: CheckKind,
    /// The block from its header to its check.
    pub packed: Vec<u8>,
    /// Its length without padding, as the index counts it.
    pub unpadded: u64,
    pub unpacked: u64,
    /// Where it ends in the input, for messages.
    pub ends_at: u64,
    pub zero_blocks: ZeroBlocks,
    pub slot: ReservedChunk,
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
pub(super) struct Pool {
    /// What bounds this queue is the budget of the output, which is reserved for
    /// each job before it is submitted.
    jobs: Sender<Job>,
}

impl Pool {
    pub(super) fn start() -> Result<Self, DecodeError> {
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

    pub(super) fn submit(&self, job: Job) -> Result<(), DecodeError> {
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
