//! Rings over time: nodes fail and do not answer, and a new version comes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use talos_order::conclude::{RetryLimits, after};
use talos_order::facts::{
    DirState, Fact, Failure, FailureKind, NodeState, Observed, Outcome, Promotion, References,
    StepId, StepKind,
};
use talos_order::model::NodeId;
use talos_order::plan::{Look, Plan};
use talos_order::{config as configuration, orders};

use crate::executor::apply;
use crate::universe::{Case, case, now, wanted};
use crate::{config, planned};

proptest! {
    // A case is some twenty runs.
    #![proptest_config(ProptestConfig { cases: 48, ..config() })]

    /// Nodes fail and do not answer, and a new version comes. No ring begins before those
    /// before it have soaked, and in the end every node has the image.
    #[test]
    fn over_time_images_go_through_all_rings_and_no_faster(
        soaks in prop::collection::vec(0_u64..30, 0..4),
        ring_of in prop::collection::vec(0_usize..5, 6),
        rounds in prop::collection::vec((1_i64..12, 0_u8..64, 0_u8..64), 1..14),
        newer in 0_usize..14,
    ) {
        let mut world = World::new(&soaks, &ring_of);
        for (number, (hours, silent, failing)) in rounds.into_iter().enumerate() {
            if number == newer {
                world.orders("v1.11.0");
                world.rings.clear();
            }
            // Of three that could be, one is.
            world.run(hours, silent & failing, failing & !silent & 0b010_101)?;
        }
        for _ in 0..2 * soaks.len() + 2 {
            world.run(31, 0, 0)?;
        }
        let (_, plan) = world.planned(0);
        let pushes = plan.in_sync.iter().filter(|id| id.kind() == Some(StepKind::Push));
        prop_assert!(pushes.count() == 6, "{plan:#?}");
    }
}

/// That a ring has the image is no reason to deliver it there later, before the rings that
/// come first: another controller may have brought it, and nodes may join the ring.
#[test]
fn a_ring_that_has_the_image_has_not_begun_for_that() {
    let mut world = World::in_sync();
    world.case.observed.memory.rollouts.clear();
    world.lose(0);
    // The first node does not answer, so the rest waits for it.
    world.run(1, 1, 0).expect("a run");
    world.lose(5);
    assert_eq!(pushed(&world.planned(1).1), []);
}

/// A stop ends what had begun: promoted to the first ring, the image waits again after it.
#[test]
fn after_a_stop_rings_begin_anew() {
    let mut world = World::in_sync();
    let known = &world.case.observed.memory.rollouts;
    let (order, releases) = known.first_key_value().expect("a rollout");
    let (order, release) = (order.clone(), releases.keys().next().cloned());
    let release = release.expect("a release");
    let said = world.case.observed.memory.instructed.entry(order);
    let said = said.or_default();
    said.stopped.insert(release.clone());
    world.run(1, 0, 0).expect("a run");
    world.lose(0);
    world.lose(5);
    assert_eq!(pushed(&world.planned(0).1), []);
    let instructed = &mut world.case.observed.memory.instructed;
    let said = instructed.values_mut().next().expect("it was said");
    said.stopped.clear();
    let first = "r0".parse().expect("a name");
    said.promoted.insert(release, Promotion::UpTo(first));
    assert_eq!(pushed(&world.planned(0).1), [name(0)]);
}

fn pushed(plan: &Plan) -> Vec<NodeId> {
    let steps = plan.steps.iter().map(|step| &step.id);
    let pushes = steps.filter(|id| id.kind() == Some(StepKind::Push));
    pushes.filter_map(StepId::node).collect()
}

/// Six nodes in rings, and one order for all of them.
struct World {
    soaks: Vec<u64>,
    ring_of: Vec<usize>,
    case: Case,
    /// By ring: since when it is in sync, and that it has begun.
    rings: BTreeMap<usize, (Option<Timestamp>, bool)>,
}

fn name(node: usize) -> NodeId {
    format!("n{node}").parse().expect("a node")
}

