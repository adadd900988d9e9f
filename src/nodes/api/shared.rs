//! What all work on nodes of the API shares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Mutex as AsyncMutex;

use super::config::{ApiNode, ApiNodesConfig};
use super::place::PlaceOnNode;
use super::records::{DeliveryRecords, DirRecord};
use super::server::FileServer;
use super::usage::SeenUses;
use crate::model::{Dir, FileName, NodeId};

/// What all work on nodes of the API shares.
#[derive(Debug)]
pub(super) struct SharedParts {
    pub config: ApiNodesConfig,
    pub server: FileServer,
    pub uses: SeenUses,
    records: Arc<dyn DeliveryRecords>,
    /// The files that are worked on, by cluster, node and volume.
    busy: Mutex<BTreeMap<[String; 3], Arc<AsyncMutex<()>>>>,
    /// The nodes that were seen to reach the file server.
    reached: Mutex<BTreeSet<NodeId>>,
}

impl SharedParts {
    pub(super) fn new(config: ApiNodesConfig, records: Arc<dyn DeliveryRecords>) -> Self {
        Self {
            server: FileServer::new(config.server.clone()),
            uses: SeenUses::default(),
            busy: Mutex::default(),
            reached: Mutex::default(),
            config,
            records,
        }
    }

    pub(super) fn record(&self, node: &NodeId, dir: &Dir) -> DirRecord {
        DirRecord {
            records: Arc::clone(&self.records),
            node: node.clone(),
            dir: dir.clone(),
        }
    }

    /// A directory that is configured.
    pub(super) fn place_of(
        &self,
        node: &NodeId,
        known: &ApiNode,
        dir: &Dir,
    ) -> Option<PlaceOnNode> {
        let place = known.places.get(dir)?;
        let record = self.record(node, dir);
        Some(PlaceOnNode::new(node, known, place, record))
    }

    /// The directory of a file, once nobody else works on that any more. `None` where it is
    /// not configured.
    pub(super) async fn hold(
        &self,
        node: &NodeId,
        dir: &Dir,
        file: &FileName,
    ) -> Option<PlaceOnNode> {
        let known = self.config.nodes.get(node)?;
        let place = self.place_of(node, known, dir)?;
        let key = [
            known.cluster.clone(),
            known.name.clone(),
            place.volume(file),
        ];
        let lock = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            busy.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(busy.entry(key).or_default())
        };
        let _held = Some(Arc::new(lock.lock_owned().await));
        Some(PlaceOnNode { _held, ..place })
    }

    pub(super) fn has_reached(&self, node: &NodeId) -> bool {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.contains(node)
    }

    pub(super) fn note_reached(&self, node: &NodeId) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.insert(node.clone());
    }

    /// The next delivery looks again.
    pub(super) fn forget_reached(&self, node: &NodeId) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.remove(node);
    }
}
