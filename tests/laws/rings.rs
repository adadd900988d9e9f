//! Rings: what they hold, and that they hold nothing else.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use talos_order::facts::{Promotion, RolloutInstruction, StepId, StepKind};
use talos_order::model::{
    MaxUnavailable, NodeId, NodeTraits, OrderId, PositionRef, Release, Ring, RingNodes, Rollout,
};
use talos_order::plan::{Action, BlockedReason, Desired, Plan};

use crate::universe::{Case, NODES, case, wanted};
use crate::{config, planned};

/// Each node has its own name as a label; a ring covers some of them.
fn ring() -> impl Strategy<Value = Ring> {
    let nodes = prop::collection::btree_set(select(&NODES[..]), 1..3);
    (nodes, prop::bool::weighted(0.1)).prop_map(|(nodes, is_manual)| Ring {
        name: "x".parse().expect("a name"),
        covers: RingNodes::Labels(nodes.into_iter().map(str::to_owned).collect()),
        max_unavailable: MaxUnavailable::Count(0),
        soak_seconds: 0,
        is_manual,
    })
}

fn rollout() -> impl Strategy<Value = Rollout> {
    prop::collection::vec(ring(), 0..3).prop_map(|mut rings| {
        for (at, ring) in rings.iter_mut().enumerate() {
            ring.name = format!("ring-{at}").parse().expect("a name");
        }
        Rollout { rings }
    })
}

/// What is remembered of a release, and said of it.
#[derive(Debug, Clone, Copy)]
struct Past {
    open: [bool; 3],
    said: u8,
}

fn past() -> impl Strategy<Value = Past> {
    let open = prop::array::uniform3(prop::bool::weighted(0.15));
    (open, 0_u8..12).prop_map(|(open, said)| Past { open, said })
}

/// The releases that an order wants.
fn releases(desired: &Desired) -> BTreeSet<(OrderId, Release)> {
    let wants = desired.positions.iter();
    let releases = wants.filter_map(|want| {
        let resolved = want.outcome.as_ref().ok()?;
        let release = Release::of(&resolved.download);
        Some((want.position.order.clone(), release))
    });
    releases.collect()
}

prop_compose! {
    fn with_rings()(
        case in case(),
        default in rollout(),
        own in prop::collection::vec(prop::option::of(rollout()), 4),
        pasts in prop::collection::vec(past(), 1..6),
    ) -> Case {
        let mut case = case;
        case.policy.rollout = default;
        for (order, own) in case.orders.orders.iter_mut().zip(own) {
            order.rollout = own;
        }
        for name in NODES {
            let traits = NodeTraits { site: None, labels: [name.to_owned()].into() };
            case.orders.traits.insert(name.parse().expect("a node"), traits);
        }
        let desired = wanted(&case.orders, &case.observed);
        let memory = &mut case.observed.memory;
        for ((order, release), past) in releases(&desired).into_iter().zip(pasts.iter().cycle()) {
            let known = memory.rollouts.entry(order.clone()).or_default();
            let known = known.entry(release.clone()).or_default();
            for (at, is_open) in past.open.into_iter().enumerate() {
                let name = format!("ring-{at}").parse().expect("a name");
                known.rings.entry(name).or_default().is_open = is_open;
            }
            let said: &mut RolloutInstruction = memory.instructed.entry(order).or_default();
            match past.said {
                0 => said.is_paused = true,
                1 => drop(said.stopped.insert(release)),
                2 => drop(said.promoted.insert(release, Promotion::Everywhere)),
                3 => {
                    let ring = "ring-0".parse().expect("a name");
                    said.promoted.insert(release, Promotion::UpTo(ring));
                }
                _ => {}
            }
        }
        case
    }
}

fn without_rings(case: &Case) -> Case {
    let mut case = case.clone();
    case.policy.rollout = Rollout::default();
    for order in &mut case.orders.orders {
        order.rollout = None;
    }
    case
}

/// What is true of a case, worked out from the plan without rings.
struct Truth<'a> {
    case: &'a Case,
    desired: Desired,
    free: Plan,
}

