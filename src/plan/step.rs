//! The plan itself: steps to do, and what is held back, with reasons.

use std::collections::BTreeMap;

use serde::Serialize;

use super::held::Held;
use super::size::Size;
use super::wanted::WantedBy;
use super::way::Way;
use crate::facts::StepId;
use crate::model::{
    ArtifactId, Deletion, FileName, PartName, PositionRef, PushTarget, SchematicId, Sha256,
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
    /// Remove what an interrupted delivery left on a node.
    ClearPart {
        /// Where it lies.
        target: PushTarget,
        /// Its name there.
        part: PartName,
        /// The space that it takes, in bytes.
        bytes: u64,
        /// For how many seconds nobody must have written to it.
        idle_seconds: u64,
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
        match self {
            Self::Register { schematic, .. } => StepId::register(schematic),
            Self::Fetch { file, .. } => StepId::fetch(file),
            Self::Unpack { file, .. } => StepId::unpack(file),
            Self::Push { target, file, .. } => StepId::push(target, file),
            Self::PruneCache { file, .. } => StepId::prune_cache(file),
            Self::ClearPartial { file, .. } => StepId::clear_partial(file),
            Self::PruneNode { target, file, .. } => StepId::prune_node(target, file),
            Self::ClearPart { target, part, .. } => StepId::clear_part(target, part),
            Self::VerifyNode { target, file, .. } => StepId::verify_node(target, file),
            Self::VerifyCache { file, .. } => StepId::verify_cache(file),
        }
    }

    /// The directory on a node in which something is done; `None` for what is done on
    /// this machine.
    pub const fn target(&self) -> Option<&PushTarget> {
        match self {
            Self::Push { target, .. }
            | Self::PruneNode { target, .. }
            | Self::ClearPart { target, .. }
            | Self::VerifyNode { target, .. } => Some(target),
            Self::Register { .. }
            | Self::Fetch { .. }
            | Self::Unpack { .. }
            | Self::PruneCache { .. }
            | Self::ClearPartial { .. }
            | Self::VerifyCache { .. } => None,
        }
    }

    /// The bytes that go with it, in the cache or on a node, if it removes something.
    pub const fn removes(&self) -> Option<u64> {
        match self {
            Self::PruneCache { bytes, .. }
            | Self::ClearPartial { bytes, .. }
            | Self::PruneNode { bytes, .. }
            | Self::ClearPart { bytes, .. } => Some(*bytes),
            Self::Register { .. }
            | Self::Fetch { .. }
            | Self::Unpack { .. }
            | Self::Push { .. }
            | Self::VerifyNode { .. }
            | Self::VerifyCache { .. } => None,
        }
    }

    /// True if it brings bytes to where they were not: into the cache or to a node.
    pub const fn brings(&self) -> bool {
        matches!(
            self,
            Self::Fetch { .. } | Self::Unpack { .. } | Self::Push { .. }
        )
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
    /// A file of this name is there that we did not place. What it holds is known only
    /// when the step is done.
    Unrecorded {
        /// What then decides.
        condition: Condition,
        /// What is done where the condition is not met.
        otherwise: Otherwise,
    },
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
    /// The download or delivery that left it is no longer wanted.
    Abandoned,
}

/// On what the end of a step depends that a plan cannot know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// A file that has the right digest is recorded as ours, and nothing is sent.
    AdoptIfDigestMatches,
}

/// What is done where a condition is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    /// The file is replaced: its name is one that only we give.
    Replace,
    /// The file stays, and the step fails: a person chose the name, and it may be theirs.
    Fail,
}

impl Why {
    /// A file that has no record lies there.
    pub const fn is_unrecorded(&self) -> bool {
        matches!(self, Self::Unrecorded { .. })
    }
}

/// A remark for a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Hint {
    /// What it is about: a position.
    pub about: PositionRef,
    /// One sentence.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_stands_beside_its_reason() {
        let why = Why::Unrecorded {
            condition: Condition::AdoptIfDigestMatches,
            otherwise: Otherwise::Replace,
        };
        assert_eq!(
            serde_json::to_value(&why).unwrap(),
            serde_json::json!({
                "reason": "unrecorded",
                "condition": "adopt-if-digest-matches",
                "otherwise": "replace",
            })
        );
    }
}
