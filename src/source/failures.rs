//! Fetches that failed although the remote says what it has: it is too slow, or broken.
//!
//! Each costs the server and the line as much as one that succeeds, so they are tried at
//! growing intervals, as a remote that does not answer is asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::SourceError;
use super::remote::RemoteReference;

/// The fetches that failed since the last one that did not.
#[derive(Debug, Default)]
pub(super) struct FetchFailures(Mutex<FailedFetches>);

#[derive(Debug, Default)]
struct FailedFetches {
    count: u32,
    /// The last one: when, of what, and why.
    last: Option<(Instant, RemoteReference, Arc<SourceError>)>,
}

impl FetchFailures {
    /// How many there were in a row.
    pub(super) fn count(&self) -> u32 {
        self.lock().count
    }

    /// Why this was not fetched, if that was tried within the pause.
    pub(super) fn recent(
        &self,
        remote: &RemoteReference,
        pause: Duration,
    ) -> Option<Arc<SourceError>> {
        let failed = self.lock();
        let (at, of, error) = failed.last.as_ref()?;
        (of == remote && at.elapsed() < pause).then(|| Arc::clone(error))
    }

    /// One more.
    pub(super) fn add(&self, remote: RemoteReference, error: &Arc<SourceError>) {
        let mut failed = self.lock();
        failed.count = failed.count.saturating_add(1);
        failed.last = Some((Instant::now(), remote, Arc::clone(error)));
    }

    /// The pause is over.
    pub(super) fn try_again(&self) {
        self.lock().last = None;
    }

    /// One did not fail.
    pub(super) fn clear(&self) {
        *self.lock() = FailedFetches::default();
    }

    fn lock(&self) -> MutexGuard<'_, FailedFetches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
