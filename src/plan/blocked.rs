//! What is blocked, and why.

mod text;

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::template::TemplateBlock;
use super::unplaced::StorageUnfit;
use super::wanted::WantedBy;
use crate::facts::{ApprovalId, FailureKind, StepId};
use crate::model::{ClusterName, Dir, FileName, NodeId, RingName, StorageName};

/// Something that should be done and is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Blocked {
    /// The step it would be.
    pub id: StepId,
    /// Why it is not done.
    pub reason: BlockedReason,
    /// The positions it would be done for.
    pub wanted_by: WantedBy,
}

/// Why something is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum BlockedReason {
    /// The node does not answer.
    NodeUnreachable {
        /// Which one.
        node: NodeId,
        /// What it said.
        why: String,
        /// What kind of trouble it is, where only an operator can end it.
        #[serde(skip_serializing_if = "Option::is_none")]
        lasting: Option<FailureKind>,
    },
    /// The position could not be resolved.
    Unresolved {
        /// Why.
        why: super::desired::Unresolved,
    },
    /// Nodes that only clusters know are not known.
    NodesUnknown {
        /// As orders name them: `group lab`.
        names: Vec<String>,
        /// The clusters that may know them.
        clusters: Vec<ClusterName>,
        /// Why they do not tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The version of Proxmox VE takes no disk images through the API.
    VersionTooOld {
        /// The node.
        node: NodeId,
        /// The version.
        version: String,
    },
    /// The API token may not do it.
    PrivilegeMissing {
        /// The cluster.
        cluster: ClusterName,
        /// The ID of the token.
        token: String,
        /// Where the privileges are missing.
        path: String,
        /// The privileges.
        privileges: Vec<String>,
        /// The role that has them.
        role: String,
        /// The command that grants it.
        command: String,
    },
    /// Pruning is blocked because the orders are not completely known.
    PruneBlocked {
        /// Why.
        why: String,
    },
    /// A foreign file has the name that ours would get.
    ForeignFile {
        /// Its name in the cache.
        file: FileName,
    },
    /// What it would be made from is blocked itself.
    #[serde(rename = "source-held")]
    SourceBlocked {
        /// The step that is blocked.
        source: StepId,
    },
    /// Suspended by an operator.
    Suspended {
        /// What is suspended: `everything`, an order or a node.
        what: String,
        /// Why, where nobody asked for it: the operator's instructions cannot be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// It failed before and is tried again later.
    BackingOff {
        /// Failures in a row.
        failures: u32,
        /// When it is tried again.
        until: jiff::Timestamp,
        /// What went wrong last.
        error: String,
        /// What kind of trouble it is, where only an operator can end it.
        #[serde(skip_serializing_if = "Option::is_none")]
        lasting: Option<FailureKind>,
    },
    /// It may begin only in a window, and none is open.
    OutsideWindow {
        /// When the next one opens.
        until: jiff::Timestamp,
        /// The same as it is written where the window is: `Sat 2026-12-05 22:00 CET`.
        local: String,
    },
    /// The image goes ring by ring, and the ring of the node has not begun.
    WaitsForRing {
        /// The ring; `None` for the nodes that no ring covers.
        #[serde(skip_serializing_if = "Option::is_none")]
        ring: Option<RingName>,
        /// For what it waits, as it is told to people.
        why: String,
        /// When that may be over, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<jiff::Timestamp>,
        /// It waits for nothing but an operator who promotes the image to it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        needs_promotion: bool,
    },
    /// The storage cannot be used on the node.
    StorageUnfit {
        /// Which node.
        node: NodeId,
        /// Which storage.
        storage: StorageName,
        /// Why.
        why: StorageUnfit,
    },
    /// The storage is not mounted on the node, or its directory is not there.
    NotMounted {
        /// Where.
        place: String,
        /// What tells so, and what helps, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The directory is missing, and may be made only if somebody says so.
    DirMissing {
        /// Where.
        place: String,
        /// The directory alone.
        dir: Dir,
    },
    /// The directory did not answer in time; the rest of the node did.
    DirSilent {
        /// Where.
        place: String,
    },
    /// The file system has no inode left.
    NoInodes {
        /// Where.
        place: String,
    },
    /// The grace period is not over: a removed order may come back.
    InGrace {
        /// When it is pruned.
        until: jiff::Timestamp,
    },
    /// It is due only since the run observed again. What a run prunes from nodes is what
    /// its first plan showed, which somebody may have been asked about.
    NotPlanned,
    /// Its order or node was not selected.
    NotSelected {
        /// Why it would not be done anyway.
        #[serde(skip_serializing_if = "Option::is_none")]
        otherwise: Option<Box<BlockedReason>>,
    },
    /// Virtual machines refer to it.
    InUse {
        /// Their ids.
        vms: BTreeSet<u32>,
    },
    /// Which virtual machines refer to it is not known.
    UseUnknown {
        /// Why.
        why: String,
    },
    /// Files that talos-order placed in a directory is not known: its record cannot be read.
    RecordUnread {
        /// Where.
        place: String,
        /// Why.
        why: String,
    },
    /// Another controller placed it.
    NotOurs {
        /// Its name.
        owner: String,
    },
    /// It is not the file that we placed any more.
    Changed,
    /// More would be pruned than the limit allows without approval.
    OverBudget {
        /// How many files of the node would be pruned.
        files: usize,
        /// The limit.
        limit: usize,
        /// What `approve` takes.
        approval: ApprovalId,
    },
    /// A template is not made, changed or removed.
    Template {
        /// Why.
        why: TemplateBlock,
    },
    /// There is not enough room.
    NoSpace {
        /// Where.
        place: String,
        /// Bytes needed, with those that must stay free.
        need: u64,
        /// Bytes free.
        free: u64,
        /// Bytes there that interrupted deliveries of other images take.
        #[serde(skip_serializing_if = "is_zero")]
        parts: u64,
    },
}

/// serde hands over references.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

impl Blocked {
    /// False if it is as it should be: nobody waits for it.
    pub fn is_trouble(&self) -> bool {
        self.reason.is_trouble() || self.is_in_our_way()
    }

    /// True if it should be done, and is not as it should be until it is.
    pub fn is_due(&self) -> bool {
        self.is_trouble()
            || matches!(
                self.reason,
                BlockedReason::OutsideWindow { .. } | BlockedReason::WaitsForRing { .. }
            )
    }

    /// True if waiting alone does not help.
    pub fn needs_operator(&self) -> bool {
        self.reason.needs_operator() || self.is_in_our_way()
    }

    /// True if it is not done for no other reason than that nobody selected it, or would
    /// not be done anyway.
    pub fn is_not_selected(&self) -> bool {
        matches!(self.reason, BlockedReason::NotSelected { .. })
    }

    /// The same as if everything was selected; `None` for a step that would be done.
    pub fn as_if_selected(&self) -> Option<Cow<'_, Self>> {
        match &self.reason {
            BlockedReason::NotSelected { otherwise: None } => None,
            BlockedReason::NotSelected {
                otherwise: Some(reason),
            } => Some(Cow::Owned(Self {
                id: self.id.clone(),
                reason: (**reason).clone(),
                wanted_by: self.wanted_by.clone(),
            })),
            _ => Some(Cow::Borrowed(self)),
        }
    }

    /// Another controller's file is where ours is wanted, or a template that must stay has
    /// the VMID of a new one. Where nobody wants anything there, it may stay.
    fn is_in_our_way(&self) -> bool {
        let must_stay = match &self.reason {
            BlockedReason::NotOurs { .. } | BlockedReason::InUse { .. } => true,
            BlockedReason::Template { why } => matches!(why, TemplateBlock::Protected { .. }),
            _ => false,
        };
        !self.wanted_by.is_empty() && must_stay
    }
}

impl BlockedReason {
    /// The reason, or the one behind it where it was not selected either.
    pub fn underlying(&self) -> &Self {
        match self {
            Self::NotSelected {
                otherwise: Some(reason),
            } => reason,
            _ => self,
        }
    }

    /// False if it is as it should be: nobody waits for it.
    fn is_trouble(&self) -> bool {
        match self {
            Self::Template { why } => why.is_trouble(),
            Self::InGrace { .. }
            | Self::NotPlanned
            | Self::NotSelected { .. }
            | Self::InUse { .. }
            | Self::NotOurs { .. }
            | Self::Changed
            | Self::OutsideWindow { .. }
            | Self::WaitsForRing { .. }
            | Self::Suspended { .. } => false,
            Self::NodeUnreachable { .. }
            | Self::Unresolved { .. }
            | Self::NodesUnknown { .. }
            | Self::PrivilegeMissing { .. }
            | Self::VersionTooOld { .. }
            | Self::PruneBlocked { .. }
            | Self::ForeignFile { .. }
            | Self::SourceBlocked { .. }
            | Self::BackingOff { .. }
            | Self::StorageUnfit { .. }
            | Self::NotMounted { .. }
            | Self::DirMissing { .. }
            | Self::DirSilent { .. }
            | Self::NoInodes { .. }
            | Self::UseUnknown { .. }
            | Self::RecordUnread { .. }
            | Self::OverBudget { .. }
            | Self::NoSpace { .. } => true,
        }
    }

    /// True if waiting alone does not help.
    fn needs_operator(&self) -> bool {
        match self {
            Self::NodeUnreachable { lasting, .. } | Self::BackingOff { lasting, .. } => {
                lasting.is_some()
            }
            Self::Template { why } => why.needs_operator(),
            Self::SourceBlocked { .. } | Self::NodesUnknown { .. } => false,
            Self::Unresolved { why } => {
                !matches!(why, super::desired::Unresolved::VersionsUnknown { .. })
            }
            Self::PruneBlocked { .. }
            | Self::PrivilegeMissing { .. }
            | Self::VersionTooOld { .. }
            | Self::ForeignFile { .. }
            | Self::StorageUnfit { .. }
            | Self::NotMounted { .. }
            | Self::DirMissing { .. }
            | Self::DirSilent { .. }
            | Self::NoInodes { .. }
            | Self::OverBudget { .. }
            | Self::UseUnknown { .. }
            | Self::RecordUnread { .. }
            | Self::NoSpace { .. } => true,
            Self::Suspended { .. }
            | Self::OutsideWindow { .. }
            | Self::WaitsForRing { .. }
            | Self::InGrace { .. }
            | Self::NotPlanned
            | Self::NotSelected { .. }
            | Self::InUse { .. }
            | Self::NotOurs { .. }
            | Self::Changed => false,
        }
    }
}
