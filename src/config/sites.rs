//! The `sites:` of the configuration: which nodes are near each other, and which of
//! them serves the others.

use std::collections::BTreeMap;

use super::cluster_shape::ClusterShape;
use super::inventory_shape::{NodeShape, SiteShape};
use super::values::{self, SSH_OPTS};
use crate::model::{Inventory, Network, NodeId, Reach, Site, SiteName};
use crate::yaml::{self, At, NodeRef, ProblemReport};

/// More at once than nodes are worked on would limit nothing.
const AT_ONCE_MAX: u32 = 256;

/// The sites, with the nodes of each. What is wrong is reported.
pub(super) fn network(
    shapes: &[At<SiteShape>],
    nodes: &[At<NodeShape>],
    clusters: &[At<ClusterShape>],
    inventory: &Inventory,
    report: &mut ProblemReport<'_>,
) -> Network {
    let known_nodes = KnownNodes { nodes, inventory };
    let mut network = Network::default();
    let mut places: BTreeMap<SiteName, NodeRef> = BTreeMap::new();
    for shape in shapes {
        let Some((name, site)) = site(shape, &known_nodes, report) else {
            continue;
        };
        if let Some(first) = places.insert(name.clone(), shape.place) {
            let line = report.document().line(first);
            report.at(
                shape.place,
                format!("the site {name} is already defined on line {line}"),
            );
            continue;
        }
        network.sites.insert(name, site);
    }
    for node in nodes {
        if let Some(text) = &node.value.site {
            known(text, shapes, report);
        }
    }
    for cluster in clusters {
        if let Some(text) = &cluster.value.site {
            known(text, shapes, report);
        }
    }
    for entry in &inventory.nodes {
        // A directory of this machine is behind no link.
        if let Some(name) = &entry.site
            && network.sites.contains_key(name)
            && entry.node.reach != Reach::Local
        {
            network.site_of.insert(entry.node.id.clone(), name.clone());
        }
    }
    network
}

/// What is written of the nodes, and those that can be used.
struct KnownNodes<'a> {
    nodes: &'a [At<NodeShape>],
    inventory: &'a Inventory,
}

fn site(
    shape: &At<SiteShape>,
    known: &KnownNodes<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<(SiteName, Site)> {
    let place = shape.place;
    let shape = &shape.value;
    let ssh_opts = values::words(shape.ssh_opts.as_ref(), SSH_OPTS, report);
    let at_once = shape.at_once.as_ref().map(|at| {
        let number = values::number(Some(at), 1, 1..=AT_ONCE_MAX, report);
        number as usize
    });
    let Some(name) = &shape.name else {
        report.missing(place, "name", "nodes use `site: NAME`");
        return None;
    };
    let name = report.parse::<SiteName>(name)?;
    let relay = shape
        .relay
        .as_ref()
        .and_then(|text| relay(text, &name, known, report));
    let site = Site {
        relay,
        ssh_opts,
        at_once,
    };
    Some((name, site))
}

/// A relay is reached over ssh and stands where those are that it serves.
fn relay(
    text: &At<String>,
    site: &SiteName,
    known: &KnownNodes<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<NodeId> {
    let id = report.parse::<NodeId>(text)?;
    let Some(entry) = known.inventory.by_name(&id) else {
        let written = known.nodes.iter().filter_map(|node| {
            let name = node.value.name.as_ref()?;
            Some(name.value.as_str())
        });
        // Of a node that is refused everything is said already.
        if !written.clone().any(|name| name == text.value) {
            let message = format!("{} is not a node of `nodes`", yaml::shown(&text.value));
            match yaml::one_of(&text.value, written) {
                Some(near) => {
                    report.at_with_hint(text.place, message, format!("did you mean `{near}`?"));
                }
                None => report.at(text.place, message),
            }
        }
        return None;
    };
    if entry.node.reach == Reach::Local {
        report.at_with_hint(
            text.place,
            format!("{id} is a directory of this machine and cannot be a relay"),
            "a relay is a node of the site, reached over ssh",
        );
        return None;
    }
    if entry.site.as_ref() != Some(site) {
        report.at_with_hint(
            text.place,
            match &entry.site {
                Some(other) => format!("{id} belongs to the site {other}, not to {site}"),
                None => format!("{id} does not belong to the site {site}"),
            },
            format!("set `site: {site}` on the node, or choose a node that has it"),
        );
        return None;
    }
    Some(id)
}

/// The site that something names must be described.
pub(super) fn known(
    text: &At<String>,
    shapes: &[At<SiteShape>],
    report: &mut ProblemReport<'_>,
) -> Option<SiteName> {
    let name = report.parse::<SiteName>(text)?;
    let written = shapes.iter().filter_map(|site| {
        let name = site.value.name.as_ref()?;
        Some(name.value.as_str())
    });
    if written.clone().any(|name| name == text.value) {
        return Some(name);
    }
    let hint = match yaml::one_of(&text.value, written.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("define it with `sites: [{{name: {}}}]`", text.value),
    };
    report.at_with_hint(
        text.place,
        format!("there is no site {} in `sites`", yaml::shown(&text.value)),
        hint,
    );
    None
}
