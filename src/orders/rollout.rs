//! Rollouts as written, in an order and in the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::{
    ClusterName, Inventory, MaxUnavailable, NodeTraits, Ring, RingName, RingNodes, Rollout,
    SiteName,
};
use crate::yaml::{At, NodeRef, ProblemReport, one_of, shown};

/// The rings by which new images reach nodes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Rollout")]
#[serde(deny_unknown_fields)]
pub(crate) struct RolloutShape {
    /// The rings, in the order in which an image goes through them; none delivers to all
    /// nodes at once. Nodes that no ring covers come last.
    #[schemars(required)]
    pub rings: Option<Vec<At<RingShape>>>,
}

/// Nodes that get a new image at the same time: those of some sites, or with some labels.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Ring")]
#[serde(deny_unknown_fields)]
pub(crate) struct RingShape {
    /// Its name, unique in the rollout: letters, digits and . _ -
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// It covers the nodes of these sites. Exactly one of sites and labels
    pub sites: Option<At<Vec<At<String>>>>,
    /// It covers the nodes with one of these labels; the name of a cluster is a label of
    /// its nodes. Exactly one of sites and labels
    pub labels: Option<At<Vec<At<String>>>>,
    /// How many of its nodes may be out of sync while it counts as in sync, in each site: a
    /// number, or a percentage such as "10%", which is rounded down. Default: 0
    #[schemars(extend("type" = ["integer", "string"]))]
    pub max_unavailable: Option<At<String>>,
    /// How long it must have been in sync before the next ring begins, such as 2h.
    /// Default: 0s
    pub soak: Option<At<String>>,
    /// It begins only when somebody promotes the image to it. Default: false
    pub manual: Option<bool>,
}

/// The longest time that a ring soaks.
const SOAK_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A rollout with the places of its rings.
pub(crate) struct ReadRollout {
    pub rollout: Rollout,
    pub places: Vec<NodeRef>,
}

/// The rollout, as far as it is accepted; what is refused is reported.
pub(crate) fn read_rollout(
    at: &At<RolloutShape>,
    inventory: &Inventory,
    report: &mut ProblemReport<'_>,
) -> ReadRollout {
    let mut rings = Vec::new();
    let mut places = Vec::new();
    let mut names: BTreeMap<RingName, NodeRef> = BTreeMap::new();
    if at.value.rings.is_none() {
        let hint = "write `rings: []` to deliver to all nodes at once";
        report.missing(at.place, "rings", hint);
    }
    for shape in at.value.rings.iter().flatten() {
        let Some(ring) = ring(shape, inventory, report) else {
            continue;
        };
        if let Some(first) = names.insert(ring.name.clone(), shape.place) {
            let line = report.document().line(first);
            let message = format!("the ring {} is already defined on line {line}", ring.name);
            let hint = "ring names are unique within a rollout";
            report.at_with_hint(shape.place, message, hint);
        }
        rings.push(ring);
        places.push(shape.place);
    }
    ReadRollout {
        rollout: Rollout { rings },
        places,
    }
}

impl ReadRollout {
    /// The places of the rings that are the ring of none of these nodes.
    pub(crate) fn idle(
        &self,
        nodes: impl Iterator<Item = NodeTraits>,
    ) -> impl Iterator<Item = (NodeRef, &Ring)> {
        let used: BTreeSet<usize> = nodes.map(|node| self.rollout.ring_of(&node)).collect();
        let all = self.places.iter().copied().zip(&self.rollout.rings);
        let idle = all.enumerate().filter(move |(at, _)| !used.contains(at));
        idle.map(|(_, ring)| ring)
    }
}

fn ring(at: &At<RingShape>, inventory: &Inventory, report: &mut ProblemReport<'_>) -> Option<Ring> {
    let shape = &at.value;
    let name = match &shape.name {
        Some(text) => report.parse::<RingName>(text),
        None => {
            let hint = "a name such as canary, by which an image is promoted to the ring";
            report.missing(at.place, "name", hint);
            None
        }
    };
    let covers = covers(at, inventory, report);
    let max_unavailable = match &shape.max_unavailable {
        Some(text) => max_unavailable(text, report),
        None => Some(MaxUnavailable::Count(0)),
    };
    let soak = match &shape.soak {
        Some(text) => soak(text, report),
        None => Some(Duration::ZERO),
    };
    Some(Ring {
        name: name?,
        covers: covers?,
        max_unavailable: max_unavailable?,
        soak_seconds: soak?.as_secs(),
        is_manual: shape.manual.unwrap_or(false),
    })
}

