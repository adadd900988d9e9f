//! How the remote answered, in numbers. A value that is handed down: a reload keeps it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::error::SourceError;
use crate::facts::SourceUse;

/// Counts how the remote answered. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceTally(Arc<Mutex<SourceUse>>);

impl SourceTally {
    /// What was counted until now.
    pub(crate) fn read(&self) -> SourceUse {
        *self.lock()
    }

    /// Goes on from numbers that were kept; no number falls.
    pub(crate) fn raise(&self, kept: &SourceUse) {
        self.lock().raise(kept);
    }

    /// The remote was asked.
    pub(super) fn asked<T>(&self, said: &Result<T, SourceError>, now: Timestamp) {
        let mut known = self.lock();
        known.asked_at = Some(now);
        if said.as_ref().err().is_none_or(SourceError::is_rejection) {
            known.answered_at = Some(now);
        }
        drop(known);
        if let Err(error) = said {
            self.failed(error);
        }
    }

    /// What it has cannot be fetched, or is refused.
    pub(super) fn failed(&self, error: &SourceError) {
        let mut known = self.lock();
        let count = match error.is_rejection() {
            true => &mut known.rejections,
            false => &mut known.failures,
        };
        *count = count.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, SourceUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
