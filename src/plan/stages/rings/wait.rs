//! For what a ring waits, and until when.

use jiff::Timestamp;

use crate::model::RingName;
use crate::plan::blocked::BlockedReason;
use crate::plan::rollout::FOR_PROMOTION;

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
    /// The ring that it waits for, if it is one.
    pub waits_for: Option<RingName>,
    pub until: Option<Timestamp>,
    /// It waits for nothing but an operator who promotes the image to it.
    pub needs_promotion: bool,
}

impl RingCause {
    pub(super) fn of(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            waits_for: None,
            until: None,
            needs_promotion: false,
        }
    }

    /// A ring that begins only when the image is promoted to it.
    pub(super) fn of_manual() -> Self {
        Self {
            needs_promotion: true,
            ..Self::of(FOR_PROMOTION)
        }
    }

    /// A ring that has to be done first, and is as the clause says.
    pub(super) fn of_ring(name: &RingName, clause: &str) -> Self {
        Self {
            waits_for: Some(name.clone()),
            ..Self::of(format!("ring {name} {clause}"))
        }
    }
}

impl RingWait {
    pub(super) fn reason(&self) -> BlockedReason {
        BlockedReason::WaitsForRing {
            ring: self.ring.clone(),
            why: self.cause.why.clone(),
            until: self.cause.until,
            needs_promotion: self.cause.needs_promotion,
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
