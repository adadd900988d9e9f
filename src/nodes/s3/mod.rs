//! Buckets as nodes: images that other platforms import from an S3-compatible server.
//!
//! An upload becomes visible as a whole, so nothing hidden is needed beside it. What was
//! placed is recorded in an object of each directory (`record`), as in a file on other
//! nodes, and written under a condition: two controllers do not overwrite each other's
//! lines. A server cannot compute a digest, so what nobody recorded is read back through
//! this machine.

mod config;
mod deliver;
mod look;
mod place;
mod record;
mod remove;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::facts::{NodeState, NodeStorages};
use crate::model::{Dir, Node, StorageName};
use crate::nodes::error::NodeError;
use crate::nodes::interface::{
    Cleared, Delivered, Delivery, Leftover, Nodes, Removal, Removed, Verified,
};
use crate::nodes::mandate::Mandate;
use crate::nodes::templates::Templates;
pub use config::BucketNodesConfig;
use place::{BucketPlace, Turns};

/// Nodes that are buckets.
#[derive(Debug)]
pub struct BucketNodes {
    config: Arc<BucketNodesConfig>,
    turns: Turns,
}

impl BucketNodes {
    /// Nodes as the configuration describes them. Nothing is asked of their servers yet.
    pub fn new(config: BucketNodesConfig) -> Self {
        Self {
            config: Arc::new(config),
            turns: Turns::default(),
        }
    }

    fn place(&self, node: &Node, dir: &Dir) -> Result<BucketPlace, NodeError> {
        BucketPlace::new(&self.config, node, dir)
    }

    /// Waits for the turn on a directory, and changes something there for as long as this
    /// process may.
    async fn change<T>(
        &self,
        node: &Node,
        dir: &Dir,
        work: impl AsyncFnOnce(&BucketPlace) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let _turn = self.turns.of(&node.id, dir).await;
        let place = self.place(node, dir)?;
        let mandate = Mandate::begin(&place.authority)?;
        mandate.during(work(&place)).await
    }
}

impl Nodes for BucketNodes {
    async fn observe(&self, node: &Node, dirs: &BTreeSet<Dir>) -> NodeState {
        look::observe(&self.config, node, dirs).await
    }

    async fn storages(&self, node: &Node, _: &BTreeSet<StorageName>) -> NodeStorages {
        NodeStorages::Unreadable {
            why: format!("{} is a bucket, which has no storages", node.id),
        }
    }

    async fn deliver(&self, node: &Node, delivery: &Delivery) -> Result<Delivered, NodeError> {
        let deliver = async |place: &BucketPlace| place.deliver(delivery).await;
        self.change(node, &delivery.dir, deliver).await
    }

    async fn remove(&self, node: &Node, removal: &Removal) -> Result<Removed, NodeError> {
        let remove = async |place: &BucketPlace| place.remove(removal).await;
        self.change(node, &removal.dir, remove).await
    }

    async fn clear(&self, _: &Node, _: &Leftover) -> Result<Cleared, NodeError> {
        // An upload that did not end left nothing that has a name.
        Ok(Cleared::Gone)
    }

    async fn verify(&self, node: &Node, check: &Removal) -> Result<Verified, NodeError> {
        let verify = async |place: &BucketPlace| place.verify(check).await;
        self.change(node, &check.dir, verify).await
    }
}

// The methods are those of a place without virtual machines.
impl Templates for BucketNodes {}
