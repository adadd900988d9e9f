//! Nodes that only their cluster knows: it is asked for them, and nobody describes them.

use std::collections::{BTreeMap, BTreeSet};

use super::{ClusterName, Host, Inventory, InventoryNode, Node, NodeId, NodeTransport, Reach};

/// What the inventory knows of a group of nodes that is named after a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterGroup<'a> {
    /// There is no cluster of this name.
    None,
    /// Its nodes, in the order of the inventory.
    Nodes(Vec<&'a InventoryNode>),
    /// The cluster was never asked.
    Awaited,
    /// A node of it has the name of another one: which, and the clusters that have it.
    /// With one cluster the other node is described under `nodes`.
    Clash(&'a NodeId, &'a [ClusterName]),
}

impl Inventory {
    /// The same with what clusters call their nodes, as far as they were ever asked. A
    /// described node is the one of its cluster, whatever it is called here. Of nodes with
    /// one name neither is taken.
    #[must_use]
    pub fn discovering(&self, members: &BTreeMap<ClusterName, BTreeSet<String>>) -> Self {
        let mut nodes = self.nodes.clone();
        let mut clusters = self.discovered.clone();
        let mut found: BTreeMap<NodeId, Vec<(&ClusterName, Node)>> = BTreeMap::new();
        for (name, cluster) in &mut clusters {
            let Some((name, own)) = members.get_key_value(name) else {
                continue;
            };
            cluster.members = Some(own.clone());
            let described = self.nodes.iter();
            let described = described.filter(|entry| entry.cluster.as_ref() == Some(name));
            let described: BTreeSet<&str> = described.map(InventoryNode::name_in_cluster).collect();
            for member in own.iter().filter(|own| !described.contains(own.as_str())) {
                if let Some(node) = discovered(name, member, cluster.transport) {
                    found.entry(node.id.clone()).or_default().push((name, node));
                }
            }
        }
        let mut clashes = BTreeMap::new();
        for (id, mut having) in found {
            match having.pop() {
                Some((cluster, node)) if having.is_empty() && self.by_name(&id).is_none() => {
                    nodes.push(InventoryNode {
                        site: clusters.get(cluster).and_then(|known| known.site.clone()),
                        cluster: Some(cluster.clone()),
                        ..InventoryNode::bare(node)
                    });
                }
                last => {
                    let having = having.into_iter().chain(last);
                    clashes.insert(id, having.map(|(cluster, _)| cluster.clone()).collect());
                }
            }
        }
        let mut all = Self::new(nodes);
        all.clashes = clashes;
        all.discovered = clusters;
        all.sites = self.sites.clone();
        all
    }

    /// The clusters with this node that are not told apart by its name.
    pub fn clash(&self, id: &NodeId) -> Option<&[ClusterName]> {
        self.clashes.get(id).map(Vec::as_slice)
    }

    /// The clusters that were never asked for their nodes.
    pub fn awaited(&self) -> Vec<ClusterName> {
        let clusters = self.discovered.iter();
        clusters
            .filter(|(_, cluster)| cluster.members.is_none())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The nodes of a cluster, as a group that has its name.
    pub fn cluster_group(&self, name: &str) -> ClusterGroup<'_> {
        let discovered = self.discovered.iter().find(|(own, _)| own.as_str() == name);
        if let Some((_, cluster)) = discovered
            && cluster.members.is_none()
        {
            return ClusterGroup::Awaited;
        }
        let mut clashes = self.clashes.iter();
        if let Some((id, having)) =
            clashes.find(|(_, having)| having.iter().any(|own| own.as_str() == name))
        {
            return ClusterGroup::Clash(id, having);
        }
        let is_own = |entry: &&InventoryNode| {
            let cluster = entry.cluster.as_ref();
            cluster.is_some_and(|cluster| cluster.as_str() == name)
        };
        let nodes: Vec<&InventoryNode> = self.nodes.iter().filter(is_own).collect();
        match nodes.is_empty() && discovered.is_none() {
            true => ClusterGroup::None,
            false => ClusterGroup::Nodes(nodes),
        }
    }
}

