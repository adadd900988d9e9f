//! How far the early pushes of a run are, for those that are sent on meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::facts::StepId;
use crate::model::{FileName, PushTarget};
use crate::nodes::EarlyReceipt;

/// A receipt for each early push, made when somebody first asks: the push itself, or one
/// that waits for it.
#[derive(Debug, Default)]
pub(super) struct Receipts(Mutex<BTreeMap<StepId, EarlyReceipt>>);

impl Receipts {
    /// That of a push.
    pub(super) fn of(&self, target: &PushTarget, file: &FileName) -> EarlyReceipt {
        let mut receipts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let receipt = receipts.entry(StepId::push(target, file));
        receipt.or_default().clone()
    }
}
