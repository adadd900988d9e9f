//! Things that go wrong, on request.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PveFault {
    /// This status with this text in the status line and no body, as 595 to 599 come.
    Status(u16, String),
    /// This status with this body.
    Body(u16, String),
    /// The answer comes this late.
    Late(Duration),
    /// No answer comes.
    Hang,
    /// The connection closes in the middle of the answer.
    Cut,
}

/// The faults that wait for their requests.
#[derive(Debug, Default)]
pub(super) struct PveFaults(Mutex<VecDeque<(String, PveFault)>>);

impl PveFaults {
    pub(super) fn push(&self, request: String, fault: PveFault) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back((request, fault));
    }

    /// Takes the first fault that is meant for a request.
    pub(super) fn take(&self, request: &str) -> Option<PveFault> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = queue
            .iter()
            .position(|(wanted, _)| request.contains(wanted.as_str()))?;
        queue.remove(index).map(|(_, fault)| fault)
    }
}
