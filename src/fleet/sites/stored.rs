//! An instruction as it is in the store, and what is known of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bucket::{ObjectKey, ObjectTag, StoredObject};
use crate::error::chain;
use crate::facts::RolloutInstruction;
use crate::fleet::seal::{Dated, FleetKey, SealFault, SealPurpose};
use crate::model::OrderId;

/// An instruction as it is in the store.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct StoredInstruction {
    #[serde(flatten)]
    pub instruction: RolloutInstruction,
    /// New in each write, so that a writer whose answer was lost knows its own.
    #[serde(default)]
    pub nonce: String,
}

/// An instruction, as the store said last.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownInstruction {
    /// Of the object that is there; `None` where there is none.
    pub tag: Option<ObjectTag>,
    /// The last one that was valid.
    pub last: Option<RolloutInstruction>,
    /// When the newest one was written, by the clock of who wrote it.
    pub written: Option<Timestamp>,
    /// The one that is there is not valid, or it is gone.
    pub is_doubted: bool,
}

impl KnownInstruction {
    /// One that was read and is valid.
    pub(super) fn of(read: Dated<StoredInstruction>) -> Self {
        Self {
            tag: None,
            last: Some(read.content.instruction),
            written: Some(read.written),
            is_doubted: false,
        }
    }

    /// What is to be kept to.
    pub(super) fn told(&self) -> RolloutInstruction {
        let last = self.last.clone().unwrap_or_default();
        let is_paused = last.is_paused || self.is_doubted;
        RolloutInstruction { is_paused, ..last }
    }

    /// The instruction was read.
    pub(super) fn note(
        &mut self,
        order: &OrderId,
        read: Result<Dated<StoredInstruction>, SealFault>,
    ) {
        match read.and_then(|read| self.is_newest(&read).map(|()| read)) {
            Ok(read) => *self = Self::of(read),
            Err(fault) => self.doubt(order, &fault),
        }
    }

    /// There is no instruction in the store. Controllers remove none: somebody else did,
    /// which ends neither a pause nor a stop.
    pub(super) fn note_gone(&mut self, order: &OrderId) {
        self.tag = None;
        let is_missed = self.last.as_ref().is_some_and(|last| !last.is_empty());
        if is_missed && !self.is_doubted {
            self.doubt(order, &SealFault::Gone);
        }
    }

    fn doubt(&mut self, order: &OrderId, fault: &SealFault) {
        self.is_doubted = true;
        tracing::warn!(
            %order,
            reason = chain(fault),
            "the instruction for a rollout is not valid; the rollout pauses until \
             `talos-order rollout resume {order}`"
        );
    }

    pub(super) fn is_newest(&self, read: &Dated<StoredInstruction>) -> Result<(), SealFault> {
        match self.written.is_some_and(|newest| read.written < newest) {
            true => Err(SealFault::Older),
            false => Ok(()),
        }
    }
}

pub(super) fn parsed(
    object: &StoredObject,
    at: &ObjectKey,
    key: &FleetKey,
) -> Result<Dated<StoredInstruction>, SealFault> {
    let opened = key.open(SealPurpose::Instruction, at, &object.bytes)?;
    Ok(opened.content()?)
}