/// A node of a cluster; `None` where its name cannot be one here.
fn discovered(cluster: &ClusterName, member: &str, transport: NodeTransport) -> Option<Node> {
    let reach = match transport {
        NodeTransport::Api => Reach::Api {
            cluster: cluster.clone(),
            node: member.to_owned(),
        },
        // As for a described node without a host.
        NodeTransport::Ssh => Reach::Ssh {
            host: member.parse::<Host>().ok()?,
            user: None,
            port: None,
        },
    };
    Some(Node {
        id: member.parse().ok()?,
        reach,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DiscoveredCluster;

    fn inventory(described: &[(&str, Option<&str>, Option<&str>)]) -> Inventory {
        let described = described.iter().map(|(name, cluster, pve_name)| {
            let node = discovered(&"x".parse().unwrap(), name, NodeTransport::Ssh).unwrap();
            InventoryNode {
                cluster: cluster.map(|name| name.parse().unwrap()),
                pve_name: pve_name.map(str::to_owned),
                ..InventoryNode::bare(node)
            }
        });
        let cluster = DiscoveredCluster {
            transport: NodeTransport::Api,
            site: None,
            members: None,
        };
        let names = ["a", "b"].map(|name| (name.parse().unwrap(), cluster.clone()));
        let mut inventory = Inventory::new(described.collect());
        inventory.discovered = names.into();
        inventory
    }

    fn members(of: &[(&str, &[&str])]) -> BTreeMap<ClusterName, BTreeSet<String>> {
        let one = |(name, own): &(&str, &[&str])| {
            let own = own.iter().map(|own| (*own).to_owned()).collect();
            (name.parse().unwrap(), own)
        };
        of.iter().map(one).collect()
    }

    fn shown(group: &ClusterGroup<'_>) -> String {
        match group {
            ClusterGroup::None => "none".to_owned(),
            ClusterGroup::Awaited => "awaited".to_owned(),
            ClusterGroup::Nodes(nodes) => {
                let names: Vec<&str> = nodes.iter().map(|one| one.node.id.as_str()).collect();
                names.join(" ")
            }
            ClusterGroup::Clash(id, having) => {
                let having: Vec<&str> = having.iter().map(ClusterName::as_str).collect();
                format!("{id} in {}", having.join(" "))
            }
        }
    }

    #[test]
    fn a_cluster_that_was_never_asked_is_not_an_empty_one() {
        let known = inventory(&[]);
        assert_eq!(shown(&known.cluster_group("a")), "awaited");
        assert_eq!(shown(&known.cluster_group("c")), "none");
        let known = known.discovering(&members(&[("a", &["pve-2", "pve-1"])]));
        assert_eq!(shown(&known.cluster_group("a")), "pve-1 pve-2");
        assert_eq!(shown(&known.cluster_group("b")), "awaited");
        assert_eq!(known.awaited(), ["b".parse().unwrap()]);
        let known = known.discovering(&members(&[("b", &[])]));
        assert_eq!(shown(&known.cluster_group("b")), "");
    }

    #[test]
    fn a_described_node_is_the_one_of_its_cluster() {
        let known = inventory(&[("second", Some("a"), Some("pve-2"))]);
        let known = known.discovering(&members(&[("a", &["pve-1", "pve-2"])]));
        assert_eq!(shown(&known.cluster_group("a")), "second pve-1");
        assert!(known.by_name(&"pve-2".parse().unwrap()).is_none());
    }

    #[test]
    fn of_nodes_with_one_name_neither_is_taken() {
        let both = members(&[("a", &["pve-1", "pve-2"]), ("b", &["pve-2"])]);
        let known = inventory(&[]).discovering(&both);
        assert_eq!(shown(&known.cluster_group("a")), "pve-2 in a b");
        assert!(known.by_name(&"pve-1".parse().unwrap()).is_some());
        assert!(known.by_name(&"pve-2".parse().unwrap()).is_none());
        // A node that is described and not said to be of a cluster keeps its name.
        let known = inventory(&[("pve-1", None, None)]).discovering(&both);
        assert!(
            known
                .by_name(&"pve-1".parse().unwrap())
                .unwrap()
                .cluster
                .is_none()
        );
        assert_eq!(shown(&known.cluster_group("a")), "pve-1 in a");
    }
}
