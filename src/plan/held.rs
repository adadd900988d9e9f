//! What is held back, and why.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::bytes::Bytes;
use super::wanted::WantedBy;
use crate::facts::{ApprovalId, StepId};
use crate::model::{Dir, FileName, NodeId};

/// Something that should be done and is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The step it would be.
    pub id: StepId,
    /// Why it is not done.
    pub reason: HeldReason,
    /// The positions it would be done for.
    pub wanted_by: WantedBy,
}

/// Why something is held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum HeldReason {
    /// The node does not answer.
    NodeUnreachable {
        /// Which one.
        node: NodeId,
        /// What it said.
        why: String,
    },
    /// The position could not be resolved.
    Unresolved {
        /// Why.
        why: super::desired::Unresolved,
    },
    /// Removing is held back because the orders are not completely known.
    PruneBlocked {
        /// Why.
        why: String,
    },
    /// A file that we did not write lies where ours would go.
    ForeignFile {
        /// Its name in the cache.
        file: FileName,
    },
    /// What it would be made from is held back itself.
    SourceHeld {
        /// The step that is held back.
        source: StepId,
    },
    /// A person has suspended it.
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
    /// A removal waits, because an order that is gone may come back.
    InGrace {
        /// When it may go.
        until: jiff::Timestamp,
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
    /// What we placed in a directory is not known: its record cannot be read.
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
    /// More would be removed than may go without a person's word.
    OverBudget {
        /// How many files of the node would go.
        files: usize,
        /// How many may.
        limit: usize,
        /// What `approve` takes.
        approval: ApprovalId,
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

impl Held {
    /// False if it is as it should be: nobody waits for it.
    pub fn is_trouble(&self) -> bool {
        self.reason.is_trouble() || self.is_in_our_way()
    }

    /// True if waiting alone does not help.
    pub fn needs_person(&self) -> bool {
        self.reason.needs_person() || self.is_in_our_way()
    }

    /// Another controller's file lies where ours is wanted. Where nobody wants
    /// ours, it may stay.
    fn is_in_our_way(&self) -> bool {
        !self.wanted_by.is_empty() && matches!(self.reason, HeldReason::NotOurs { .. })
    }
}

impl HeldReason {
    /// False if it is as it should be: nobody waits for it.
    fn is_trouble(&self) -> bool {
        match self {
            Self::InGrace { .. }
            | Self::InUse { .. }
            | Self::NotOurs { .. }
            | Self::Changed
            | Self::Suspended { .. } => false,
            Self::NodeUnreachable { .. }
            | Self::Unresolved { .. }
            | Self::PruneBlocked { .. }
            | Self::ForeignFile { .. }
            | Self::SourceHeld { .. }
            | Self::BackingOff { .. }
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
    fn needs_person(&self) -> bool {
        match self {
            Self::NodeUnreachable { .. } | Self::SourceHeld { .. } => false,
            Self::Unresolved { why } => {
                !matches!(why, super::desired::Unresolved::VersionsUnknown { .. })
            }
            Self::PruneBlocked { .. }
            | Self::ForeignFile { .. }
            | Self::NotMounted { .. }
            | Self::DirMissing { .. }
            | Self::DirSilent { .. }
            | Self::NoInodes { .. }
            | Self::OverBudget { .. }
            | Self::UseUnknown { .. }
            | Self::RecordUnread { .. }
            | Self::NoSpace { .. } => true,
            Self::Suspended { .. }
            | Self::BackingOff { .. }
            | Self::InGrace { .. }
            | Self::InUse { .. }
            | Self::NotOurs { .. }
            | Self::Changed => false,
        }
    }
}

impl fmt::Display for HeldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeUnreachable { node, why } => write!(f, "{node} does not answer: {why}"),
            Self::Unresolved { why } => why.fmt(f),
            Self::PruneBlocked { why } => write!(f, "nothing is removed: {why}"),
            Self::ForeignFile { file } => write!(
                f,
                "a file that was not written by talos-order lies at {file} in the cache"
            ),
            Self::SourceHeld { source } => write!(f, "{source} is held back"),
            Self::Suspended { what, why: None } => write!(f, "{what} is suspended"),
            Self::Suspended {
                what,
                why: Some(why),
            } => write!(f, "{what} is suspended: {why}"),
            Self::BackingOff {
                failures,
                until,
                error,
            } => write!(
                f,
                "failed {failures} times, next try at {until:.0}: {error}"
            ),
            Self::NotMounted { place, why: None } => write!(f, "{place} is not mounted"),
            Self::NotMounted {
                place,
                why: Some(why),
            } => write!(f, "{place}: {why}"),
            Self::DirMissing { place, dir } => write!(
                f,
                "{place} does not exist, and no storage that it belongs to is known there; \
                 hint: mount its storage, or `mkdir -p {dir}` on the node, or set \
                 `create: true` for the node in `nodes`, or in `defaults.push` for all"
            ),
            Self::DirSilent { place } => write!(
                f,
                "{place} did not answer within 10 s; \
                 hint: check the server of its storage on the node: `pvesm status`"
            ),
            Self::NoInodes { place } => write!(
                f,
                "no file can be made in {place}: its file system has no inodes left; \
                 hint: `df -i` on the node shows them"
            ),
            Self::InGrace { until } => write!(f, "not wanted any more, stays until {until:.0}"),
            Self::InUse { vms } => {
                let vms: Vec<String> = vms.iter().map(ToString::to_string).collect();
                write!(f, "in use by VM {}", vms.join(", "))
            }
            Self::UseUnknown { why } => write!(f, "which VMs use it is not known: {why}"),
            Self::RecordUnread { place, why } => write!(
                f,
                "nothing is removed from {place}: the record of what was placed there cannot \
                 be read: {why}"
            ),
            Self::NotOurs { owner } => write!(f, "{owner} placed it"),
            Self::Changed => f.write_str("not the file that was placed any more"),
            Self::OverBudget {
                files,
                limit,
                approval,
            } => write!(
                f,
                "{files} files would go from this node, {limit} may; \
                 `talos-order approve {}` lets them",
                approval.0
            ),
            Self::NoSpace {
                place,
                need,
                free,
                parts,
            } => {
                write!(
                    f,
                    "{place} has {} free; with the room that must stay free, {} are needed",
                    Bytes(*free),
                    Bytes(*need)
                )?;
                match parts {
                    0 => Ok(()),
                    parts => write!(
                        f,
                        "; interrupted deliveries of other images take {} there",
                        Bytes(*parts)
                    ),
                }
            }
        }
    }
}
