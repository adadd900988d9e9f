//! What is remembered from earlier runs, as one more thing that is observed.
//!
//! None of it says what is wanted or what is there; losing it costs time and never
//! a file: grace starts anew, failures are tried at once, approvals are asked for
//! again. Only the loop that executes runs writes it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clusters::KnownCertificates;
use super::failure_kind::FailureKind;
use super::rollout::{Promotions, ReadInstruction, RolloutInstruction, RolloutMemory};
use super::step_id::{ApprovalId, StepId};
use super::storages::StorageConfig;
use crate::model::{ClusterName, Dir, LeaderEpoch, Node, NodeId, OrderId, Release, SiteName};

/// What is remembered from earlier runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Since when a file on a node is not wanted any more, and one in the cache is of
    /// a family that no order refers to, by the step that would remove it.
    pub unwanted_since: BTreeMap<StepId, Timestamp>,
    /// The steps that failed, with when they are to be tried again.
    pub backoff: BTreeMap<StepId, Backoff>,
    /// The nodes that do not answer, with when they are to be asked again.
    pub circuits: BTreeMap<NodeId, Backoff>,
    /// The removals over the budget that an operator has approved.
    pub approved: BTreeSet<ApprovalId>,
    /// What an operator has suspended.
    pub suspended: Suspended,
    /// When a file was last read back whole, by the step that does it.
    pub verified: BTreeMap<StepId, Timestamp>,
    /// Where images were delivered to: also watched once no order names it.
    pub places: BTreeMap<NodeId, KnownNode>,
    /// How nodes described their storages, where an image is or was wanted on one: what
    /// is on a node that does not answer is still known by its directory.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storages: BTreeMap<NodeId, StorageConfig>,
    /// The nodes with templates of ours: also watched once no order wants one there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<NodeId, Node>,
    /// What clusters called their nodes when they last answered.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<ClusterName, BTreeSet<String>>,
    /// When the certificates of clusters end: they are asked for once a day.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates: BTreeMap<ClusterName, KnownCertificates>,
    /// How fast bytes went from this machine to a node.
    pub links: BTreeMap<NodeId, Link>,
    /// The nodes that a relay did not reach, or that failed as relays, with how long
    /// deliveries go around that.
    pub detours: BTreeMap<NodeId, RelayBackoff>,
    /// How far releases have gone through the rings of their orders, by order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rollouts: BTreeMap<OrderId, BTreeMap<Release, RolloutMemory>>,
    /// Under which epoch the sites of a fleet were led in the last run for them: what is
    /// remembered of their rings is no older than that.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub led_epochs: BTreeMap<SiteName, LeaderEpoch>,
    /// What operators said of rollouts, by order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub instructed: BTreeMap<OrderId, RolloutInstruction>,
    /// The instructions of the store of a fleet as they were read last: who knows them is not
    /// taken in by an earlier one, also in another process.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub instructions_read: BTreeMap<OrderId, ReadInstruction>,
    /// What of that cannot be read now and counts as paused, for the user.
    #[serde(skip)]
    pub instruction_troubles: Vec<String>,
    /// The promotions of releases that their order wanted in a run of this controller: they are
    /// over once it does not want them any more.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub promotions_seen: Promotions,
    /// What the clocks showed when this was kept; `None` in a memory of an earlier
    /// version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockReading>,
}

/// What the clocks of a machine show at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// The time of day.
    pub time: Timestamp,
    /// Which start of the machine this is; the kernel makes one up at each.
    pub boot: String,
    /// Seconds since that start, which nobody can set; sleep counts.
    pub uptime_seconds: u64,
}

/// How fast bytes went to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Bytes per second, the last measurements weighing most.
    pub bytes_per_second: u64,
    /// When it was measured last.
    pub measured_at: Timestamp,
}

/// Why a relay is left out for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayBackoff {
    /// Until when.
    pub until: Timestamp,
    /// What went wrong.
    pub error: String,
}

/// A failure's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Backoff {
    /// Failures in a row.
    pub failures: u32,
    /// When it is tried again.
    pub until: Timestamp,
    /// What went wrong last.
    pub error: String,
    /// What kind of trouble it is, where only an operator can end it. It is retried all
    /// the same, since nobody tells us when that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<FailureKind>,
}

/// What an operator has suspended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Suspended {
    /// Everything.
    pub all: bool,
    /// These orders.
    pub orders: BTreeSet<OrderId>,
    /// These nodes.
    pub nodes: BTreeSet<NodeId>,
    /// Why the file with these instructions cannot be read. What it says may be about
    /// anything, everything counts as suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl Suspended {
    /// True if nothing at all may be done.
    pub fn is_everything(&self) -> bool {
        self.all || self.unreadable.is_some()
    }
}

/// A node with the directories that were delivered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownNode {
    /// How it is reached.
    pub node: Node,
    /// The directories.
    pub dirs: BTreeSet<Dir>,
}
