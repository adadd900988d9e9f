//! How far releases are in the rings of their orders, and what operators said of them: for
//! `status`, `rollout`, the status page and the metrics.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::{FleetView, Promotion, RolloutInstruction};
use crate::model::{NodeId, OrderId, Release, RingName, SiteName};
use crate::plan::{PlannedRing, PlannedRollout, RingState};

/// What the nodes are called that no ring covers.
pub const REST: &str = "(other nodes)";

/// So many nodes of a ring are named.
const NAMES_MAX: usize = 5;

/// A release of an order in its rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutLine {
    /// How far it was after the last run, or when the current one planned.
    #[serde(flatten)]
    pub planned: PlannedRollout,
    /// An operator paused the rollouts of the order: no further ring begins.
    pub is_paused: bool,
    /// An operator stopped the release: nothing more of it is delivered.
    pub is_stopped: bool,
    /// How far an operator promoted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoted: Option<Promotion>,
}

impl RolloutLine {
    /// A release of the last plan.
    pub fn new(planned: &PlannedRollout, said: Option<&RolloutInstruction>) -> Self {
        let mut line = Self {
            planned: planned.clone(),
            is_paused: false,
            is_stopped: false,
            promoted: None,
        };
        line.keep_to(said);
        line
    }

    /// What an operator says of it is this now.
    pub fn keep_to(&mut self, said: Option<&RolloutInstruction>) {
        let release = &self.planned.release;
        self.is_paused = said.is_some_and(|said| said.is_paused);
        self.is_stopped = said.is_some_and(|said| said.stopped.contains(release));
        self.promoted = said.and_then(|said| said.promoted.get(release).cloned());
    }

    /// True if every ring has it, and has soaked.
    pub fn is_done(&self) -> bool {
        let mut rings = self.planned.rings.iter();
        rings.all(|ring| ring.state == RingState::Done)
    }

    /// What operators said of it, for the user; nothing where they said nothing.
    pub fn said(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.is_stopped {
            said.push("stopped: nothing more of it is delivered".to_owned());
        }
        if self.is_paused {
            said.push("paused: no further ring begins".to_owned());
        }
        match &self.promoted {
            // It has no effect any more.
            Some(_) if self.is_done() => {}
            Some(Promotion::Everywhere) => said.push("promoted to all rings".to_owned()),
            Some(Promotion::UpTo(ring)) => said.push(format!("promoted to ring {ring}")),
            None => {}
        }
        said
    }
}

/// The name of a ring, for the user.
pub fn ring_name(name: Option<&RingName>) -> &str {
    name.map_or(REST, RingName::as_str)
}

/// How many nodes of a ring have the release as it should be, of how many that the
/// controller works on; `None` where all are in other sites.
pub fn in_sync(ring: &PlannedRing) -> Option<(usize, usize)> {
    let all = ring.nodes.len();
    (all > 0).then(|| (all.saturating_sub(ring.out_of_sync.len()), all))
}

/// How many nodes of a ring other controllers work on, for the user.
pub fn elsewhere(ring: &PlannedRing) -> Option<String> {
    match ring.elsewhere.values().sum::<usize>() {
        0 if ring.elsewhere.is_empty() => None,
        // How many there are, only these sites know.
        0 => Some("more in other sites".to_owned()),
        some => Some(format!("{some} in other sites")),
    }
}

/// What there is to say of a ring besides its state, without times.
pub fn message(ring: &PlannedRing) -> String {
    match &ring.state {
        RingState::Waiting { why, .. } => why.clone(),
        RingState::Open | RingState::Soaking { .. } | RingState::Done | RingState::Stopped => {
            out_of_sync(&ring.out_of_sync)
        }
    }
}

fn out_of_sync(nodes: &BTreeSet<NodeId>) -> String {
    if nodes.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = nodes.iter().map(NodeId::as_str).collect();
    match names.get(..NAMES_MAX) {
        Some(first) if names.len() > NAMES_MAX => format!(
            "out of sync: {} and {} more",
            first.join(", "),
            names.len() - NAMES_MAX
        ),
        _ => format!("out of sync: {}", names.join(", ")),
    }
}

