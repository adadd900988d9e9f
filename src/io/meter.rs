//! Progress as two numbers that a worker raises and a display reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How far a transfer has come, in bytes.
///
/// A worker counts up, a display polls; neither waits for the other, and no
/// message is sent per block.
#[derive(Debug, Default)]
pub struct Meter {
    done: AtomicU64,
    total: AtomicU64,
    waits_for: Mutex<Option<&'static str>>,
}

impl Meter {
    /// Adds bytes that are done.
    pub fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Sets how many bytes are done, after a restart or a resume.
    pub fn set_done(&self, bytes: u64) {
        self.done.store(bytes, Ordering::Relaxed);
    }

    /// Sets how many bytes there will be; 0 means unknown.
    pub fn set_total(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    /// Sets what is waited for before there can be more bytes, as a clause for people.
    pub fn set_waits_for(&self, what: Option<&'static str>) {
        *self
            .waits_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// What is waited for, where it is not the bytes themselves.
    pub fn waits_for(&self) -> Option<&'static str> {
        *self
            .waits_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes done, and the total where it is known.
    pub fn read(&self) -> (u64, Option<u64>) {
        let total = self.total.load(Ordering::Relaxed);
        (
            self.done.load(Ordering::Relaxed),
            (total > 0).then_some(total),
        )
    }
}