fn covers(
    at: &At<RingShape>,
    inventory: &Inventory,
    report: &mut ProblemReport<'_>,
) -> Option<RingNodes> {
    match (&at.value.sites, &at.value.labels) {
        (Some(sites), None) => sites_of(sites, inventory, report).map(RingNodes::Sites),
        (None, Some(labels)) => labels_of(labels, inventory, report).map(RingNodes::Labels),
        (Some(_), Some(labels)) => {
            report.at_with_hint(
                labels.place,
                "`sites` and `labels` are mutually exclusive",
                "keep one of the two; a ring of its own can cover the other nodes",
            );
            None
        }
        (None, None) => {
            let is_told = ["sites", "labels"].map(|key| report.told(at.place, key));
            if !is_told.contains(&true) {
                let message = "the ring covers no nodes; expected `sites` or `labels`";
                let hint = "nodes that no ring covers come last without being mentioned";
                report.at_with_hint(at.place, message, hint);
            }
            None
        }
    }
}

fn sites_of(
    written: &At<Vec<At<String>>>,
    inventory: &Inventory,
    report: &mut ProblemReport<'_>,
) -> Option<BTreeSet<SiteName>> {
    if written.value.is_empty() {
        let message = "the list is empty; expected the name of a site";
        report.at(written.place, message);
        return None;
    }
    let known = || inventory.sites.iter().map(SiteName::as_str);
    // Every one is looked at, so that all mistakes are told at once.
    let sites = written.value.iter().map(|text| {
        let site = report.parse::<SiteName>(text)?;
        if inventory.sites.contains(&site) {
            return Some(site);
        }
        let hint = match one_of(&text.value, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "sites are defined under `sites:` in the configuration".to_owned(),
        };
        let message = format!("there is no site {} in `sites`", shown(&text.value));
        report.at_with_hint(text.place, message, hint);
        None
    });
    let sites: Vec<Option<SiteName>> = sites.collect();
    sites.into_iter().collect()
}

fn labels_of(
    written: &At<Vec<At<String>>>,
    inventory: &Inventory,
    report: &mut ProblemReport<'_>,
) -> Option<BTreeSet<String>> {
    if written.value.is_empty() {
        report.at(
            written.place,
            "the list is empty; expected a label of nodes",
        );
        return None;
    }
    let of_nodes = inventory.nodes.iter().flat_map(|entry| {
        let cluster = entry.cluster.iter().map(ClusterName::as_str);
        entry.labels.iter().map(String::as_str).chain(cluster)
    });
    let clusters = inventory.discovered.keys();
    let known: BTreeSet<&str> = of_nodes.chain(clusters.map(ClusterName::as_str)).collect();
    let labels = written.value.iter().map(|text| {
        if !report.fits_a_line(text) {
            return None;
        }
        if known.contains(text.value.as_str()) {
            return Some(text.value.clone());
        }
        let hint = match one_of(&text.value, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "labels stand at the nodes under `nodes:` in the configuration".to_owned(),
        };
        let message = format!("no node has the label {}", shown(&text.value));
        report.at_with_hint(text.place, message, hint);
        None
    });
    let labels: Vec<Option<String>> = labels.collect();
    labels.into_iter().collect()
}

fn max_unavailable(text: &At<String>, report: &mut ProblemReport<'_>) -> Option<MaxUnavailable> {
    if !report.fits_a_line(text) {
        return None;
    }
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let read = match text.value.strip_suffix('%') {
        Some(percent) if is_number(percent) => {
            let percent = percent.parse().ok().filter(|percent| *percent <= 100);
            percent.map(MaxUnavailable::Percent)
        }
        None if is_number(&text.value) => text.value.parse().ok().map(MaxUnavailable::Count),
        _ => None,
    };
    if read.is_none() {
        report.at(
            text.place,
            format!(
                "{} is out of range; expected a number of nodes, or 0% to 100%",
                shown(&text.value)
            ),
        );
    }
    read
}

fn soak(text: &At<String>, report: &mut ProblemReport<'_>) -> Option<Duration> {
    if !report.fits_a_line(text) {
        return None;
    }
    // No time at all needs no unit.
    let length = match text.value.as_str() {
        "0" => Some(Duration::ZERO),
        other => length_of_time(other),
    };
    let Some(length) = length else {
        report.at_with_hint(
            text.place,
            format!("{} is not a duration", shown(&text.value)),
            "a number with a unit, such as 7d, 12h, 30m, 90s or 1h 30m",
        );
        return None;
    };
    if length > SOAK_MAX {
        let message = format!("{} is out of range; expected 0s to 30d", shown(&text.value));
        report.at(text.place, message);
        return None;
    }
    Some(length)
}

/// A length of time in units that people write: `7d`, `12h`, `1h 30m`, `90s`. A day is 24
/// hours.
pub(crate) fn length_of_time(text: &str) -> Option<Duration> {
    let span = text.parse::<Span>().ok()?;
    // Months and years have no fixed length and are refused here.
    let exact = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(exact).ok()
}
