//! What the planner gets besides what is wanted and what is there.
//!
//! Settings, and what one run asks for. The decisions that read them are the stages.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::selection::Selection;
use crate::facts::StepId;
use crate::model::{
    ApiTransport, ClusterName, Deletion, Dir, Network, NodeId, Proof, PushMethod, Rollout, Windows,
};

/// The settings of the planner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What may go from the cache.
    pub retention: Retention,
    /// Bytes that a delivery must leave free on a node.
    pub node_reserve: u64,
    /// Bytes that a download must leave free in the cache's file system.
    pub cache_reserve: u64,
    /// What may go from nodes.
    pub prune: PrunePolicy,
    /// Which nodes share a storage.
    pub shared: SharedStorages,
    /// Where missing directories are made.
    pub create: Create,
    /// How images are sent.
    pub transport: TransportPolicy,
    /// When pushes and prunes may begin, where the order does not say.
    pub windows: Windows,
    /// By which rings new images go to nodes, where the order does not say.
    pub rollout: Rollout,
}

/// What one run is asked for besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// The cache is emptied of everything that is ours before anything else.
    pub purge: bool,
    /// What is read back; `None` for nothing.
    pub verify: Option<VerifyPolicy>,
    /// The orders and nodes that something is done for.
    pub selection: Selection,
    /// The only prunes from nodes that may be planned; `None` for no limit. A further
    /// look of a run is limited to what its first plan showed.
    pub prunable: Option<BTreeSet<StepId>>,
    /// The orders and nodes for which closed windows do not count.
    pub ignore_windows: Vec<Selection>,
    /// The run ends with its first plan: a step that finds the state changed is not
    /// planned again.
    pub is_final: bool,
}

/// What goes from the cache, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// How many versions of a family are kept; `None` keeps everything.
    pub keep_versions: Option<u32>,
    /// How long, in seconds, a family that no order refers to is kept.
    pub orphan_grace_seconds: i64,
}

/// What may go from nodes, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunePolicy {
    /// Our name in the records on nodes.
    pub owner: String,
    /// Files that no order wants go, where neither order nor node says otherwise.
    pub default: bool,
    /// What nodes say.
    pub nodes: BTreeMap<NodeId, bool>,
    /// How many versions of a family stay in a directory.
    pub keep_versions: u32,
    /// How long, in seconds, a file stays after the run that first missed it.
    pub grace_seconds: i64,
    /// How many files may go from a node in a run.
    pub max_files: usize,
    /// The same as a share of what we have placed there, or are placing in the same
    /// run; the larger of the two applies.
    pub max_percent: u32,
}

impl PrunePolicy {
    /// True for what is meant to go from a node once no order wants it. An order's word
    /// counts more than the node's, and the node's more than the default.
    pub(super) fn removes(&self, node: &NodeId, deletion: Option<Deletion>) -> bool {
        match deletion {
            Some(Deletion::Delete) => true,
            Some(Deletion::Orphan) => false,
            None => *self.nodes.get(node).unwrap_or(&self.default),
        }
    }

    /// Until when something unwanted stays; `None` once its time is over. The run that
    /// first misses it never removes it, whatever the grace.
    pub(super) fn grace(&self, missed: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let until = missed
            .unwrap_or(now)
            .saturating_add(SignedDuration::from_secs(self.grace_seconds));
        let until = until.unwrap_or(Timestamp::MAX);
        (missed.is_none() || now < until).then_some(until)
    }
}

/// Which nodes see the same storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedStorages {
    /// The name of the shared storage of a node, by the node.
    pub of_nodes: BTreeMap<NodeId, String>,
    /// Directories of other nodes, each with the cluster and the shared storage that it
    /// is on as `CLUSTER/STORAGE`.
    pub of_dirs: BTreeMap<NodeId, BTreeMap<Dir, String>>,
}

/// Where directories may be made that are below no storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Create {
    /// On nodes that say nothing of it.
    pub default: bool,
    /// What single nodes say.
    pub nodes: BTreeMap<NodeId, bool>,
}

/// How images are sent, as far as it is the same for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransportPolicy {
    /// The method where neither order nor node names one.
    pub default: PushMethod,
    /// The method that single nodes name.
    pub nodes: BTreeMap<NodeId, PushMethod>,
    /// How it is proven that bytes arrived.
    pub proof: Proof,
    /// How images reach the nodes of each cluster that are reached through its API.
    pub api: BTreeMap<ClusterName, ApiTransport>,
    /// The user chose options for rsync.
    pub rsync_opts_set: bool,
    /// Which nodes are near each other.
    pub network: Network,
}

/// How often files are read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyPolicy {
    /// How old, in seconds, the last reading may get.
    pub max_age_seconds: i64,
    /// How many bytes are read in a run; one file at least.
    pub budget_bytes: u64,
}
