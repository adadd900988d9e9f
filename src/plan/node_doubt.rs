//! What is to be said of nodes that nobody here can know: another site may have them.

use std::fmt;

use crate::facts::FleetView;
use crate::model::UnknownNode;

/// A node that is unknown here, with what its site says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeDoubt<'a> {
    /// The node.
    pub unknown: &'a UnknownNode,
    /// All sites that may have it report the nodes of their clusters, and do not name it.
    pub is_denied: bool,
}

impl<'a> NodeDoubt<'a> {
    /// Why a node may not exist; `None` where a site reports it, or where the store does not
    /// tell now what a site reports.
    pub fn of(unknown: &'a UnknownNode, fleet: Option<&FleetView>) -> Option<Self> {
        let name = unknown.node.as_str();
        let mut is_denied = true;
        for (cluster, site) in &unknown.clusters {
            let report = fleet.and_then(|fleet| fleet.sites.get(site));
            match report.and_then(|view| view.report.members.get(cluster)) {
                Some(members) if members.contains(name) => return None,
                Some(_) => {}
                None if fleet.is_some_and(|fleet| fleet.trouble.is_some()) => return None,
                None => is_denied = false,
            }
        }
        Some(Self { unknown, is_denied })
    }

    /// What helps.
    pub fn hint(&self) -> Option<&'static str> {
        self.is_denied
            .then_some("check the name; a node that is new there is reported after the next run")
    }
}

/// `the cluster lab of site brno may have it`
impl fmt::Display for NodeDoubt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clusters = self.unknown.clusters.iter();
        let clusters: Vec<String> = clusters
            .map(|(cluster, site)| format!("the cluster {cluster} of site {site}"))
            .collect();
        let clusters = clusters.join(" or ");
        match self.is_denied {
            false => write!(f, "{clusters} may have it"),
            true => write!(f, "{clusters} may have it, but does not report it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::facts::{SiteReport, SiteView};
    use crate::model::SourceRef;

    fn unknown(clusters: &[(&str, &str)]) -> UnknownNode {
        let clusters = clusters.iter();
        UnknownNode {
            node: "pve-7".parse().unwrap(),
            source: SourceRef {
                file: "a.yaml".to_owned(),
                line: 3,
            },
            clusters: clusters
                .map(|(name, site)| (name.parse().unwrap(), site.parse().unwrap()))
                .collect(),
        }
    }

    /// Sites with the nodes of their clusters.
    fn fleet(told: &[(&str, &str, &[&str])]) -> FleetView {
        let site = |(site, cluster, nodes): &(&str, &str, &[&str])| {
            let nodes: BTreeSet<String> = nodes.iter().map(|node| (*node).to_owned()).collect();
            let report = SiteReport {
                members: BTreeMap::from([(cluster.parse().unwrap(), nodes)]),
                ..SiteReport::default()
            };
            let view = SiteView {
                age_seconds: 0,
                is_fresh: false,
                report,
            };
            (site.parse().unwrap(), view)
        };
        FleetView {
            sites: told.iter().map(site).collect(),
            ..FleetView::default()
        }
    }

    #[test]
    fn a_name_is_doubted_until_a_site_reports_the_node() {
        let one = unknown(&[("lab", "brno")]);
        let said = |unknown: &UnknownNode, fleet: &FleetView| {
            let doubt = NodeDoubt::of(unknown, Some(fleet));
            doubt.map(|doubt| (doubt.to_string(), doubt.is_denied))
        };
        let may = "the cluster lab of site brno may have it".to_owned();
        assert_eq!(said(&one, &fleet(&[])), Some((may.clone(), false)));
        // A controller of an earlier version reports no nodes.
        assert_eq!(
            said(&one, &fleet(&[("brno", "other", &[])])),
            Some((may, false))
        );
        let there = fleet(&[("brno", "lab", &["pve-6", "pve-7"])]);
        assert_eq!(said(&one, &there), None);
        let other = fleet(&[("brno", "lab", &["pve-6"])]);
        let denied = "the cluster lab of site brno may have it, but does not report it";
        assert_eq!(said(&one, &other), Some((denied.to_owned(), true)));
        assert!(NodeDoubt::of(&one, Some(&other)).unwrap().hint().is_some());

        // One that says nothing may have it.
        let both = unknown(&[("lab", "brno"), ("mill", "ostrava")]);
        assert!(!said(&both, &other).unwrap().1);
        let silent = FleetView {
            trouble: Some("no answer".to_owned()),
            ..fleet(&[])
        };
        assert_eq!(
            said(&one, &silent),
            None,
            "what it reports is not known now"
        );
    }
}
