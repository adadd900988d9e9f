//! What the program knows of clusters before it reads the orders: their nodes complete the
//! inventory that orders are read with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cluster_use::ClusterUse;
use super::fleet::Fleet;
use super::{App, LiveReconciler, StartError};
use crate::facts::{Clusters, Memory};
use crate::model::{ClusterName, Inventory, Node, NodeId, OrderDefaults, OrderSet};
use crate::nodes::ApiNode;

impl App {
    /// Asks the clusters for their nodes, with which orders are read from now on. What a
    /// cluster said last counts while it does not answer.
    ///
    /// # Errors
    /// When the client of a cluster cannot be made.
    pub(crate) async fn survey(&self, memory: &Memory) -> Result<Clusters, StartError> {
        let fleet = self.fleet()?;
        Ok(fleet.survey(&self.settings, memory, self.now()).await)
    }

    /// Adds to what is known of clusters what their API tokens lack for these orders.
    ///
    /// # Errors
    /// When the client of a cluster cannot be made.
    pub(crate) async fn add_rights(
        &self,
        clusters: &mut Clusters,
        orders: &OrderSet,
    ) -> Result<(), StartError> {
        let used = |name: &ClusterName| self.cluster_use(orders, Some(name));
        let fleet = self.fleet()?;
        fleet.add_rights(clusters, &self.settings, used).await;
        Ok(())
    }

    /// Tells a reconciler of the nodes of clusters that are known now.
    ///
    /// # Errors
    /// When the client of a cluster cannot be made.
    pub(crate) fn introduce(&self, reconciler: &LiveReconciler) -> Result<(), StartError> {
        reconciler.nodes.know(self.known_nodes()?);
        Ok(())
    }

    /// What orders do with a cluster; with all nodes for `None`.
    pub(crate) fn cluster_use(
        &self,
        orders: &OrderSet,
        cluster: Option<&ClusterName>,
    ) -> ClusterUse {
        ClusterUse::of(&self.settings, &self.defaults().inventory, orders, cluster)
    }

    /// The nodes of the configuration, and those of clusters as far as they are known.
    pub(crate) fn configured_nodes(&self) -> Vec<Node> {
        let defaults = self.defaults();
        let nodes = defaults.inventory.nodes.iter();
        nodes.map(|entry| entry.node.clone()).collect()
    }

    /// Takes what clusters called their nodes in the last run, where nobody is asked.
    pub(crate) fn recall(&self) {
        if self.settings.orders.inventory.discovered.is_empty() {
            return;
        }
        if let Ok(fleet) = self.fleet() {
            fleet.note(&self.state().memory().members);
        }
    }

    /// What orders fall back on.
    pub(super) fn defaults(&self) -> Arc<OrderDefaults> {
        match self.fleet() {
            Ok(fleet) => fleet.defaults(&self.settings),
            // Told by whoever asks it something.
            Err(_) => Arc::new(self.settings.orders.clone()),
        }
    }

    pub(super) fn known_nodes(&self) -> Result<BTreeMap<NodeId, ApiNode>, StartError> {
        let fleet = self.fleet()?;
        Ok(known_nodes(&self.defaults().inventory, fleet))
    }

    fn fleet(&self) -> Result<&Fleet, StartError> {
        if let Some(fleet) = self.fleet.get() {
            return Ok(fleet);
        }
        let made = Fleet::new(&self.settings);
        let made = made.map_err(|(name, source)| StartError::Cluster { name, source })?;
        Ok(self.fleet.get_or_init(|| made))
    }
}

/// The nodes that the API of their cluster tells of, also those that are reached over ssh:
/// it describes their storages.
fn known_nodes(inventory: &Inventory, fleet: &Fleet) -> BTreeMap<NodeId, ApiNode> {
    let of_clusters = inventory.nodes.iter().filter_map(|entry| {
        let cluster = entry.cluster.as_ref()?;
        let known = ApiNode {
            cluster: cluster.to_string(),
            api: fleet.client(cluster)?.clone(),
            name: entry.name_in_cluster().to_owned(),
            places: BTreeMap::new(),
        };
        Some((entry.node.id.clone(), known))
    });
    of_clusters.collect()
}
