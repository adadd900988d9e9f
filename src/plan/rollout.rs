//! How far a release is in the rings of its order, as a plan tells it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{NodeId, OrderId, Release, RingName, SiteName, TalosVersion};

/// For what a manual ring waits once the rings before it are done.
pub(super) const FOR_PROMOTION: &str = "it begins when the image is promoted to it";

/// The release of an order with rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedRollout {
    /// The order.
    pub order: OrderId,
    /// What goes through the rings.
    pub release: Release,
    /// Its version.
    pub version: TalosVersion,
    /// Why it is not known which nodes it is for, if that is so: none of its rings counts as
    /// in sync then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// The rings that have nodes, in their order.
    pub rings: Vec<PlannedRing>,
    /// The rings without nodes, with how long they soak, in seconds: another site may expect
    /// some here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub without_nodes: BTreeMap<RingName, u64>,
}

/// A ring of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedRing {
    /// Its name; `None` for the nodes that no ring covers.
    pub name: Option<RingName>,
    /// How far it is.
    #[serde(flatten)]
    pub state: RingState,
    /// The nodes that this run is for.
    pub nodes: BTreeSet<NodeId>,
    /// Those of them that do not have the release as it should be.
    pub out_of_sync: BTreeSet<NodeId>,
    /// How many of them may be out of sync.
    pub may_be_out_of_sync: usize,
    /// How many nodes it has in other sites.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elsewhere: BTreeMap<SiteName, usize>,
    /// Since when the nodes that this run is for have been in sync; `None` where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_sync_since: Option<Timestamp>,
    /// How long it soaks, in seconds.
    pub soak_seconds: u64,
    /// It has begun, in this run or an earlier one.
    pub is_open: bool,
    /// It begins only when the image is promoted to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_manual: bool,
}

/// How far a ring is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum RingState {
    /// It has the release, and has soaked: the next ring may begin.
    Done,
    /// It has the release, and soaks.
    Soaking {
        /// Until when, as far as it is known here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The release is on its way to it.
    Open,
    /// It waits.
    Waiting {
        /// For what, as it is told to people.
        why: String,
        /// The ring that it waits for, where it is another ring that keeps it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waits_for: Option<RingName>,
        /// When that may be over, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// For nothing but an operator who promotes the image to it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        needs_promotion: bool,
    },
    /// An operator stopped the release.
    Stopped,
}

impl RingState {
    /// What waits for an operator who promotes the image to the ring.
    pub fn for_promotion() -> Self {
        Self::Waiting {
            why: FOR_PROMOTION.to_owned(),
            waits_for: None,
            until: None,
            needs_promotion: true,
        }
    }

    /// It in a word, as the JSON has it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Soaking { .. } => "soaking",
            Self::Open => "open",
            Self::Waiting { .. } => "waiting",
            Self::Stopped => "stopped",
        }
    }
}
