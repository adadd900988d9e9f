//! Nodes of all kinds: each is reached as it says.

use std::collections::{BTreeMap, BTreeSet};

use super::api::ApiNodes;
use super::error::NodeError;
use super::interface::{Cleared, Delivered, Delivery, Leftover, Nodes, Removal, Removed, Verified};
use super::system::SystemNodes;
use super::templates::{
    TemplateChange, TemplateCreation, TemplateDone, TemplateRemoval, Templates,
};
use crate::facts::{NodeState, NodeStorages, NodeVms};
use crate::model::{Dir, Node, Reach, VmId};

/// Nodes of all kinds, each reached as it says.
#[derive(Debug)]
pub struct NodesByReach {
    system: SystemNodes,
    api: ApiNodes,
}

impl NodesByReach {
    /// Nodes over ssh and directories of this machine, and nodes of the API.
    pub fn new(system: SystemNodes, api: ApiNodes) -> Self {
        Self { system, api }
    }
}

/// The same call of the one or the other.
macro_rules! by_reach {
    ($self:ident, $node:ident, $call:ident ( $($argument:ident),* )) => {
        match $node.reach {
            Reach::Api { .. } => $self.api.$call($node $(, $argument)*).await,
            Reach::Ssh { .. } | Reach::Local => $self.system.$call($node $(, $argument)*).await,
        }
    };
}

impl Nodes for NodesByReach {
    async fn observe(&self, node: &Node, dirs: &BTreeSet<Dir>) -> NodeState {
        by_reach!(self, node, observe(dirs))
    }

    async fn storages(&self, node: &Node) -> NodeStorages {
        by_reach!(self, node, storages())
    }

    async fn deliver(&self, node: &Node, delivery: &Delivery) -> Result<Delivered, NodeError> {
        by_reach!(self, node, deliver(delivery))
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
