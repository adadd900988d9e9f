//! For what a ring waits, and until when.

use jiff::Timestamp;

use crate::model::RingName;
use crate::plan::blocked::BlockedReason;

/// For what a ring waits.
#[derive(Debug, Clone)]
pub(super) struct RingWait {
    pub ring: Option<RingName>,
    pub cause: RingCause,
}

/// What keeps a ring from beginning.
#[derive(Debug, Clone)]
pub(super) struct RingCause {
    pub why: String,
    pub until: Option<Timestamp>,
}

impl RingCause {
    pub(super) fn of(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            until: None,
        }
    }
}

impl RingWait {
    pub(super) fn reason(&self) -> BlockedReason {
        BlockedReason::WaitsForRing {
            ring: self.ring.clone(),
            why: self.cause.why.clone(),
            until: self.cause.until,
        }
    }

    /// It is over before another one, as far as that is known.
    pub(super) fn ends_before(&self, other: &Self) -> bool {
        match (self.cause.until, other.cause.until) {
            (Some(own), Some(other)) => own < other,
            (own, other) => own.is_some() && other.is_none(),
        }
    }
}