/// The releases of a plan as lines.
pub(super) fn lines(
    planned: &[PlannedRollout],
    instructed: &BTreeMap<OrderId, RolloutInstruction>,
) -> Vec<RolloutLine> {
    let line = |one: &PlannedRollout| RolloutLine::new(one, instructed.get(&one.order));
    planned.iter().map(line).collect()
}

/// The releases that an order brings to its nodes at the moment, of these lines.
pub fn releases(lines: &[RolloutLine], order: &OrderId) -> BTreeSet<Release> {
    let lines = lines.iter().filter(|line| line.planned.order == *order);
    lines.map(|line| line.planned.release.clone()).collect()
}

/// The rings of an order that have names, in their order, of these lines.
pub fn rings<'a>(lines: &'a [RolloutLine], order: &OrderId) -> Vec<&'a RingName> {
    let lines = lines.iter().filter(|line| line.planned.order == *order);
    let named = lines.flat_map(|line| &line.planned.rings);
    let mut rings: Vec<&RingName> = Vec::new();
    for name in named.filter_map(|ring| ring.name.as_ref()) {
        if !rings.contains(&name) {
            rings.push(name);
        }
    }
    rings
}

/// The releases that the controllers of a fleet bring to nodes at the moment: those that sites
/// reported lately, and where this controller leads, those of its own last run, `lines`. What
/// a standby had in its last run may be long over.
pub fn in_fleet(lines: &[RolloutLine], fleet: &FleetView, leads: bool) -> Vec<RolloutLine> {
    let mut told: BTreeMap<(&OrderId, &Release), ReportedRings<'_>> = BTreeMap::new();
    for (site, view) in fleet.sites.iter().filter(|(_, view)| view.is_fresh) {
        for (order, releases) in &view.report.rollouts {
            for (release, rings) in releases {
                let told = told.entry((order, release)).or_default();
                for (name, ring) in rings {
                    let nodes = told.entry(name).or_default();
                    nodes.extend((ring.nodes > 0).then(|| (site.clone(), ring.nodes)));
                }
            }
        }
    }
    let mut current = Vec::new();
    for line in lines {
        let planned = &line.planned;
        let is_told = told.remove(&(&planned.order, &planned.release)).is_some();
        current.extend((leads || is_told).then(|| line.clone()));
    }
    let others = told.into_iter();
    current.extend(others.filter_map(|((order, release), rings)| reported(order, release, rings)));
    current
}

/// The rings of a release that sites report, with how many nodes they have there.
type ReportedRings<'a> = BTreeMap<&'a RingName, BTreeMap<SiteName, usize>>;

