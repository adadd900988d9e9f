//! What configuration and orders do with the nodes that are buckets, and what is in them.

use std::collections::BTreeSet;

use super::{App, NodeAuthorities, StartError, places};
use crate::bucket::BucketSettings;
use crate::facts::NodeState;
use crate::model::{Dir, InventoryNode, Node, OrderSet};
use crate::nodes::{BucketNodes, Nodes};

/// What is done with a node that is a bucket.
#[derive(Debug)]
pub(crate) struct BucketUse {
    pub node: Node,
    pub settings: BucketSettings,
    /// Its own directories, and those that orders name.
    pub dirs: BTreeSet<Dir>,
}

impl App {
    /// The nodes that are buckets; in a fleet, those of the sites that are served.
    pub(crate) fn bucket_uses(&self, orders: &OrderSet) -> Vec<BucketUse> {
        let settings = &self.settings;
        let is_served = |entry: &&InventoryNode| match (&settings.fleet, &entry.site) {
            (Some(fleet), Some(site)) => fleet.sites.contains(site),
            _ => true,
        };
        let nodes = settings.orders.inventory.nodes.iter().filter(is_served);
        let used = nodes.filter_map(|entry| {
            let id = &entry.node.id;
            let own = entry.iso_dir.iter().chain(&entry.import_dir);
            let positions = orders.orders.iter().flat_map(|order| &order.positions);
            let targets = positions.flat_map(|position| &position.targets);
            let ordered = targets.filter(|target| target.node == *id);
            Some(BucketUse {
                node: entry.node.clone(),
                settings: settings.buckets.get(id)?.clone(),
                dirs: own
                    .chain(ordered.map(|target| &target.dir))
                    .cloned()
                    .collect(),
            })
        });
        used.collect()
    }

    /// The clients of all of them.
    ///
    /// # Errors
    /// When the client of a bucket cannot be made.
    pub(crate) fn bucket_look(&self) -> Result<BucketLook, StartError> {
        let over = NodeAuthorities::new(&self.settings, &self.authorities);
        let config = places::buckets(&self.settings, &over).map_err(StartError::Bucket)?;
        Ok(BucketLook(BucketNodes::new(config)))
    }
}

/// Looks into the nodes that are buckets.
pub(crate) struct BucketLook(BucketNodes);

impl BucketLook {
    /// What is in the directories of such a node, as a run sees it.
    pub(crate) async fn at(&self, used: &BucketUse) -> NodeState {
        self.0.observe(&used.node, &used.dirs).await
    }
}
