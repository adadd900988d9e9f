//! Nodes of all kinds: each is reached as it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::api::{ApiNode, ApiNodes, DescribedNode};
use super::error::NodeError;
use super::interface::{
    Cleared, Delivered, Delivery, EarlyDelivery, Leftover, Nodes, Removal, Removed, Verified,
};
use super::s3::BucketNodes;
use super::system::SystemNodes;
use super::templates::{
    TemplateChange, TemplateCreation, TemplateDone, TemplateRemoval, Templates,
};
use crate::facts::{DirState, NodeState, NodeStorages, NodeVms};
use crate::model::{Dir, Node, NodeId, Reach, StorageName, VmId};

/// Nodes of all kinds, each reached as it says.
#[derive(Debug)]
pub struct NodesByReach {
    system: SystemNodes,
    api: ApiNodes,
    buckets: BucketNodes,
    /// The directories of nodes over ssh whose storages cannot be used now, as their
    /// clusters told last.
    inactive: Mutex<BTreeMap<NodeId, BTreeMap<Dir, String>>>,
}

impl NodesByReach {
    /// Nodes over ssh and directories of this machine, nodes of the API, and buckets.
    pub fn new(system: SystemNodes, api: ApiNodes, buckets: BucketNodes) -> Self {
        Self {
            system,
            api,
            buckets,
            inactive: Mutex::default(),
        }
    }

    fn inactive(&self, node: &NodeId) -> BTreeMap<Dir, String> {
        let all = self.inactive.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(node).cloned().unwrap_or_default()
    }

    /// Takes the place of what is known of nodes of clusters.
    pub fn know(&self, nodes: BTreeMap<NodeId, ApiNode>) {
        self.api.know(nodes);
    }
}

/// The same call of the one or the other.
macro_rules! by_reach {
    ($self:ident, $node:ident, $call:ident ( $($argument:ident),* )) => {
        match $node.reach {
            Reach::Bucket { .. } => $self.buckets.$call($node $(, $argument)*).await,
            Reach::Api { .. } => $self.api.$call($node $(, $argument)*).await,
            Reach::Ssh { .. } | Reach::Local => $self.system.$call($node $(, $argument)*).await,
        }
    };
}

impl Nodes for NodesByReach {
    async fn connect(&self, node: &Node) -> Option<NodeState> {
        by_reach!(self, node, connect())
    }

    async fn observe(&self, node: &Node, dirs: &BTreeSet<Dir>) -> NodeState {
        let mut state = by_reach!(self, node, observe(dirs));
        if let NodeState::Listed { dirs, .. } = &mut state {
            for (dir, why) in self.inactive(&node.id) {
                if let Some(state) = dirs.get_mut(&dir) {
                    // What is in the mount point is not the storage's.
                    *state = DirState {
                        is_silent: true,
                        unread: Some(why),
                        ..DirState::default()
                    };
                }
            }
        }
        state
    }

    /// A cluster knows best what its storages are; where it does not tell, the node does.
    async fn storages(&self, node: &Node, wanted: &BTreeSet<StorageName>) -> NodeStorages {
        if !matches!(node.reach, Reach::Ssh { .. }) {
            return by_reach!(self, node, storages(wanted));
        }
        let described = self.api.described(node, wanted).await;
        let (storages, inactive) = match described {
            Some(DescribedNode { config, inactive }) => (NodeStorages::Known(config), inactive),
            None => {
                let mut told = self.system.storages(node, wanted).await;
                if let NodeStorages::Known(config) = &mut told
                    && let Some(cluster) = self.api.cluster(node)
                {
                    // One name for a cluster, whoever tells of it.
                    config.cluster = Some(cluster);
                }
                (told, BTreeMap::new())
            }
        };
        let mut all = self.inactive.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(node.id.clone(), inactive);
        storages
    }

    async fn deliver(&self, node: &Node, delivery: &Delivery) -> Result<Delivered, NodeError> {
        by_reach!(self, node, deliver(delivery))
    }

    async fn deliver_early(
        &self,
        node: &Node,
        early: &EarlyDelivery,
        verified: impl Future<Output = Option<Delivery>> + Send,
    ) -> Option<Delivered> {
        by_reach!(self, node, deliver_early(early, verified))
    }

    async fn remove(&self, node: &Node, removal: &Removal) -> Result<Removed, NodeError> {
        by_reach!(self, node, remove(removal))
    }

    async fn clear(&self, node: &Node, leftover: &Leftover) -> Result<Cleared, NodeError> {
        by_reach!(self, node, clear(leftover))
    }

    async fn verify(&self, node: &Node, check: &Removal) -> Result<Verified, NodeError> {
        by_reach!(self, node, verify(check))
    }
}

impl Templates for NodesByReach {
    async fn vms(&self, node: &Node) -> NodeVms {
        by_reach!(self, node, vms())
    }

    async fn clones(
        &self,
        node: &Node,
        templates: &BTreeSet<VmId>,
    ) -> Result<BTreeMap<VmId, BTreeSet<VmId>>, NodeError> {
        by_reach!(self, node, clones(templates))
    }

    async fn create_template(
        &self,
        node: &Node,
        creation: &TemplateCreation,
    ) -> Result<TemplateDone, NodeError> {
        by_reach!(self, node, create_template(creation))
    }

    async fn change_templates(
        &self,
        node: &Node,
        changes: &[TemplateChange],
    ) -> Result<TemplateDone, NodeError> {
        by_reach!(self, node, change_templates(changes))
    }

    async fn remove_template(
        &self,
        node: &Node,
        removal: &TemplateRemoval,
    ) -> Result<TemplateDone, NodeError> {
        by_reach!(self, node, remove_template(removal))
    }
}
