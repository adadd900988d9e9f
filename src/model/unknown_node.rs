//! Nodes that orders name and that nobody here can know.
//!
//! In a fleet a controller asks the clusters of its own sites for their nodes. A name that
//! none of them has may be a node of another site, or a mistake: the order is not refused for
//! it, and it is told.

use std::collections::{BTreeMap, BTreeSet};

use super::{ClusterName, DiscoveredCluster, NodeId, OrderSet, SiteName, SourceRef};

/// A node that orders name and that only clusters of sites can know that others serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownNode {
    /// As orders name it.
    pub node: NodeId,
    /// Where it is named first.
    pub source: SourceRef,
    /// The clusters that may have it, with their sites; never empty.
    pub clusters: BTreeMap<ClusterName, SiteName>,
}

impl OrderSet {
    /// The nodes that only clusters of sites can know that are not among these, each once.
    pub fn unknown_nodes(
        &self,
        clusters: &BTreeMap<ClusterName, DiscoveredCluster>,
        served: &BTreeSet<SiteName>,
    ) -> Vec<UnknownNode> {
        let mut unknown: BTreeMap<&NodeId, UnknownNode> = BTreeMap::new();
        for awaited in self.awaited() {
            let Some(node) = &awaited.node else {
                continue;
            };
            let sites = awaited.clusters.iter().map(|name| {
                let site = clusters.get(name)?.site.clone()?;
                (!served.contains(&site)).then(|| (name.clone(), site))
            });
            // One that was never asked is asked here, and then it is known.
            let Some(clusters) = sites.collect::<Option<BTreeMap<_, _>>>() else {
                continue;
            };
            unknown.entry(node).or_insert_with(|| UnknownNode {
                node: node.clone(),
                source: awaited.source.clone(),
                clusters,
            });
        }
        unknown.into_values().collect()
    }
}