/// A release as far as the reports of other sites say.
fn reported(order: &OrderId, release: &Release, rings: ReportedRings<'_>) -> Option<RolloutLine> {
    let version = release.as_str().split('/').nth(2)?.parse().ok()?;
    let ring = |(name, nodes): (&RingName, BTreeMap<SiteName, usize>)| PlannedRing {
        name: Some(name.clone()),
        state: RingState::Open,
        nodes: BTreeSet::new(),
        out_of_sync: BTreeSet::new(),
        may_be_out_of_sync: 0,
        elsewhere: nodes,
        in_sync_since: None,
        soak_seconds: 0,
        is_open: false,
    };
    let planned = PlannedRollout {
        order: order.clone(),
        release: release.clone(),
        version,
        doubt: None,
        without_nodes: BTreeMap::new(),
        rings: rings.into_iter().map(ring).collect(),
    };
    Some(RolloutLine::new(&planned, None))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::facts::{RingReport, RolloutChange, SiteReport, SiteView};

    /// A release with a ring `canary` that has it and a ring `prod` that waits.
    pub(crate) fn half_way(order: &str) -> PlannedRollout {
        let ring = |name: &str, state: RingState, nodes: &[&str], behind: &[&str]| PlannedRing {
            name: Some(name.parse().unwrap()),
            is_open: !matches!(state, RingState::Waiting { .. }),
            state,
            nodes: nodes.iter().map(|node| node.parse().unwrap()).collect(),
            out_of_sync: behind.iter().map(|node| node.parse().unwrap()).collect(),
            may_be_out_of_sync: 0,
            elsewhere: BTreeMap::new(),
            in_sync_since: None,
            soak_seconds: 7200,
        };
        let why = "it begins when ring canary has soaked".to_owned();
        PlannedRollout {
            order: order.parse().unwrap(),
            release: "image/id/v1.11.2/metal-amd64.iso".parse().unwrap(),
            version: "v1.11.2".parse().unwrap(),
            doubt: None,
            without_nodes: BTreeMap::new(),
            rings: vec![
                ring("canary", RingState::Done, &["pve-1"], &[]),
                ring(
                    "prod",
                    RingState::Waiting {
                        why,
                        waits_for: None,
                        until: None,
                    },
                    &["pve-2", "pve-3"],
                    &["pve-2", "pve-3"],
                ),
            ],
        }
    }

    #[test]
    fn a_line_says_what_operators_say_now() {
        let planned = half_way("web");
        let mut said = RolloutInstruction::default();
        assert_eq!(RolloutLine::new(&planned, Some(&said)).said(), [""; 0]);
        said.change(&RolloutChange::Pause);
        said.change(&RolloutChange::Promote {
            releases: BTreeSet::from([planned.release.clone()]),
            to: Promotion::UpTo("prod".parse().unwrap()),
        });
        let mut line = RolloutLine::new(&planned, Some(&said));
        assert_eq!(
            line.said(),
            ["paused: no further ring begins", "promoted to ring prod"]
        );
        said.change(&RolloutChange::Stop(BTreeSet::from([planned.release])));
        line.keep_to(Some(&said));
        assert!(line.is_stopped && line.promoted.is_none());
        line.keep_to(None);
        assert!(!line.is_paused);
    }

    #[test]
    fn it_survives_its_json() {
        let line = RolloutLine::new(&half_way("web"), None);
        let json = serde_json::to_value(&line).unwrap();
        assert_eq!(json["rings"][1]["state"], "waiting");
        assert_eq!(serde_json::from_value::<RolloutLine>(json).unwrap(), line);
    }

    #[test]
    fn few_nodes_are_named_and_many_are_counted() {
        let nodes = |count: usize| {
            (1..=count)
                .map(|n| format!("n{n}").parse().unwrap())
                .collect()
        };
        assert_eq!(out_of_sync(&nodes(0)), "");
        assert_eq!(out_of_sync(&nodes(2)), "out of sync: n1, n2");
        assert_eq!(
            out_of_sync(&nodes(6)),
            "out of sync: n1, n2, n3, n4, n5 and 1 more"
        );
    }

    #[test]
    fn in_a_fleet_a_standby_goes_by_what_sites_report() {
        let (web, db): (OrderId, OrderId) = ("web".parse().unwrap(), "db".parse().unwrap());
        let old = RolloutLine::new(&half_way("web"), None);
        let new: Release = "image/id/v1.12.0/metal-amd64.iso".parse().unwrap();
        let rings = BTreeMap::from([("edge".parse().unwrap(), RingReport::default())]);
        let report = SiteReport {
            rollouts: BTreeMap::from([(web.clone(), BTreeMap::from([(new.clone(), rings)]))]),
            ..SiteReport::default()
        };
        let view = |is_fresh| FleetView {
            sites: BTreeMap::from([(
                "brno".parse().unwrap(),
                SiteView {
                    age_seconds: 0,
                    is_fresh,
                    report: report.clone(),
                },
            )]),
            ..FleetView::default()
        };
        let current = |is_fresh, leads, order: &OrderId| {
            let lines = in_fleet(std::slice::from_ref(&old), &view(is_fresh), leads);
            Vec::from_iter(releases(&lines, order))
        };
        let of_old = old.planned.release.clone();
        assert_eq!(current(true, false, &web), std::slice::from_ref(&new));
        assert_eq!(current(true, true, &web), [of_old.clone(), new]);
        assert_eq!(current(false, true, &web), [of_old]);
        assert_eq!(current(false, false, &web), []);
        assert_eq!(current(true, true, &db), []);
        let lines = in_fleet(&[], &view(true), false);
        assert_eq!(lines[0].planned.version.to_string(), "v1.12.0");
        assert_eq!(rings_named(&lines, &web), ["edge"]);
    }

    fn rings_named(lines: &[RolloutLine], order: &OrderId) -> Vec<String> {
        let rings = rings(lines, order).into_iter();
        rings.map(ToString::to_string).collect()
    }
}
