//! The plan itself: steps to do, and what is blocked, with reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use super::action::{Action, CreateTemplate, RetiredTemplate, SwitchTemplate};
use super::blocked::{Blocked, BlockedReason};
use super::rollout::{PlannedRollout, RingState};
use super::wanted::WantedBy;
use crate::facts::StepId;
use crate::model::{
    ArtifactId, ClusterName, NodeId, PositionRef, Sha256, StorageName, TemplateName, VmId,
};

/// What a run is going to do, and not going to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Plan {
    /// The steps; what a step needs stands before it.
    pub steps: Vec<Step>,
    /// What should be done and is not, with the reason.
    #[serde(rename = "held")]
    pub blocked: Vec<Blocked>,
    /// What already is as it should be.
    pub in_sync: Vec<StepId>,
    /// Deliveries that another node makes, because both see the same storage: by
    /// the delivery, the one that is made.
    pub shared: BTreeMap<StepId, StepId>,
    /// Remarks that change nothing.
    pub hints: Vec<Hint>,
    /// The templates that the orders want, with what they are or will be, by the step
    /// that makes them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<StepId, PlannedTemplate>,
    /// How far the releases of orders with rings are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rollouts: Vec<PlannedRollout>,
    /// What is to be known of clusters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
}

/// A template that is wanted, as it is or will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedTemplate {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: TemplateName,
    /// Its number; `None` where it is blocked before it has one.
    pub vmid: Option<VmId>,
    /// The storage of its disks.
    pub storage: StorageName,
    /// Its tags.
    pub tags: Vec<String>,
    /// The image that it is made from.
    pub artifact: ArtifactId,
    /// The positions that want it.
    pub wanted_by: WantedBy,
}

impl Plan {
    /// What is blocked, without what is only not selected.
    pub fn blocked(&self) -> impl Iterator<Item = &Blocked> {
        self.blocked
            .iter()
            .filter(|blocked| !blocked.is_not_selected())
    }

    /// True if something selected waits for its ring.
    pub fn waits_for_ring(&self) -> bool {
        self.blocked()
            .any(|blocked| matches!(blocked.reason, BlockedReason::WaitsForRing { .. }))
    }

    /// True if the next rings begin only when somebody promotes an image to them.
    pub fn waits_for_promotion(&self) -> bool {
        let rollouts = self.rollouts.iter();
        let mut next = rollouts.filter_map(|rollout| {
            let mut rings = rollout.rings.iter();
            // The others wait for this one. What has not begun and has everything soaks.
            rings.find_map(|ring| match ring.state {
                RingState::Waiting {
                    needs_promotion, ..
                } => Some(needs_promotion),
                RingState::Stopped => Some(false),
                RingState::Done | RingState::Soaking { .. } | RingState::Open => None,
            })
        });
        self.waits_for_ring() && next.all(|needs_promotion| needs_promotion)
    }

    /// When the first window opens that something selected waits for, also as it is written
    /// where that window is.
    pub fn next_window(&self) -> Option<(Timestamp, &str)> {
        let windows = self.blocked().filter_map(|blocked| match &blocked.reason {
            BlockedReason::OutsideWindow { until, local } => Some((*until, local.as_str())),
            _ => None,
        });
        windows.min()
    }

    /// How many steps and blocked things are not selected.
    pub fn not_selected(&self) -> usize {
        self.blocked
            .iter()
            .filter(|blocked| blocked.is_not_selected())
            .count()
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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

/// Something about a cluster that the user should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Notice {
    /// Which cluster.
    pub cluster: ClusterName,
    /// What it is about: the same in every run, whatever the text says by then.
    #[serde(skip)]
    pub topic: String,
    /// It may be over without an operator.
    #[serde(skip)]
    pub is_retried: bool,
    /// It is shown and raises no alert: what is right may look like this, too.
    #[serde(skip)]
    pub is_only_shown: bool,
    /// What, with what helps.
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster {}: {}", self.cluster, self.text)
    }
}

/// Why a step is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
    /// The file was modified since it was written.
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
        condition: AdoptCondition,
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
    /// Not wanted there any more.
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
    /// The template was made from another image.
    OtherTemplateImage {
        /// Which one.
        found: ArtifactId,
    },
    /// The configuration of the template is not the wanted one.
    OtherHardware {
        /// The keys that differ.
        keys: BTreeSet<String>,
    },
    /// The template is not, or not alone, the one that is found under the name.
    NotSwitched,
    /// The template that is found under the name has other tags, or lost the name.
    OtherLabels {
        /// What differs: `name`, `tags`.
        keys: BTreeSet<String>,
    },
    /// More templates that were replaced are there than the order keeps.
    BeyondRetired {
        /// How many are kept.
        keep: u32,
    },
    /// Making the template was interrupted.
    Unfinished,
    /// A new template takes its number.
    Replaced,
}

/// On what the end of a step depends that a plan cannot know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdoptCondition {
    /// A file that has the right digest is recorded as ours, and nothing is sent.
    AdoptIfDigestMatches,
}

/// What is done where a condition is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    /// The file is replaced: its name is one that only we give.
    Replace,
    /// The file stays, and the step fails: the user chose the name, and it may be theirs.
    Fail,
}

impl Why {
    /// A file that has no record is there.
    pub const fn is_unrecorded(&self) -> bool {
        matches!(self, Self::Unrecorded { .. })
    }
}

/// A remark for the user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Hint {
    /// What it is about: a position.
    pub about: PositionRef,
    /// One sentence.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::rollout::PlannedRing;

    #[test]
    fn a_promotion_is_waited_for_where_the_first_ring_that_waits_needs_one() {
        let ring = |name: &str, state| PlannedRing {
            name: Some(name.parse().unwrap()),
            state,
            nodes: BTreeSet::new(),
            out_of_sync: BTreeSet::new(),
            may_be_out_of_sync: 0,
            elsewhere: BTreeMap::new(),
            in_sync_since: None,
            soak_seconds: 60,
            is_open: false,
            is_manual: true,
        };
        let waits = |rings: [RingState; 2]| {
            let [first, second] = rings;
            let plan = Plan {
                blocked: vec![Blocked {
                    id: StepId::prune_cache(&"a.iso".parse().unwrap()),
                    reason: BlockedReason::WaitsForRing {
                        ring: None,
                        why: String::new(),
                        until: None,
                        needs_promotion: false,
                    },
                    wanted_by: WantedBy::default(),
                }],
                rollouts: vec![PlannedRollout {
                    order: "web".parse().unwrap(),
                    release: "image/id/v1/a.iso".parse().unwrap(),
                    version: "v1.11.3".parse().unwrap(),
                    doubt: None,
                    rings: vec![ring("lab", first), ring("prod", second)],
                    without_nodes: BTreeMap::new(),
                }],
                ..Plan::default()
            };
            plan.waits_for_promotion()
        };
        let chain = || RingState::Waiting {
            why: "ring lab soaks".to_owned(),
            waits_for: Some("lab".parse().unwrap()),
            until: None,
            needs_promotion: false,
        };
        assert!(waits([RingState::for_promotion(), chain()]));
        assert!(waits([RingState::Done, RingState::for_promotion()]));
        // A manual ring that has everything already and was not promoted to.
        assert!(!waits([RingState::Soaking { until: None }, chain()]));
        assert!(!waits([RingState::Stopped, RingState::for_promotion()]));
    }

    #[test]
    fn a_condition_stands_beside_its_reason() {
        let why = Why::Unrecorded {
            condition: AdoptCondition::AdoptIfDigestMatches,
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
