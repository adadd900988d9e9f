//! How far releases are in the rings of their orders, and what operators said of them: for
//! `status`, `rollout`, the status page and the metrics.

mod reported;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::reported::in_fleet;
use crate::facts::{Promotion, RolloutInstruction};
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
    /// Where only reports tell of it: the sites that have not reported it. Their nodes count
    /// as out of sync.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unreported: BTreeSet<SiteName>,
}

impl RolloutLine {
    /// A release of the last plan.
    pub fn new(planned: &PlannedRollout, said: Option<&RolloutInstruction>) -> Self {
        let mut line = Self {
            planned: planned.clone(),
            is_paused: false,
            is_stopped: false,
            promoted: None,
            unreported: BTreeSet::new(),
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

    /// What operators said of it, and which sites say nothing, for the user.
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
        if !self.unreported.is_empty() {
            let names: Vec<&str> = self.unreported.iter().map(SiteName::as_str).collect();
            said.push(match names.as_slice() {
                [one] => format!("site {one} has not reported this image"),
                all => format!("sites {} have not reported this image", all.join(", ")),
            });
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::facts::RolloutChange;

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
            is_manual: false,
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
                        needs_promotion: false,
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
        let at = jiff::Timestamp::UNIX_EPOCH;
        said.change(&RolloutChange::Pause, at);
        let promote = RolloutChange::Promote {
            releases: BTreeSet::from([planned.release.clone()]),
            to: Promotion::UpTo("prod".parse().unwrap()),
        };
        said.change(&promote, at);
        let mut line = RolloutLine::new(&planned, Some(&said));
        assert_eq!(
            line.said(),
            ["paused: no further ring begins", "promoted to ring prod"]
        );
        said.change(&RolloutChange::Stop(BTreeSet::from([planned.release])), at);
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
}
