//! The plan itself: steps to do, and what is held back, with reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::bytes::Bytes;
use super::id::{ApprovalId, StepId, on_node, push_step_id};
use super::size::Size;
use super::wanted::WantedBy;
use super::way::Way;
use crate::model::{
    ArtifactId, Deletion, FileName, NodeId, PositionRef, PushTarget, SchematicId, Sha256,
};

/// What a pass is going to do, and not going to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The steps; what a step needs stands before it.
    pub steps: Vec<Step>,
    /// What should be done and is not, with the reason.
    pub held: Vec<Held>,
    /// What already is as it should be.
    pub in_sync: Vec<StepId>,
    /// Deliveries that another node makes, because both see the same storage: by
    /// the delivery, the one that is made.
    pub shared: BTreeMap<StepId, StepId>,
    /// Remarks that change nothing.
    pub hints: Vec<Hint>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its identity.
    pub id: StepId,
    /// What is done.
    pub action: Action,
    /// Why it is done.
    pub why: Why,
    /// The steps that must have succeeded before.
    pub needs: Vec<StepId>,
    /// The positions it is done for; empty for a clean-up.
    pub wanted_by: WantedBy,
}

/// What a step does. Executing one takes no decision that is not written here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Action {
    /// Make a schematic known to the factory.
    Register {
        /// The id computed from the canonical form.
        schematic: SchematicId,
        /// The id that the plan counts on: another one where the factory is known
        /// to give one of its own.
        expected: SchematicId,
        /// The document to send.
        #[serde(skip)]
        document: String,
    },
    /// Download a file into the cache, unpacking it on the way where wanted.
    Fetch {
        /// From where.
        url: String,
        /// What is downloaded.
        download: ArtifactId,
        /// Its name in the cache.
        file: FileName,
        /// What is unpacked from it, with its name in the cache.
        unpack: Option<(ArtifactId, FileName)>,
        /// The digest the download must have.
        pinned: Option<Sha256>,
        /// The size of the download, as far as it is known before.
        #[serde(flatten)]
        bytes: Size,
    },
    /// Unpack a file that the cache already holds.
    Unpack {
        /// What is unpacked.
        from: ArtifactId,
        /// Its name in the cache.
        from_file: FileName,
        /// What it becomes.
        to: ArtifactId,
        /// The name of that in the cache.
        file: FileName,
        /// The size of the compressed file in bytes.
        bytes: u64,
    },
    /// Deliver a file from the cache to a directory of a node.
    Push {
        /// Where to.
        target: PushTarget,
        /// What is delivered.
        artifact: ArtifactId,
        /// Its name in the cache.
        cache_file: FileName,
        /// Its name on the node.
        file: FileName,
        /// Its size: that of the file in the cache, or what is known before it is
        /// fetched.
        #[serde(flatten)]
        bytes: Size,
        /// A file of this name that we have no record of may be replaced.
        replace: bool,
        /// What an order says becomes of it later.
        deletion: Option<Deletion>,
        /// How its bytes travel.
        way: Way,
    },
    /// Remove a file of ours from the cache.
    PruneCache {
        /// Its name.
        file: FileName,
        /// Its size in bytes.
        bytes: u64,
    },
    /// Remove a file of ours from a node.
    PruneNode {
        /// Where it lies.
        target: PushTarget,
        /// Its name there.
        file: FileName,
        /// Its size in bytes.
        bytes: u64,
        /// The digest it must still have.
        sha256: Sha256,
    },
    /// Read a delivered file back and compare it with its record.
    VerifyNode {
        /// Where it lies.
        target: PushTarget,
        /// Its name there.
        file: FileName,
        /// Its size in bytes.
        bytes: u64,
        /// The digest on record.
        sha256: Sha256,
    },
    /// Read a cached file back and compare it with its record.
    VerifyCache {
        /// Its name.
        file: FileName,
        /// Its size in bytes.
        bytes: u64,
    },
    /// Remove what an interrupted download left in the cache.
    ClearPartial {
        /// The name it was to have.
        file: FileName,
        /// Its size in bytes.
        bytes: u64,
    },
}

impl Action {
    /// The identity of a step with this action.
    pub fn step_id(&self) -> StepId {
        StepId(match self {
            Self::Register { schematic, .. } => format!("register/{schematic}"),
            Self::Fetch { file, .. } => format!("fetch/{file}"),
            Self::Unpack { file, .. } => format!("unpack/{file}"),
            Self::Push { target, file, .. } => return push_step_id(target, file),
            Self::PruneCache { file, .. } => format!("prune-cache/{file}"),
            Self::ClearPartial { file, .. } => format!("clear-partial/{file}"),
            Self::PruneNode { target, file, .. } => return on_node("prune-node/", target, file),
            Self::VerifyNode { target, file, .. } => return on_node("verify-node/", target, file),
            Self::VerifyCache { file, .. } => format!("verify-cache/{file}"),
        })
    }
}

/// Why a step is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Why {
    /// It is not there.
    Missing,
    /// The schematic is needed by a download and may not be known.
    Unregistered,
    /// A download was interrupted; this much of it is kept.
    Partial {
        /// Bytes on disk.
        have: u64,
    },
    /// The length is not the recorded one.
    SizeDiffers {
        /// Bytes expected.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// The file was changed since it was written.
    Touched,
    /// It is not the whole image: it ends before what it describes.
    NotWhole {
        /// What contradicts what, as a clause.
        what: String,
    },
    /// The digest is not the one that is wanted now.
    DigestDiffers {
        /// The digest wanted.
        expected: Sha256,
        /// The digest on record.
        found: Sha256,
    },
    /// Another image is recorded under this name.
    OtherImage {
        /// What is recorded.
        found: ArtifactId,
    },
    /// The bytes came from another factory.
    OtherSource {
        /// The URL on record.
        found: String,
    },
    /// A file of this name is there that we did not place; it is adopted if its
    /// digest is right, and replaced otherwise.
    Unrecorded,
    /// More versions of the family are kept than the policy says.
    BeyondKeep {
        /// How many are kept.
        keep: u32,
    },
    /// No order refers to the family any more.
    Orphaned {
        /// Since when, in whole hours.
        hours: u64,
    },
    /// The cache is emptied on request.
    Purge,
    /// No order wants it there any more.
    NotWanted {
        /// Since when, in whole hours.
        hours: u64,
    },
    /// It was last read back whole this long ago.
    Unverified {
        /// In whole hours; `None` if never.
        hours: Option<u64>,
    },
    /// The download that left it is no longer wanted.
    Abandoned,
}

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
    },
}

/// A remark for a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Hint {
    /// What it is about: a position.
    pub about: PositionRef,
    /// One sentence.
    pub text: String,
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
            | Self::DirSilent { .. }
            | Self::NoInodes { .. }
            | Self::UseUnknown { .. }
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
            | Self::DirSilent { .. }
            | Self::NoInodes { .. }
            | Self::OverBudget { .. }
            | Self::UseUnknown { .. }
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
            Self::NoSpace { place, need, free } => write!(
                f,
                "{place} has {} free; with the room that must stay free, {} are needed",
                Bytes(*free),
                Bytes(*need)
            ),
        }
    }
}
