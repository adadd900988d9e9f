//! The implementation of [`Nodes`] over the Proxmox VE API.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::config::{ApiNode, ApiNodesConfig};
use super::error::ApiError;
use super::place::{PlaceOnNode, failed};
use super::records::DeliveryRecords;
use super::shared::SharedParts;
use super::storages::DescribedNode;
use super::templates::{self, TemplateHost};
use super::{deliver, look, remove, storages};
use crate::facts::{NodeState, NodeStorages, NodeVms};
use crate::model::{Dir, FileName, Node, NodeId, StorageName, VmId};
use crate::nodes::error::NodeError;
use crate::nodes::interface::{
    Cleared, Delivered, Delivery, Leftover, Nodes, Removal, Removed, Verified,
};
use crate::nodes::mandate::Mandate;
use crate::nodes::templates::{
    TemplateChange, TemplateCreation, TemplateDone, TemplateRemoval, Templates,
};

/// Proxmox nodes that are asked through the API.
#[derive(Debug)]
pub struct ApiNodes {
    shared: SharedParts,
}

impl ApiNodes {
    /// Nothing is asked, and nobody listens, before the first call.
    pub fn new(config: ApiNodesConfig, records: Arc<dyn DeliveryRecords>) -> Self {
        Self {
            shared: SharedParts::new(config, records),
        }
    }

    /// Takes the place of the nodes that were known: what a cluster told of its nodes.
    pub fn know(&self, nodes: BTreeMap<NodeId, ApiNode>) {
        self.shared.know(nodes);
    }

    /// How its cluster describes the storages of a node that is reached in another way;
    /// `None` where it does not tell of all that are of interest.
    pub(in crate::nodes) async fn described(
        &self,
        node: &Node,
        wanted: &BTreeSet<StorageName>,
    ) -> Option<DescribedNode> {
        Box::pin(storages::described_node(&self.shared, node, wanted)).await
    }

    /// The cluster that a node is of.
    pub(in crate::nodes) fn cluster(&self, node: &Node) -> Option<String> {
        Some(self.shared.known(node)?.cluster)
    }

    async fn hold(
        &self,
        mandate: &Mandate,
        node: &Node,
        dir: &Dir,
        file: &FileName,
    ) -> Result<PlaceOnNode, NodeError> {
        let place = self.shared.hold(mandate, node, dir, file).await;
        let place = place.map_err(|error| failed(&node.id, "asking for the storages", error))?;
        place.ok_or_else(|| {
            let what = format!("{}:{dir}", node.id);
            NodeError::Api(ApiError::NotConfigured { what })
        })
    }
}

/// Work under a mandate. What was not sent because that has ended fails as such.
async fn under<T>(
    mandate: &Mandate,
    work: impl Future<Output = Result<T, NodeError>>,
) -> Result<T, NodeError> {
    mandate.during(work).await.map_err(|error| {
        let ended = mandate.ended().filter(|_| error.is_unsent());
        ended.map_or(error, NodeError::from)
    })
}

impl Nodes for ApiNodes {
    async fn observe(&self, node: &Node, dirs: &BTreeSet<Dir>) -> NodeState {
        Box::pin(look::observe(&self.shared, node, dirs)).await
    }

    async fn storages(&self, node: &Node, _: &BTreeSet<StorageName>) -> NodeStorages {
        Box::pin(storages::storages(&self.shared, node)).await
    }

    async fn deliver(&self, node: &Node, delivery: &Delivery) -> Result<Delivered, NodeError> {
        let mandate = self.shared.mandate(&node.id)?;
        let work = async {
            let place = self
                .hold(&mandate, node, &delivery.dir, &delivery.file)
                .await?;
            deliver::deliver(&self.shared, &place, delivery).await
        };
        Box::pin(under(&mandate, work)).await
    }

    async fn remove(&self, node: &Node, removal: &Removal) -> Result<Removed, NodeError> {
        let mandate = self.shared.mandate(&node.id)?;
        let work = async {
            let place = self
                .hold(&mandate, node, &removal.dir, &removal.file)
                .await?;
            remove::remove(&self.shared, &place, removal).await
        };
        Box::pin(under(&mandate, work)).await
    }

    /// What arrives has no name that the API shows, and a node removes it itself.
    async fn clear(&self, _: &Node, _: &Leftover) -> Result<Cleared, NodeError> {
        Ok(Cleared::Gone)
    }

    async fn verify(&self, node: &Node, check: &Removal) -> Result<Verified, NodeError> {
        let mandate = self.shared.mandate(&node.id)?;
        let work = async {
            let place = self.hold(&mandate, node, &check.dir, &check.file).await?;
            remove::verify(&self.shared, &place, check).await
        };
        Box::pin(under(&mandate, work)).await
    }
}

impl Templates for ApiNodes {
    async fn vms(&self, node: &Node) -> NodeVms {
        Box::pin(templates::vms(&self.shared, node)).await
    }

    async fn clones(
        &self,
        node: &Node,
        templates: &BTreeSet<VmId>,
    ) -> Result<BTreeMap<VmId, BTreeSet<VmId>>, NodeError> {
        let host = TemplateHost::of(&self.shared, node)?;
        Box::pin(templates::clones(&host, templates)).await
    }

    async fn create_template(
        &self,
        node: &Node,
        creation: &TemplateCreation,
    ) -> Result<TemplateDone, NodeError> {
        let mandate = self.shared.mandate(&node.id)?;
        let host = TemplateHost::of(&self.shared, node)?.under(&mandate);
        Box::pin(under(&mandate, templates::create(&host, creation))).await
    }

    async fn change_templates(
        &self,
        node: &Node,
        changes: &[TemplateChange],
    ) -> Result<TemplateDone, NodeError> {
        let mandate = self.shared.mandate(&node.id)?;
        let host = TemplateHost::of(&self.shared, node)?.under(&mandate);
        Box::pin(under(&mandate, templates::change(&host, changes))).await
    }

    async fn remove_template(
        &self,
        node: &Node,
        removal: &TemplateRemoval,
    ) -> Result<TemplateDone, NodeError> {
        let mandate = self.shared.mandate(&node.id)?;
        let host = TemplateHost::of(&self.shared, node)?.under(&mandate);
        Box::pin(under(&mandate, templates::remove(&host, removal))).await
    }
}
