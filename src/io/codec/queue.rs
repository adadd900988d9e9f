//! The pipe between the end that decodes and the end that consumes: an ordered
//! queue with places that are filled later, and a budget in bytes.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::error::DecodeError;
use crate::io::file::sparse::is_zero;

/// How many bytes all decoders at work hold between their two ends at most (64 MiB);
/// a sized xz block may take half of that, or else is decoded as a stream.
pub const BUFFERED: usize = 64 << 20;

/// A piece of the unpacked content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Bytes.
    Data(Vec<u8>),
    /// That many zero bytes, recognised in runs without anyone comparing again.
    Zeros(u64),
}

impl Chunk {
    /// The bytes as a chunk; all zeros become a run.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        if is_zero(&bytes) {
            Self::Zeros(bytes.len() as u64)
        } else {
            Self::Data(bytes)
        }
    }
}

/// How many chunks may wait; the budget usually stops earlier. Runs of zeros
/// cost no memory, so this is what bounds how far they run ahead.
const PLACES: usize = 64;

/// The decoding end.
#[derive(Debug)]
pub(super) struct ChunkSender {
    places: SyncSender<Queued>,
    budget: Arc<Budget>,
}

/// A place in the order whose chunk comes from another thread.
#[derive(Debug)]
pub(super) struct ReservedChunk(SyncSender<Result<Chunk, DecodeError>>);

/// The consuming end: an iterator over the unpacked content in order. It ends
/// after the last chunk of a complete and checked input, and otherwise with
/// exactly one error.
#[derive(Debug)]
pub struct Decoded {
    places: Option<Receiver<Queued>>,
    budget: Arc<Budget>,
}

#[derive(Debug)]
enum Queued {
    Ready {
        chunk: Chunk,
        cost: usize,
    },
    Later {
        slot: Receiver<Result<Chunk, DecodeError>>,
        cost: usize,
    },
    End,
}

pub(super) fn queue(bytes: usize) -> (ChunkSender, Decoded) {
    let (sender, receiver) = sync_channel(PLACES);
    let budget = Arc::new(Budget::new(bytes));
    let output = ChunkSender {
        places: sender,
        budget: Arc::clone(&budget),
    };
    let decoded = Decoded {
        places: Some(receiver),
        budget,
    };
    (output, decoded)
}

impl ChunkSender {
    /// Passes on bytes; a run of zeros is recognised and not copied.
    ///
    /// # Errors
    /// [`DecodeError::Closed`] if the consumer is gone.
    pub(super) fn copy(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if is_zero(bytes) {
            return self.zeros(bytes.len() as u64);
        }
        let cost = bytes.len();
        self.budget.acquire(cost)?;
        let chunk = Chunk::Data(bytes.to_vec());
        self.place(Queued::Ready { chunk, cost })
    }

    /// Passes on a run of zeros.
    ///
    /// # Errors
    /// [`DecodeError::Closed`] if the consumer is gone.
    pub(super) fn zeros(&self, count: u64) -> Result<(), DecodeError> {
        let chunk = Chunk::Zeros(count);
        self.place(Queued::Ready { chunk, cost: 0 })
    }

    /// Reserves the next place for a chunk that another thread will make, and
    /// `cost` bytes of the budget until the chunk is taken.
    ///
    /// # Errors
    /// [`DecodeError::Closed`] if the consumer is gone.
    pub(super) fn later(&self, cost: usize) -> Result<ReservedChunk, DecodeError> {
        self.budget.acquire(cost)?;
        let (filler, slot) = sync_channel(1);
        self.place(Queued::Later { slot, cost })?;
        Ok(ReservedChunk(filler))
    }

    /// Says that everything has been passed on.
    ///
    /// # Errors
    /// [`DecodeError::Closed`] if the consumer is gone.
    pub(super) fn end(self) -> Result<(), DecodeError> {
        self.place(Queued::End)
    }

    fn place(&self, item: Queued) -> Result<(), DecodeError> {
        self.places.send(item).map_err(|_| DecodeError::Closed)
    }
}

impl ReservedChunk {
    /// Fills the place. Never blocks.
    pub(super) fn fill(self, chunk: Result<Chunk, DecodeError>) {
        // The consumer may be gone, and then nobody misses the chunk.
        let _ = self.0.send(chunk);
    }
}

impl Iterator for Decoded {
    type Item = Result<Chunk, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let chunk = match self.places.as_ref()?.recv() {
            Ok(Queued::Ready { chunk, cost }) => {
                self.budget.release(cost);
                Ok(chunk)
            }
            Ok(Queued::Later { slot, cost }) => {
                let chunk = slot.recv().unwrap_or_else(|_| {
                    Err(DecodeError::Thread {
                        what: "it stopped without a result".to_owned(),
                    })
                });
                self.budget.release(cost);
                chunk
            }
            Ok(Queued::End) => {
                self.places = None;
                return None;
            }
            Err(_) => Err(DecodeError::Aborted),
        };
        if chunk.is_err() {
            self.close();
        }
        Some(chunk)
    }
}

impl Decoded {
    /// Lets the other end notice: a full queue and a spent budget both end the waiting.
    fn close(&mut self) {
        self.places = None;
        self.budget.close();
    }
}

impl Drop for Decoded {
    fn drop(&mut self) {
        self.close();
    }
}

/// A number of bytes that may be held at a time.
#[derive(Debug)]
struct Budget {
    limit: usize,
    spent: Mutex<Spent>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Spent {
    bytes: usize,
    closed: bool,
}

impl Budget {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            spent: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Waits until that many bytes are free; more than the whole budget is
    /// granted when nothing else is held.
    fn acquire(&self, bytes: usize) -> Result<(), DecodeError> {
        let mut spent = self
            .freed
            .wait_while(self.lock(), |spent| {
                !spent.closed && spent.bytes > 0 && spent.bytes + bytes > self.limit
            })
            .unwrap_or_else(PoisonError::into_inner);
        if spent.closed {
            return Err(DecodeError::Closed);
        }
        spent.bytes += bytes;
        Ok(())
    }

    fn release(&self, bytes: usize) {
        self.lock().bytes -= bytes;
        self.freed.notify_one();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.freed.notify_all();
    }

    /// A panic elsewhere cannot leave two numbers half changed.
    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