impl World {
    fn new(soaks: &[u64], ring_of: &[usize]) -> Self {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let tree = case().new_tree(&mut runner).expect("a case");
        let mut case = tree.current();
        case.options = talos_order::plan::RunOptions::default();
        case.policy.shared = talos_order::plan::SharedStorages::default();
        case.policy.transport = talos_order::plan::TransportPolicy::default();
        case.observed = Observed {
            fleet: None,
            catalog: Default::default(),
            cache: Default::default(),
            nodes: BTreeMap::new(),
            vms: BTreeMap::new(),
            memory: Default::default(),
            now: now(),
        };
        let ring_of: Vec<usize> = ring_of
            .iter()
            .map(|ring| (*ring).min(soaks.len()))
            .collect();
        let mut world = Self {
            soaks: soaks.to_vec(),
            ring_of,
            case,
            rings: BTreeMap::new(),
        };
        world.orders("v1.10.5");
        world
    }

    /// The first three nodes are a ring, and all six have the image.
    fn in_sync() -> Self {
        let mut world = Self::new(&[5], &[0, 0, 0, 1, 1, 1]);
        for _ in 0..3 {
            world.run(6, 0, 0).expect("a run");
        }
        world
    }

    /// A node loses its files.
    fn lose(&mut self, node: usize) {
        if let Some(NodeState::Listed { dirs, .. }) = self.case.observed.nodes.get_mut(&name(node))
        {
            for dir in dirs.values_mut() {
                *dir = DirState {
                    exists: true,
                    ..DirState::default()
                };
            }
        }
    }

    /// The order wants this version from now on.
    fn orders(&mut self, version: &str) {
        let nodes = self.ring_of.iter().enumerate();
        let nodes: Vec<String> = nodes
            .map(|(node, ring)| format!("{{name: n{node}, labels: [all, r{ring}]}}"))
            .collect();
        let used = (0..self.soaks.len()).filter(|ring| self.ring_of.contains(ring));
        let rings: Vec<String> = used
            .map(|ring| {
                let soak = self.soaks[ring];
                format!("{{name: r{ring}, labels: [r{ring}], soak: {soak}h}}")
            })
            .collect();
        let text = format!(
            "nodes: [{}]\ndefaults: {{rollout: {{rings: [{}]}}}}\n",
            nodes.join(", "),
            rings.join(", ")
        );
        let settings = configuration::parse("config.yaml", &text, &|_| None).expect("settings");
        let order = format!(
            "- orderid: lab\n  positions: [{{name: iso, version: {version}, push: {{enabled: \
             true, hosts: [{{group: all}}]}}}}]\n"
        );
        let mut set = orders::parse("orders.yaml", &order, &settings.orders);
        assert!(set.is_complete());
        for order in &mut set.orders {
            order.rollout = Some(settings.rollout.clone());
        }
        self.case.orders = set;
    }

    /// The plan, while some nodes do not answer.
    fn planned(&mut self, silent: u8) -> (Observed, Plan) {
        let mut seen = self.case.observed.clone();
        for node in 0..self.ring_of.len() {
            let known = self.case.observed.nodes.entry(name(node));
            let listed = known.or_insert_with(|| NodeState::Listed {
                dirs: [(
                    "/var/lib/vz/template/iso".parse().expect("a directory"),
                    DirState {
                        exists: true,
                        ..DirState::default()
                    },
                )]
                .into(),
                tools: BTreeSet::new(),
                references: References::default(),
            });
            let state = match silent >> node & 1 {
                0 => listed.clone(),
                _ => NodeState::Unreachable {
                    why: "no route".to_owned(),
                    lasting: None,
                },
            };
            seen.nodes.insert(name(node), state);
        }
        let plan = planned(&self.case, &seen);
        (seen, plan)
    }

