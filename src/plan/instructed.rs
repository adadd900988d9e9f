//! What of a plan hangs on what operators say of rollouts, to tell whether another
//! instruction during the run makes it out of date.
//!
//! Rings that have begun are left alone by a pause and by a promotion, so these concern a
//! plan only while a ring of the release waits. A stop concerns it always.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::action::Action;
use super::look::Look;
use super::step::Step;
use crate::facts::{Promotion, RolloutInstruction, StepId};
use crate::model::{OrderId, PositionRef, Release};

/// A release of an order.
type OfOrder = (OrderId, Release);

/// What of a plan hangs on the instructions of operators.
#[derive(Debug, Clone, Default)]
pub struct InstructedPlan {
    /// The releases in rings, with what the plan goes by.
    rollouts: BTreeMap<OfOrder, PlannedFor>,
    /// The releases that a push is for, of all orders that want it; `None` where one of these
    /// lets it go to all its nodes at once.
    pushes: BTreeMap<StepId, Option<BTreeSet<OfOrder>>>,
}

/// What a plan goes by for a release.
#[derive(Debug, Clone)]
struct PlannedFor {
    said: ReleaseInstruction,
    /// A ring has not begun.
    is_waiting: bool,
}

/// What operators say of one release.
#[derive(Debug, Clone)]
struct ReleaseInstruction {
    is_paused: bool,
    is_stopped: bool,
    promoted: Option<Promotion>,
    restarted: Option<Timestamp>,
}

/// Instructions that a plan does not go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherInstructions {
    /// The orders that they are for.
    pub orders: BTreeSet<OrderId>,
    /// The pushes of the plan that nobody wants any more for now: all releases that they are
    /// for are stopped.
    pub stopped: BTreeSet<StepId>,
}

impl InstructedPlan {
    /// What hangs on them in the plan of a look.
    pub fn of(look: &Look) -> Self {
        let instructed = &look.observed.memory.instructed;
        let planned = look.plan.rollouts.iter().map(|rollout| {
            let of_order = (rollout.order.clone(), rollout.release.clone());
            let planned = PlannedFor {
                said: ReleaseInstruction::of(&of_order, instructed),
                is_waiting: rollout.rings.iter().any(|ring| !ring.is_open),
            };
            (of_order, planned)
        });
        let rollouts: BTreeMap<_, _> = planned.collect();
        let pushes = match rollouts.is_empty() {
            true => BTreeMap::new(),
            false => pushes(look, &rollouts),
        };
        Self { rollouts, pushes }
    }

    /// True if nothing hangs on them.
    pub fn is_empty(&self) -> bool {
        self.rollouts.is_empty()
    }

    /// What the instructions of now say otherwise than those that the plan goes by; `None`
    /// where a plan with them would not be another one.
    pub fn otherwise(
        &self,
        now: &BTreeMap<OrderId, RolloutInstruction>,
    ) -> Option<OtherInstructions> {
        let changed = self.rollouts.iter().filter(|(of_order, planned)| {
            let said = ReleaseInstruction::of(of_order, now);
            let is_stopped = (planned.said.is_stopped, said.is_stopped);
            match is_stopped {
                (true, true) => false,
                // It was stopped and promoted again: rings that had begun begin anew.
                (false, false) if planned.said.restarted < said.restarted => true,
                (false, false) => planned.is_waiting && !planned.said.is_like(&said),
                _ => true,
            }
        });
        let orders: BTreeSet<OrderId> = changed.map(|((order, _), _)| order.clone()).collect();
        let is_stopped = |of_order: &OfOrder| ReleaseInstruction::of(of_order, now).is_stopped;
        let pushes = self.pushes.iter();
        let stopped = pushes.filter(|(_, releases)| {
            let releases = releases.as_ref();
            releases.is_some_and(|releases| releases.iter().all(is_stopped))
        });
        let stopped = stopped.map(|(id, _)| id.clone()).collect();
        (!orders.is_empty()).then_some(OtherInstructions { orders, stopped })
    }
}

impl ReleaseInstruction {
    /// It lets the same rings begin.
    fn is_like(&self, other: &Self) -> bool {
        self.is_paused == other.is_paused && self.promoted == other.promoted
    }

    fn of((order, release): &OfOrder, instructed: &BTreeMap<OrderId, RolloutInstruction>) -> Self {
        let said = instructed.get(order);
        Self {
            is_paused: said.is_some_and(|said| said.is_paused),
            is_stopped: said.is_some_and(|said| said.stopped.contains(release)),
            promoted: said.and_then(|said| said.promoted.get(release).cloned()),
            restarted: said.and_then(|said| said.restarted(release)),
        }
    }
}

fn pushes(
    look: &Look,
    rollouts: &BTreeMap<OfOrder, PlannedFor>,
) -> BTreeMap<StepId, Option<BTreeSet<OfOrder>>> {
    let resolved = look.desired.positions.iter().filter_map(|want| {
        let release = Release::of(&want.outcome.as_ref().ok()?.download);
        Some((&want.position, (want.position.order.clone(), release)))
    });
    let resolved: BTreeMap<&PositionRef, OfOrder> = resolved.collect();
    // What a push brings to a storage is there for the other nodes of it as well.
    let mut served: BTreeMap<&StepId, Vec<&StepId>> = BTreeMap::new();
    for (own, made) in &look.plan.shared {
        served.entry(made).or_default().push(own);
    }
    let is_push = |step: &&Step| matches!(step.action, Action::Push { .. });
    let pushes = look.plan.steps.iter().filter(is_push).map(|step| {
        let others = served.get(&step.id).into_iter().flatten();
        let others = others.filter_map(|id| {
            let (target, file) = id.path()?;
            Some(&look.desired.placed.get(&target)?.get(&file)?.wanted_by)
        });
        let positions = std::iter::once(&step.wanted_by).chain(others);
        let releases = positions
            .flat_map(|wanted_by| wanted_by.iter())
            .map(|position| {
                let of_order = resolved.get(position)?;
                rollouts.contains_key(of_order).then(|| of_order.clone())
            });
        let releases: Option<BTreeSet<OfOrder>> = releases.collect();
        (step.id.clone(), releases.filter(|all| !all.is_empty()))
    });
    pushes.collect()
}

#[cfg(test)]
mod tests;