impl Truth<'_> {
    fn rollout(&self, order: &OrderId) -> &Rollout {
        let own = self.case.orders.orders.iter();
        let own = own.filter(|known| known.id == *order);
        let own = own.filter_map(|known| known.rollout.as_ref()).next();
        own.unwrap_or(&self.case.policy.rollout)
    }

    fn release(&self, position: &PositionRef) -> Option<Release> {
        let mut wants = self.desired.positions.iter();
        let want = wants.find(|want| want.position == *position)?;
        Some(Release::of(&want.outcome.as_ref().ok()?.download))
    }

    fn ring(&self, order: &OrderId, node: &NodeId) -> usize {
        let rings = &self.rollout(order).rings;
        let covers = |ring: &Ring| match &ring.covers {
            RingNodes::Labels(labels) => labels.contains(node.as_str()),
            RingNodes::Sites(_) => false,
        };
        rings.iter().position(covers).unwrap_or(rings.len())
    }

    /// How many deliveries of a release a ring has, and how many are in place.
    fn standing(&self, order: &OrderId, release: &Release, ring: usize) -> (usize, usize) {
        let (mut all, mut there) = (0, 0);
        for (target, files) in &self.desired.placed {
            for (file, placed) in files {
                let is_its = placed.wanted_by.iter().any(|position| {
                    position.order == *order && self.release(position).as_ref() == Some(release)
                });
                if !is_its || self.ring(order, &target.node) != ring {
                    continue;
                }
                let id = StepId::push(target, file);
                let id = self.free.shared.get(&id).unwrap_or(&id);
                all += 1;
                there += usize::from(self.free.in_sync.contains(id));
            }
        }
        (all, there)
    }

    /// A position may go to a node now.
    fn may_go(&self, position: &PositionRef, node: &NodeId) -> bool {
        let order = &position.order;
        let rings = &self.rollout(order).rings;
        let Some(release) = self.release(position).filter(|_| !rings.is_empty()) else {
            return true;
        };
        let own = self.ring(order, node);
        let memory = &self.case.observed.memory;
        let said = memory.instructed.get(order).cloned().unwrap_or_default();
        let known = memory.rollouts[order]
            .get(&release)
            .cloned()
            .unwrap_or_default();
        if said.stopped.contains(&release) {
            return false;
        }
        let promoted = match said.promoted.get(&release) {
            Some(Promotion::Everywhere) => usize::MAX,
            Some(Promotion::UpTo(name)) => {
                let at = rings.iter().position(|ring| ring.name == *name);
                at.map_or(0, |at| at + 1)
            }
            None => 0,
        };
        let is_open = |at: usize| match rings.get(at) {
            Some(ring) => known.rings.get(&ring.name).is_some_and(|ring| ring.is_open),
            None => known.is_rest_open,
        };
        if is_open(own) || own < promoted {
            return true;
        }
        let mut wants = self.desired.positions.iter();
        let is_known = !wants.any(|want| want.position.order == *order && want.outcome.is_err());
        let is_manual = rings.get(own).is_some_and(|ring| ring.is_manual);
        let before = (0..own).map(|ring| self.standing(order, &release, ring));
        // A ring that has begun is one that the next one waits for all the same; one that
        // is manual and has everything is done.
        let is_done = |(all, there): (usize, usize)| all == there;
        let mut before = before.collect::<Vec<_>>().into_iter();
        !said.is_paused && is_known && !is_manual && before.all(is_done)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_is_pushed_before_the_rings_before_it_have_it(case in with_rings()) {
        let desired = wanted(&case.orders, &case.observed);
        let free = planned(&without_rings(&case), &case.observed);
        let truth = Truth { case: &case, desired, free };
        let plan = planned(&case, &case.observed);
        let held = plan.blocked.iter().filter(|blocked| {
            matches!(blocked.reason, BlockedReason::WaitsForRing { .. })
        });
        let pushes = plan.steps.iter().map(|step| (&step.id, true));
        for (id, goes) in pushes.chain(held.map(|blocked| (&blocked.id, false))) {
            if id.kind() != Some(StepKind::Push) {
                continue;
            }
            let shared = truth.free.shared.iter().filter(|(_, made)| *made == id);
            let may_go = shared.map(|(own, _)| own).chain([id]).any(|id| {
                let (target, file) = id.path().expect("a path");
                let placed = &truth.desired.placed[&target][&file];
                placed.wanted_by.iter().any(|position| truth.may_go(position, &target.node))
            });
            // What waits may do so for a step that it needs.
            let is_right = if goes { may_go } else { !may_go || has_needs(&truth.free, id) };
            prop_assert!(is_right, "{}: {goes}", id.text());
        }
    }

    #[test]
    fn rings_hold_nothing_else(case in with_rings()) {
        let plan = planned(&case, &case.observed);
        let free = planned(&without_rings(&case), &case.observed);
        for step in &free.steps {
            let is_step = plan.steps.iter().any(|other| other.id == step.id);
            let held = plan.blocked.iter().find(|blocked| blocked.id == step.id);
            let waits = held.is_some_and(|blocked| {
                matches!(blocked.reason, BlockedReason::WaitsForRing { .. })
            });
            prop_assert!(is_step != waits, "{} is lost", step.id.text());
            let may_wait = matches!(step.action, Action::Push { .. } | Action::PruneNode { .. });
            prop_assert!(is_step || may_wait, "{} waits", step.id.text());
        }
        let new = plan.steps.iter().find(|step| !free.steps.iter().any(|other| other.id == step.id));
        prop_assert!(new.is_none(), "{new:?} is new");
        prop_assert_eq!(plan.in_sync, free.in_sync);
    }

}

fn has_needs(plan: &Plan, id: &StepId) -> bool {
    let mut steps = plan.steps.iter();
    steps.any(|step| step.id == *id && !step.needs.is_empty())
}