    /// A run after some hours.
    fn run(&mut self, hours: i64, silent: u8, failing: u8) -> Result<(), TestCaseError> {
        let now = self.case.observed.now + SignedDuration::from_hours(hours);
        self.case.observed.now = now;
        let (seen, plan) = self.planned(silent);
        self.judge(&seen, &plan, now)?;
        let fails = |id: &StepId| {
            let node = id.node().filter(|_| id.kind() == Some(StepKind::Push));
            node.is_some_and(|node| (0..6).any(|at| name(at) == node && failing >> at & 1 == 1))
        };
        let mut outcomes = BTreeMap::new();
        for step in &plan.steps {
            let outcome = match fails(&step.id) {
                false => Outcome::Done {
                    fact: Fact::Removed { bytes: 0 },
                },
                true => Outcome::Failed {
                    failure: Failure {
                        error: "it broke".to_owned(),
                        hint: None,
                        transient: true,
                        kind: FailureKind::Other,
                    },
                },
            };
            outcomes.insert(step.id.clone(), outcome);
        }
        let mut done = plan.clone();
        done.steps.retain(|step| !fails(&step.id));
        self.case.observed = apply(&done, &self.case.observed);
        let end = now + SignedDuration::from_mins(7);
        let look = Look {
            desired: wanted(&self.case.orders, &seen),
            observed: seen,
            plan,
        };
        let memory = &self.case.observed.memory;
        let memory = after(memory, &look, &outcomes, end, &RetryLimits::default());
        self.case.observed.memory = memory;
        self.case.observed.now = end;
        self.settle(silent, end);
        Ok(())
    }

    /// Pushes go only to rings that have begun, or may begin now.
    fn judge(&mut self, seen: &Observed, plan: &Plan, now: Timestamp) -> Result<(), TestCaseError> {
        let in_sync: Vec<NodeId> = plan.in_sync.iter().filter_map(StepId::node).collect();
        for ring in 0..=self.soaks.len() {
            let nodes = self.nodes(ring);
            let is_whole = nodes.iter().all(|node| in_sync.contains(node));
            let (since, is_open) = self.rings.entry(ring).or_default();
            *since = match is_whole {
                true => since.or(Some(now)),
                false => None,
            };
            *is_open |= is_whole && !nodes.is_empty();
        }
        for step in &plan.steps {
            let node = step
                .id
                .node()
                .filter(|_| step.id.kind() == Some(StepKind::Push));
            let Some(node) = node else { continue };
            let at = (0..6).find(|at| name(*at) == node).expect("a node");
            let ring = self.ring_of[at];
            let is_listed = matches!(seen.nodes[&node], NodeState::Listed { .. });
            prop_assert!(is_listed);
            if self.rings[&ring].1 {
                continue;
            }
            for before in (0..ring).filter(|before| !self.nodes(*before).is_empty()) {
                let soak = SignedDuration::from_hours(self.soaks[before] as i64);
                let since = self.rings[&before].0;
                let has_soaked = since.is_some_and(|since| since + soak <= now);
                prop_assert!(
                    has_soaked,
                    "{node} before ring {before}, in sync since {since:?}"
                );
            }
        }
        for ring in 0..=self.soaks.len() {
            let nodes = self.nodes(ring);
            let mut steps = plan.steps.iter();
            let begins = steps.any(|step| {
                step.id.kind() == Some(StepKind::Push)
                    && step.id.node().is_some_and(|node| nodes.contains(&node))
            });
            if let Some((_, is_open)) = self.rings.get_mut(&ring) {
                *is_open |= begins;
            }
        }
        Ok(())
    }

    fn nodes(&self, ring: usize) -> Vec<NodeId> {
        let nodes = self.ring_of.iter().enumerate();
        let nodes = nodes.filter(|(_, of)| **of == ring);
        nodes.map(|(node, _)| name(node)).collect()
    }

    /// What is in sync once the run is over; of a node that did not answer it is not known.
    fn settle(&mut self, silent: u8, end: Timestamp) {
        let (_, plan) = self.planned(silent);
        let in_sync: Vec<NodeId> = plan.in_sync.iter().filter_map(StepId::node).collect();
        for ring in 0..=self.soaks.len() {
            let is_whole = self.nodes(ring).iter().all(|node| in_sync.contains(node));
            let (since, _) = self.rings.entry(ring).or_default();
            *since = match is_whole {
                true => since.or(Some(end)),
                false => None,
            };
        }
    }
}
