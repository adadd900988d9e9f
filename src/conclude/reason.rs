//! Why something is not ready, in the words that people and machines are told.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::FailureKind;
use crate::plan::{Blocked, BlockedReason, TemplateBlock, Unresolved};

/// Why something is not ready. In the order of how much it needs an operator.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Reason {
    /// The order, a position of it or a file of orders was refused.
    InvalidOrder,
    /// The newest revision of the orders is refused.
    SourceRejected,
    /// Two orders want different images at one path, or a foreign file is there.
    Conflict,
    /// The version that is asked for does not exist.
    NoSuchVersion,
    /// What came is not what was promised.
    DigestMismatch,
    /// There is not enough room.
    InsufficientSpace,
    /// A storage is not mounted.
    NotMounted,
    /// A storage cannot be used for an image.
    StorageUnusable,
    /// A directory is missing and may not be made.
    DirectoryMissing,
    /// A login, or access to a file or to the upstream, was denied.
    PermissionDenied,
    /// Pruning waits for approval.
    PruneBlocked,
    /// A step failed for another reason.
    Failed,
    /// The node does not answer.
    TargetUnreachable,
    /// The remote with the orders could not be asked.
    SourceUnavailable,
    /// The upstream asks for patience.
    UpstreamRateLimited,
    /// The upstream does not answer, or not with what was asked for.
    UpstreamUnavailable,
    /// It failed before and is tried again later.
    BackingOff,
    /// The ring of the node begins when an operator promotes the image to it.
    WaitsForPromotion,
    /// It may begin only in a window, and none is open.
    OutsideWindow,
    /// The ring of the node has not begun.
    WaitsForRing,
    /// Suspended by an operator.
    Suspended,
    /// It is out of sync, and the last run was for other orders or nodes.
    NotSelected,
    /// The run was stopped, or the observed state changed during it.
    Interrupted,
}

impl Reason {
    /// True if it is about where the orders come from.
    pub const fn is_of_source(self) -> bool {
        matches!(self, Self::SourceRejected | Self::SourceUnavailable)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The names are the words.
        f.pad(&format!("{self:?}"))
    }
}

/// The reason of a failure of this kind.
pub(super) const fn reason_of_kind(kind: FailureKind) -> Reason {
    match kind {
        FailureKind::Unreachable => Reason::TargetUnreachable,
        FailureKind::NoSpace => Reason::InsufficientSpace,
        FailureKind::WrongBytes => Reason::DigestMismatch,
        FailureKind::RateLimited => Reason::UpstreamRateLimited,
        FailureKind::Upstream => Reason::UpstreamUnavailable,
        FailureKind::NoSuchImage => Reason::NoSuchVersion,
        FailureKind::PermissionDenied => Reason::PermissionDenied,
        FailureKind::InTheWay => Reason::Conflict,
        FailureKind::Other => Reason::Failed,
    }
}

/// The reason of something that is blocked.
pub fn reason_of(blocked: &Blocked) -> Reason {
    match &blocked.reason {
        // Another controller's file is where ours is wanted.
        BlockedReason::NotOurs { .. } if !blocked.wanted_by.is_empty() => Reason::Conflict,
        BlockedReason::NodeUnreachable { lasting, .. } => match lasting {
            Some(kind) => reason_of_kind(*kind),
            None => Reason::TargetUnreachable,
        },
        BlockedReason::Unresolved { why } => match why {
            Unresolved::VersionsUnknown { .. } => Reason::UpstreamUnavailable,
            Unresolved::NoSuchVersion { .. } | Unresolved::Unsupported { .. } => {
                Reason::NoSuchVersion
            }
            Unresolved::Conflict { .. }
            | Unresolved::TemplateConflict { .. }
            | Unresolved::PinConflict { .. } => Reason::Conflict,
        },
        BlockedReason::PruneBlocked { .. }
        | BlockedReason::InGrace { .. }
        | BlockedReason::NotPlanned
        | BlockedReason::InUse { .. }
        | BlockedReason::UseUnknown { .. }
        | BlockedReason::RecordUnread { .. }
        | BlockedReason::NotOurs { .. }
        | BlockedReason::Changed
        | BlockedReason::OverBudget { .. } => Reason::PruneBlocked,
        BlockedReason::Template { why } => match why {
            TemplateBlock::ForeignName { .. }
            | TemplateBlock::VmIdTaken { .. }
            | TemplateBlock::NoFreeVmId { .. } => Reason::Conflict,
            TemplateBlock::VmsUnknown { .. } => Reason::PermissionDenied,
            TemplateBlock::TargetUnfit { .. } => Reason::StorageUnusable,
            TemplateBlock::Locked { .. } => Reason::Interrupted,
            TemplateBlock::Protected { .. } | TemplateBlock::ClonesUnknown { .. } => {
                Reason::PruneBlocked
            }
        },
        BlockedReason::NodesUnknown { .. } => Reason::TargetUnreachable,
        BlockedReason::PrivilegeMissing { .. } => Reason::PermissionDenied,
        BlockedReason::ForeignFile { .. } => Reason::Conflict,
        BlockedReason::SourceBlocked { .. } => Reason::Interrupted,
        BlockedReason::Suspended { .. } => Reason::Suspended,
        BlockedReason::OutsideWindow { .. } => Reason::OutsideWindow,
        BlockedReason::WaitsForRing {
            needs_promotion, ..
        } => match needs_promotion {
            true => Reason::WaitsForPromotion,
            false => Reason::WaitsForRing,
        },
        BlockedReason::NotSelected { .. } => Reason::NotSelected,
        // What only an operator can end keeps its reason between two attempts.
        BlockedReason::BackingOff { lasting, .. } => match lasting {
            Some(kind) => reason_of_kind(*kind),
            None => Reason::BackingOff,
        },
        BlockedReason::DirMissing { .. } => Reason::DirectoryMissing,
        BlockedReason::StorageUnfit { .. } | BlockedReason::VersionTooOld { .. } => {
            Reason::StorageUnusable
        }
        BlockedReason::NotMounted { .. } | BlockedReason::DirSilent { .. } => Reason::NotMounted,
        BlockedReason::NoSpace { .. } | BlockedReason::NoInodes { .. } => Reason::InsufficientSpace,
    }
}
