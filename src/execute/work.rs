//! What every step is done with: the places, and the files of the cache so far.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::context::ExecutionContext;
use crate::facts::{CacheState, Failure, FailureKind, Meta, Outcome};
use crate::model::FileName;

/// The places, and what is known of the files in the cache. What a step does at its
/// place is in `steps/`.
pub(super) struct StepWork<F, N> {
    pub context: Arc<ExecutionContext<F, N>>,
    /// Size and digest of what the cache holds, extended as steps succeed.
    files: Mutex<BTreeMap<FileName, Meta>>,
}

impl<F, N> StepWork<F, N> {
    pub(super) fn new(context: Arc<ExecutionContext<F, N>>, known: &CacheState) -> Self {
        let files = known
            .files
            .iter()
            .map(|(name, cached)| (name.clone(), cached.meta.clone()))
            .collect();
        Self {
            files: Mutex::new(files),
            context,
        }
    }

    /// Notes a file that a step brought in.
    pub(super) fn learn(&self, meta: &Meta, file: &FileName) {
        let mut files = self.files.lock().expect("no holder panics");
        files.insert(file.clone(), meta.clone());
    }

    /// The record of a file that a step needs.
    pub(super) fn known(&self, file: &FileName) -> Result<Meta, Failure> {
        let files = self.files.lock().expect("no holder panics");
        files.get(file).cloned().ok_or_else(|| Failure {
            error: format!("the cache has no record of {file}"),
            hint: None,
            transient: true,
            kind: FailureKind::Other,
        })
    }
}

pub(super) fn failed(error: impl Into<Failure>) -> Outcome {
    Outcome::Failed {
        failure: error.into(),
    }
}
