//! The `fleet:` of the configuration: which sites this controller serves with others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::cluster_shape::ClusterShape;
use super::fleet_shape::{FleetShape, SitesShape};
use super::inventory_shape::{NodeShape, SiteShape};
use super::{sites, values};
use crate::model::{Inventory, InventoryNode, SiteName};
use crate::yaml::{At, ProblemReport};

/// Long enough for a store that is slow, short enough for whoever waits.
const TTL: Duration = Duration::from_secs(30);
/// The limits of the leadership itself.
const TTL_RANGE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5 * 60));

/// The part of this controller in a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetSettings {
    /// The sites whose nodes it works on while it leads them; at least one.
    pub sites: BTreeSet<SiteName>,
    /// How long a leader leads without renewing that; 10 s to 5 minutes.
    pub ttl: Duration,
}

/// What of the rest of the configuration a fleet depends on.
pub(super) struct BesideFleet<'a> {
    pub has_store: bool,
    pub has_owner: bool,
    pub sites: &'a [At<SiteShape>],
    pub nodes: &'a [At<NodeShape>],
    pub clusters: &'a [At<ClusterShape>],
    pub inventory: &'a Inventory,
    /// What `defaults.prune` says.
    pub prunes: bool,
}

/// The part in a fleet, if the configuration has one. What is wrong is reported.
pub(super) fn fleet(
    shape: Option<&At<FleetShape>>,
    beside: &BesideFleet<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<FleetSettings> {
    let At {
        value: shape,
        place,
    } = shape?;
    let place = *place;
    let (shortest, longest) = TTL_RANGE;
    let ttl = values::duration(shape.ttl.as_ref(), TTL, shortest..=longest, report);
    if !beside.has_store {
        report.at_with_hint(
            place,
            "`fleet` needs `store`",
            "the controllers of a fleet agree in a bucket that all of them reach",
        );
    }
    if !beside.has_owner {
        report.at_with_hint(
            place,
            "`fleet` needs `owner`",
            "choose a name that is the same for all controllers of a site: whoever leads works on \
             with what the others placed",
        );
    }
    nodes_without_site(beside, report);
    let Some(written) = &shape.site else {
        report.missing(
            place,
            "site",
            "the site that this controller serves, one of `sites`",
        );
        return None;
    };
    let single;
    let written = match &written.value {
        SitesShape::One(name) => {
            single = [At {
                place: written.place,
                value: name.clone(),
            }];
            &single[..]
        }
        SitesShape::Several(names) if names.is_empty() => {
            report.at(
                written.place,
                "the list is empty; expected at least one site",
            );
            return None;
        }
        SitesShape::Several(names) => names,
    };
    let names = written.iter();
    let names = names.filter_map(|name| sites::known(name, beside.sites, report));
    let names: BTreeSet<SiteName> = names.collect();
    clusters_without_site(beside, names.len(), report);
    storages_of_several_sites(beside, &names, report);
    Some(FleetSettings { sites: names, ttl })
}

/// Nobody would work on a node without a site.
fn nodes_without_site(beside: &BesideFleet<'_>, report: &mut ProblemReport<'_>) {
    for shape in beside.nodes {
        let id = shape
            .value
            .name
            .as_ref()
            .and_then(|name| name.value.parse().ok());
        let entry = id.and_then(|id| beside.inventory.by_name(&id));
        // Of a site that is named and wrong everything is said already.
        if let Some(entry) = entry
            && entry.site.is_none()
            && shape.value.site.is_none()
        {
            report.at_with_hint(
                shape.place,
                format!(
                    "the node {} has no site; expected one in a fleet",
                    entry.node.id
                ),
                "add `site: NAME`, one of `sites`",
            );
        }
    }
}

/// Each of the sites may be led by another controller with this owner, and each would prune
/// from a shared storage what the other delivers to it, if it prunes there. Of sites that this
/// controller does not serve the owner is not known here.
fn storages_of_several_sites(
    beside: &BesideFleet<'_>,
    served: &BTreeSet<SiteName>,
    report: &mut ProblemReport<'_>,
) {
    let nodes = beside.nodes.iter().filter_map(|shape| {
        let id = shape.value.name.as_ref()?.value.parse().ok()?;
        let entry = beside.inventory.by_name(&id)?;
        let storage = entry.storage.as_ref().filter(|storage| storage.shared)?;
        let site = entry.site.as_ref().filter(|site| served.contains(*site))?;
        Some((shape, entry, storage, site))
    });
    let nodes: Vec<_> = nodes.collect();
    let prunes = nodes.iter().filter_map(|(_, entry, storage, _)| {
        let prunes = entry.prune.unwrap_or(beside.prunes);
        prunes.then_some(&*storage.name)
    });
    let pruned: BTreeSet<&str> = prunes.collect();
    let mut first: BTreeMap<&str, &InventoryNode> = BTreeMap::new();
    let nodes = nodes.iter();
    for (shape, entry, storage, site) in nodes.filter(|node| pruned.contains(&*node.2.name)) {
        let other = *first.entry(&storage.name).or_insert(entry);
        let Some(other_site) = other.site.as_ref().filter(|other| other != site) else {
            continue;
        };
        let place = shape.value.storage.as_ref();
        report.at_with_hint(
            place.map_or(shape.place, |text| text.place),
            format!(
                "the storage {} is pruned and shared with {}, which is in the site \
                 {other_site}; expected nodes of the site {site} alone",
                storage.name, other.node.id
            ),
            "run a controller of its own for each site, each with another `owner`: with one owner, \
             the leader of each site prunes what the other one delivers there",
        );
    }
}

/// The same for nodes that a cluster is asked for.
fn clusters_without_site(beside: &BesideFleet<'_>, served: usize, report: &mut ProblemReport<'_>) {
    for shape in beside.clusters {
        let text = shape.value.name.as_ref().map_or("", |name| &name.value);
        let mut asked = beside.inventory.discovered.keys();
        let Some(name) = asked.find(|name| name.as_str() == text) else {
            continue;
        };
        if shape.value.site.is_none() {
            report.at_with_hint(
                shape.place,
                format!("the nodes of the cluster {name} have no site; expected one in a fleet"),
                "add `site: NAME`, one of `sites`, to the cluster",
            );
        } else if served > 1 {
            report.at_with_hint(
                shape.place,
                format!(
                    "the cluster {name} is asked for its nodes; in a fleet that needs a controller \
                     that serves one site"
                ),
                "describe the nodes under `nodes`, or name one site in `fleet.site`",
            );
        }
    }
}
