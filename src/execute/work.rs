//! What every step is done with: the places, and the files of the cache so far.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::context::ExecutionContext;
use super::receipts::Receipts;
use crate::facts::{CacheState, Failure, FailureKind, Meta, Outcome, RecordEntry, TemplateMark};
use crate::model::{FileName, NodeId, PushTarget, Sha256, VmId};

/// The places, and what is known of the files in the cache. What a step does at its
/// place is in `steps/`.
pub(super) struct StepWork<F, N> {
    pub context: Arc<ExecutionContext<F, N>>,
    /// Size and digest of what the cache holds, extended as steps succeed.
    files: Mutex<BTreeMap<FileName, Meta>>,
    /// The digests of what was delivered in this run.
    delivered: Mutex<BTreeMap<(PushTarget, FileName), Sha256>>,
    /// The marks of the templates that were made in this run.
    templates: Mutex<BTreeMap<(NodeId, VmId), TemplateMark>>,
    /// How far early pushes are, for those that are sent on meanwhile.
    pub receipts: Receipts,
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
            delivered: Mutex::default(),
            templates: Mutex::default(),
            receipts: Receipts::default(),
            context,
        }
    }

    /// Notes a file that a step brought in.
    pub(super) fn learn(&self, meta: &Meta, file: &FileName) {
        let mut files = self.files.lock().expect("no holder panics");
        files.insert(file.clone(), meta.clone());
    }

    /// Notes what a delivery brought to a node.
    pub(super) fn learn_delivered(&self, target: &PushTarget, entry: &RecordEntry) {
        let mut delivered = self.delivered.lock().expect("no holder panics");
        let digest = entry.source_sha256();
        delivered.insert((target.clone(), entry.name.clone()), digest);
    }

    /// The digest of an image that was delivered in this run, as the cache has it.
    pub(super) fn delivered(&self, target: &PushTarget, file: &FileName) -> Option<Sha256> {
        let delivered = self.delivered.lock().expect("no holder panics");
        delivered.get(&(target.clone(), file.clone())).copied()
    }

    /// Notes a template that was made.
    pub(super) fn learn_template(&self, node: &NodeId, mark: &TemplateMark) {
        let mut templates = self.templates.lock().expect("no holder panics");
        templates.insert((node.clone(), mark.vmid), mark.clone());
    }

    /// The mark of a template that was made in this run.
    pub(super) fn created(&self, node: &NodeId, vmid: VmId) -> Option<TemplateMark> {
        let templates = self.templates.lock().expect("no holder panics");
        templates.get(&(node.clone(), vmid)).cloned()
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

pub(super) fn failed(error: impl Into<Outcome>) -> Outcome {
    error.into()
}
