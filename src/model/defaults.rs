//! What orders fall back on: the configuration's share in reading an order.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Arch, ClusterName, Dir, Node, NodeId, NodeTraits, NodeTransport, PushMethod, Reach, SiteName,
    StorageName,
};

/// The values that a position takes where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderDefaults {
    /// The architecture.
    pub arch: Arch,
    /// Images are pushed.
    pub push_enabled: bool,
    /// Unpacked images are pushed where both forms exist.
    pub prefer_decompressed: bool,
    /// The directory for ISO files, and for everything else without one.
    pub iso_dir: Dir,
    /// The directory for raw and qcow2 images.
    pub import_dir: Option<Dir>,
    /// The storage for ISO files; it comes before the directory.
    pub iso_storage: Option<StorageName>,
    /// The storage for raw and qcow2 images.
    pub import_storage: Option<StorageName>,
    /// The clusters whose nodes load images from the factory.
    pub factory_clusters: BTreeSet<ClusterName>,
    /// Every node needs a site: each is served by the controllers of its site.
    pub in_fleet: bool,
    /// The nodes that orders can name.
    pub inventory: Inventory,
}

/// The nodes described in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The nodes in the order they are written; ids and addresses are unique.
    pub nodes: Vec<InventoryNode>,
    /// The clusters that are asked for their nodes.
    pub discovered: BTreeMap<ClusterName, DiscoveredCluster>,
    /// The sites that nodes can belong to.
    pub sites: BTreeSet<SiteName>,
    /// The names that nodes of several clusters have, or a described node and one of a
    /// cluster, with those clusters.
    pub(super) clashes: BTreeMap<NodeId, Vec<ClusterName>>,
    // Every host of every position is looked up here.
    by_name: BTreeMap<NodeId, usize>,
    by_address: BTreeMap<Reach, usize>,
    by_label: BTreeMap<String, Vec<usize>>,
}

/// A cluster whose nodes are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredCluster {
    /// How its nodes are reached.
    pub transport: NodeTransport,
    /// The site of its nodes.
    pub site: Option<SiteName>,
    /// What it calls its nodes; `None` where it was never asked, which is not the same as
    /// no nodes.
    pub members: Option<BTreeSet<String>>,
}

/// A node described once, for orders to refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryNode {
    /// How it is called and reached.
    pub node: Node,
    /// Labels by which a group of nodes is meant.
    pub labels: Vec<String>,
    /// Its own directory for ISO files.
    pub iso_dir: Option<Dir>,
    /// Its own directory for raw and qcow2 images.
    pub import_dir: Option<Dir>,
    /// Its own storage for ISO files; never beside a directory for them.
    pub iso_storage: Option<StorageName>,
    /// Its own storage for raw and qcow2 images; never beside a directory for them.
    pub import_storage: Option<StorageName>,
    /// Whether unwanted files are pruned from it; `None` if not set.
    pub prune: Option<bool>,
    /// Whether missing directories are created on it anywhere; `None` if not set.
    pub create: Option<bool>,
    /// The storage that its directories are on, where it is named.
    pub storage: Option<Storage>,
    /// Where it keeps the configurations of virtual machines, where it says so.
    pub vm_configs: Option<VmConfigs>,
    /// How images are sent to it, where it says so.
    pub push_method: Option<PushMethod>,
    /// Bytes per second to this node; `None` for no limit of its own.
    pub bandwidth_limit: Option<u64>,
    /// The site it belongs to, where it names one.
    pub site: Option<SiteName>,
    /// The cluster it belongs to, where it names one.
    pub cluster: Option<ClusterName>,
    /// Its name in that cluster, where it is not the same.
    pub pve_name: Option<String>,
}

impl DiscoveredCluster {
    /// What rings go by, of those of its nodes that nobody describes.
    pub fn traits(&self, name: &ClusterName) -> NodeTraits {
        NodeTraits {
            site: self.site.clone(),
            labels: [name.to_string()].into(),
        }
    }
}

impl InventoryNode {
    /// What rings go by: the group of a cluster counts as a label, as it does in orders.
    pub fn traits(&self) -> NodeTraits {
        let cluster = self.cluster.iter().map(ToString::to_string);
        NodeTraits {
            site: self.site.clone(),
            labels: self.labels.iter().cloned().chain(cluster).collect(),
        }
    }

    /// A node that nothing more is said of.
    pub fn bare(node: Node) -> Self {
        Self {
            node,
            labels: Vec::new(),
            iso_dir: None,
            import_dir: None,
            iso_storage: None,
            import_storage: None,
            prune: None,
            create: None,
            storage: None,
            vm_configs: None,
            push_method: None,
            bandwidth_limit: None,
            site: None,
            cluster: None,
            pve_name: None,
        }
    }

    /// How its cluster calls it.
    pub fn name_in_cluster(&self) -> &str {
        self.pve_name.as_deref().unwrap_or(self.node.id.as_str())
    }
}

/// The storage that a node's directories are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Its name; of the alphabet of labels.
    pub name: String,
    /// Every node that names it sees the same files.
    pub shared: bool,
}

/// Where a node keeps the configurations of virtual machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmConfigs {
    /// Below this directory, as `*/qemu-server/*.conf`.
    In(Dir),
    /// Nowhere: there are no virtual machines that could use a file.
    Nowhere,
}

impl Inventory {
    /// The inventory of these nodes.
    pub fn new(nodes: Vec<InventoryNode>) -> Self {
        let mut inventory = Self::default();
        for (at, entry) in nodes.iter().enumerate() {
            // Of several local nodes, which all have the same address, and of
            // several of a name, the first.
            let by_name = inventory.by_name.entry(entry.node.id.clone());
            by_name.or_insert(at);
            let by_address = inventory.by_address.entry(entry.node.reach.clone());
            by_address.or_insert(at);
            for label in &entry.labels {
                let labelled = inventory.by_label.entry(label.clone()).or_default();
                if labelled.last() != Some(&at) {
                    labelled.push(at);
                }
            }
        }
        inventory.nodes = nodes;
        inventory
    }

    /// The node of this name.
    pub fn by_name(&self, id: &NodeId) -> Option<&InventoryNode> {
        self.by_name.get(id).map(|&at| &self.nodes[at])
    }

    /// The node that is reached in this way, whatever it is called.
    pub fn by_address(&self, reach: &Reach) -> Option<&InventoryNode> {
        self.by_address.get(reach).map(|&at| &self.nodes[at])
    }

    /// The nodes that carry a label, in the order they are written.
    pub fn by_label(&self, label: &str) -> impl Iterator<Item = &InventoryNode> {
        let labelled = self.by_label.get(label).into_iter().flatten();
        labelled.map(|&at| &self.nodes[at])
    }
}
