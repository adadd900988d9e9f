//! What the sites of a fleet say of themselves through the store.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ClusterName, LeaderEpoch, NodeId, OrderId, Release, RingName, SiteName};

/// What is known of the other sites of the fleet when a run begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetView {
    /// The sites that have ever reported, without those that this run is for.
    pub sites: BTreeMap<SiteName, SiteView>,
    /// The sites whose report in the store is not believed, each with the reason. What such
    /// a site said before, if that is known, is in `sites`.
    pub invalid: BTreeMap<SiteName, String>,
    /// Why the store could not be asked now. Then `sites` is what it said last, and nothing
    /// of it counts as fresh.
    pub trouble: Option<String>,
}

/// What is known of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteView {
    /// How old its report is, in seconds, by the clock of the store.
    pub age_seconds: u64,
    /// It is recent enough to go by.
    pub is_fresh: bool,
    /// What it says.
    pub report: SiteReport,
}

/// What the leader of a site says of it after each of its runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SiteReport {
    /// The epoch of the leader.
    pub epoch: Option<LeaderEpoch>,
    /// The machine of the leader.
    pub leader: String,
    /// In how many seconds it is written again while its leader lives, whether there is a run
    /// or not; `None` from a single run, which writes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewed_within: Option<u64>,
    /// The revision of the orders that the run was for, where they are under git.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Everything that was written could be read, and there is no doubt that it is the
    /// newest: only then is what `wanted` does not mention known to be unwanted.
    pub is_complete: bool,
    /// The names of the images in the index of the store that the site wants.
    pub wanted: BTreeSet<String>,
    /// How its nodes are.
    pub nodes: NodeCounts,
    /// What its clusters call their nodes, of those that are asked for them: others cannot.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<ClusterName, BTreeSet<String>>,
    /// How many orders are as they should be, of how many.
    pub orders: OrderCounts,
    /// What is behind: at most [`SiteReport::MOST_TROUBLES`] lines, the worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// How far the releases of orders with rings are, by order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rollouts: BTreeMap<OrderId, BTreeMap<Release, BTreeMap<RingName, RingReport>>>,
}

impl SiteReport {
    /// How many lines a report has of what is behind.
    pub const MOST_TROUBLES: usize = 20;
    /// How many nodes a report of a ring names.
    pub const MOST_NODES: usize = 20;

    /// What the site is like now is not known, for this reason: others wait, and keep what
    /// it wanted last.
    pub fn doubt(&mut self, why: &str) {
        self.is_complete = false;
        self.rollouts.clear();
        self.troubles.retain(|line| line != why);
        self.troubles.insert(0, why.to_owned());
        self.troubles.truncate(Self::MOST_TROUBLES);
    }
}

/// How the nodes of a site are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NodeCounts {
    /// All that orders name.
    pub all: usize,
    /// Those on which everything is as it should be.
    pub in_sync: usize,
    /// Those that do not answer.
    pub silent: usize,
}

/// How the orders of a site are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OrderCounts {
    /// All of them.
    pub all: usize,
    /// Those that are as they should be.
    pub in_sync: usize,
}

/// How far a release is in the part of a ring that is in one site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RingReport {
    /// How many nodes the ring has in the site.
    pub nodes: usize,
    /// How many of them are out of sync.
    pub out_of_sync: usize,
    /// The first of those, at most [`SiteReport::MOST_NODES`].
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub behind: BTreeSet<NodeId>,
    /// For how long, in seconds, the part has been in sync; `None` where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_sync_seconds: Option<u64>,
    /// That is as long as it soaks: the part keeps no ring waiting.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_soaked: bool,
}
