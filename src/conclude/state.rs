//! How something does, in the words of kstatus.
//!
//! Version 0.1.0 knows no `Suspended` and takes a status with it for none, so in the file
//! and over the socket `state` says `Stalled` then, as that version did, and
//! `exact_state` beside it is what this one believes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::reason::Reason;

/// How something does, what needs attention most first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ConditionState {
    /// It is out of sync, and stays so until an operator acts.
    Stalled,
    /// It is out of sync, and the controller continues without an operator.
    Reconciling,
    /// An operator or the order excludes it from reconciliation.
    Suspended,
    /// Everything wanted is in sync.
    Ready,
}

impl ConditionState {
    /// The state of what has this reason. `is_lasting` where the cause itself says that a
    /// retry does not help.
    pub(super) const fn of(reason: Reason, is_lasting: bool) -> Self {
        match reason {
            Reason::InvalidOrder
            | Reason::SourceRejected
            | Reason::Conflict
            | Reason::NoSuchVersion
            | Reason::DigestMismatch
            | Reason::InsufficientSpace
            | Reason::NotMounted
            | Reason::StorageUnusable
            | Reason::DirectoryMissing
            | Reason::PermissionDenied
            | Reason::PruneBlocked => Self::Stalled,
            Reason::Failed
            | Reason::TargetUnreachable
            | Reason::UpstreamRateLimited
            | Reason::UpstreamUnavailable
            | Reason::BackingOff => {
                if is_lasting {
                    Self::Stalled
                } else {
                    Self::Reconciling
                }
            }
            Reason::SourceUnavailable
            | Reason::OutsideWindow
            | Reason::WaitsForRing
            | Reason::WaitsForPromotion
            | Reason::NotSelected
            | Reason::Interrupted => Self::Reconciling,
            Reason::Suspended => Self::Suspended,
        }
    }

    /// True if it is as it should be: in sync, or left alone on request.
    pub const fn is_fine(self) -> bool {
        matches!(self, Self::Ready | Self::Suspended)
    }

    /// The word of version 0.1.0.
    pub(super) const fn first_word(self) -> Self {
        match self {
            Self::Suspended => Self::Stalled,
            Self::Stalled | Self::Reconciling | Self::Ready => self,
        }
    }
}

impl fmt::Display for ConditionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stalled => "Stalled",
            Self::Reconciling => "Reconciling",
            Self::Suspended => "Suspended",
            Self::Ready => "Ready",
        })
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct StateWords {
    state: ConditionState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exact_state: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives it so")]
pub(super) fn serialize<S: Serializer>(state: &ConditionState, to: S) -> Result<S::Ok, S::Error> {
    let first = state.first_word();
    let exact_state = (first != *state).then(|| state.to_string());
    let state = first;
    StateWords { state, exact_state }.serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ConditionState, D::Error> {
    let StateWords { state, exact_state } = StateWords::deserialize(from)?;
    // A word of a later version says less than the one beside it.
    let exact = exact_state.and_then(|word| serde_json::from_value(word.into()).ok());
    Ok(exact.unwrap_or(state))
}
