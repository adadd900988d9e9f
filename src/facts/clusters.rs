//! What clusters say of themselves: their nodes, what the API token may not do, and
//! certificates that end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ClusterName, StorageName};

/// The clusters that a run asks.
pub type Clusters = BTreeMap<ClusterName, ClusterLook>;

/// What is known of a cluster in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterLook {
    /// What it calls its nodes, also those that are off: as it says now, or as it said last
    /// where it fails. `None` where it never answered.
    pub members: Option<BTreeSet<String>>,
    /// Why it did not answer now.
    pub failure: Option<String>,
    /// Orders name nodes that only it knows.
    pub is_named: bool,
    /// What the API token may not do and has to.
    pub missing: Vec<MissingPrivilege>,
    /// Its version, where that takes no disk images through the API yet.
    pub no_disks: Option<String>,
    /// Why it is not known what the token may do.
    pub rights_unknown: Option<String>,
    /// The certificates of its nodes that end soon or have ended.
    pub ending: Vec<EndingCertificate>,
    /// When all of its certificates end, as it said now or in an earlier run.
    pub certificates: Option<KnownCertificates>,
}

/// When the certificates of a cluster's nodes end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownCertificates {
    /// When the cluster said so.
    pub asked_at: Timestamp,
    /// The end of validity, by the name of the node in the cluster.
    pub until: BTreeMap<String, Timestamp>,
    /// Those whose certificate the configuration pins.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pinned: BTreeSet<String>,
}

impl ClusterLook {
    /// True if it answers now and has no such node.
    pub fn lacks(&self, node: &str) -> bool {
        let members = self.members.as_ref().filter(|_| self.failure.is_none());
        members.is_some_and(|members| !members.contains(node))
    }
}

/// Privileges of one role that an API token lacks on a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPrivilege {
    /// The ID of the token.
    pub token: String,
    /// The path, such as `/storage/local`.
    pub path: String,
    /// The privileges.
    pub privileges: Vec<String>,
    /// The role that `pve-setup` gives them with.
    pub role: String,
    /// The command that grants the role there.
    pub command: String,
    /// What cannot be done without them.
    pub stops: StoppedWork,
}

/// What cannot be done without a privilege.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoppedWork {
    /// Nothing that is planned: there is another way.
    Nothing,
    /// Deliveries to this storage.
    DeliveriesTo(StorageName),
    /// Deliveries to nodes: to this one, or to all.
    Deliveries(Option<String>),
    /// Pruning from this storage.
    PruningFrom(StorageName),
    /// Pruning.
    Pruning,
    /// Making templates, and whatever else is done with them.
    Templates,
}

/// The certificate of a node's API that ends soon, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndingCertificate {
    /// What the cluster calls the node.
    pub node: String,
    /// The end of its validity.
    pub until: Timestamp,
    /// The configuration pins it, so its renewal ends the trust in the node.
    pub is_pinned: bool,
}
