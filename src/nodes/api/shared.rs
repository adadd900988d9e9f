//! What all work on nodes of the API shares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Mutex as AsyncMutex;

use super::config::{ApiNode, ApiNodesConfig, ApiPlace};
use super::content::ConvertedImages;
use super::described;
use super::place::{HeldFile, PlaceOnNode};
use super::records::{DeliveryRecords, DirRecord};
use super::server::FileServer;
use super::templates::seen::SeenVms;
use super::told::ToldClusters;
use super::usage::SeenUses;
use crate::model::{Dir, FileName, Node, NodeId, Reach, VmId};
use crate::nodes::authority::NotLeading;
use crate::nodes::mandate::Mandate;
use crate::proxmox::PveError;

/// What all work on nodes of the API shares.
#[derive(Debug)]
pub(super) struct SharedParts {
    pub config: ApiNodesConfig,
    pub server: FileServer,
    pub uses: SeenUses,
    pub vms: SeenVms,
    pub told: ToldClusters,
    pub converted: ConvertedImages,
    pub records: Arc<dyn DeliveryRecords>,
    /// The nodes; others come when a cluster tells of them.
    known: RwLock<Arc<BTreeMap<NodeId, ApiNode>>>,
    /// What the directories of each node are, as far as its cluster told.
    places: Mutex<BTreeMap<NodeId, BTreeMap<Dir, ApiPlace>>>,
    /// The files that are worked on, by cluster, node and volume, and the virtual machines
    /// by cluster, nothing and VMID.
    busy: Mutex<BTreeMap<[String; 3], Arc<AsyncMutex<()>>>>,
    /// The nodes that were seen to reach the file server.
    reached: Mutex<BTreeSet<NodeId>>,
}

impl SharedParts {
    pub(super) fn new(mut config: ApiNodesConfig, records: Arc<dyn DeliveryRecords>) -> Self {
        let known = std::mem::take(&mut config.nodes);
        Self {
            known: RwLock::new(Arc::new(known)),
            server: FileServer::new(config.server.clone()),
            uses: SeenUses::default(),
            vms: SeenVms::default(),
            told: ToldClusters::default(),
            converted: ConvertedImages::default(),
            places: Mutex::default(),
            busy: Mutex::default(),
            reached: Mutex::default(),
            config,
            records,
        }
    }

    /// The nodes as they are known now.
    pub(super) fn all_known(&self) -> Arc<BTreeMap<NodeId, ApiNode>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known)
    }

    /// Takes the place of the nodes that were known.
    pub(super) fn know(&self, nodes: BTreeMap<NodeId, ApiNode>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(nodes);
    }

    /// A node; one that its cluster does not tell of any more is asked for all the same, so
    /// that it is the cluster that says so.
    pub(super) fn known(&self, node: &Node) -> Option<ApiNode> {
        let all = self.all_known();
        if let Some(known) = all.get(&node.id) {
            return Some(known.clone());
        }
        let Reach::Api { cluster, node } = &node.reach else {
            return None;
        };
        let mut others = all.values();
        let other = others.find(|other| other.cluster == cluster.as_str())?;
        Some(ApiNode {
            name: node.clone(),
            places: BTreeMap::new(),
            ..other.clone()
        })
    }

    /// What an operation that changes something begins with; what it does, it does under
    /// [`Mandate::during`].
    pub(super) fn mandate(&self, node: &NodeId) -> Result<Mandate, NotLeading> {
        let own = self.config.authority_of.get(node);
        Mandate::begin(own.unwrap_or(&self.config.authority))
    }

    pub(super) fn record(&self, node: &NodeId, dir: &Dir) -> DirRecord {
        DirRecord {
            records: Arc::clone(&self.records),
            node: node.clone(),
            dir: dir.clone(),
        }
    }

    /// The directories of a node that are known.
    pub(super) fn places(&self, node: &NodeId, known: &ApiNode) -> BTreeMap<Dir, ApiPlace> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = places.get(node).cloned().unwrap_or_default();
        all.extend(known.places.clone());
        all
    }

    /// Keeps what the cluster told of a node's directories.
    pub(super) fn keep_places(&self, node: &NodeId, told: BTreeMap<Dir, ApiPlace>) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.insert(node.clone(), told);
    }

    /// A directory that is known.
    pub(super) fn place_of(
        &self,
        node: &NodeId,
        known: &ApiNode,
        dir: &Dir,
    ) -> Option<PlaceOnNode> {
        let places = self.places(node, known);
        let place = places.get(dir)?;
        let record = self.record(node, dir);
        Some(PlaceOnNode::new(node, known, place, record))
    }

    /// The same, and the cluster is asked where it is not known: what was delivered once is
    /// looked at although no order names its storage any more.
    pub(super) async fn find_place(
        &self,
        node: &NodeId,
        known: &ApiNode,
        dir: &Dir,
    ) -> Result<Option<PlaceOnNode>, PveError> {
        if let Some(place) = self.place_of(node, known, dir) {
            return Ok(Some(place));
        }
        let storages = known.api.storages().await?;
        let described = described::described(&storages);
        self.keep_places(node, described::places(&described));
        Ok(self.place_of(node, known, dir))
    }

    /// The directory of a file, once nobody else works on that any more, for work under a
    /// mandate. `None` where it is on no storage.
    pub(super) async fn hold(
        &self,
        mandate: &Mandate,
        node: &Node,
        dir: &Dir,
        file: &FileName,
    ) -> Result<Option<PlaceOnNode>, PveError> {
        let Some(known) = self.known(node) else {
            return Ok(None);
        };
        let Some(place) = self.find_place(&node.id, &known, dir).await? else {
            return Ok(None);
        };
        let key = [
            known.cluster.clone(),
            known.name.clone(),
            place.volume(file),
        ];
        let _held = Some(self.alone(key).await);
        let api = place.api.under(Arc::new(mandate.clone()));
        Ok(Some(PlaceOnNode {
            _held,
            api,
            ..place
        }))
    }

    /// Waits until nobody else of this controller works on a virtual machine.
    pub(super) async fn hold_vm(&self, known: &ApiNode, vmid: VmId) -> HeldFile {
        let key = [known.cluster.clone(), String::new(), vmid.to_string()];
        self.alone(key).await
    }

    async fn alone(&self, key: [String; 3]) -> HeldFile {
        let lock = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            busy.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(busy.entry(key).or_default())
        };
        Arc::new(lock.lock_owned().await)
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
