//! Blocking what an operator has suspended, what nobody allows, what has failed a moment
//! ago, and what waits for its ring or its window.
//!
//! It comes last: what would be done is known, and is shown as held with the
//! reason, together with whatever needs it.

use std::collections::{BTreeMap, BTreeSet};

use super::clusters::forbidden;
use super::rings::ClosedRings;
use super::windows::ClosedWindows;
use crate::facts::{Memory, Observed, StepId, StepKind};
use crate::model::{NodeId, OrderId};
use crate::plan::blocked::{Blocked, BlockedReason};
use crate::plan::desired::Desired;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Step, Why};
use crate::plan::wanted::WantedBy;

/// Takes out of the plan what must not be done now.
pub(in crate::plan) fn block(input: &StageInput<'_>, draft: &mut PlanDraft) {
    let (desired, observed, plan) = (input.desired, input.observed, &mut draft.plan);
    let (rings, rollouts) = ClosedRings::of(input, plan);
    plan.rollouts = rollouts;
    let memory = &observed.memory;
    let mut waiting: BTreeSet<StepId> = BTreeSet::new();
    // Of a rollout that stopped, where it did.
    let mut stopped: BTreeMap<StepId, StepId> = BTreeMap::new();
    let windows = ClosedWindows::of(input);
    // What waits for a window or a ring, and what waits for that.
    let mut outside: BTreeMap<StepId, BlockedReason> = BTreeMap::new();
    let mut going = Vec::with_capacity(plan.steps.len());
    // Needs stand before what needs them, so one walk is enough.
    for step in std::mem::take(&mut plan.steps) {
        let source = step.needs.iter().find(|need| waiting.contains(*need));
        let sources = step.needs.iter().filter(|need| waiting.contains(*need));
        let sources = sources.map(|need| stopped.get(need).unwrap_or(need));
        // A window or a ring holds only what would be done: of anything else it is told what is wrong.
        let wrong = sources
            .clone()
            .find(|source| !outside.contains_key(*source));
        let own = suspended(step.action.nodes(), &step.wanted_by, desired, memory)
            .or_else(|| forbidden(&step, input))
            .or_else(|| backing_off(&step, observed))
            .or_else(|| rings.hold(&step).filter(|_| wrong.is_none()))
            .or_else(|| windows.hold(&step).filter(|_| wrong.is_none()));
        let is_own = own.is_some();
        let reason = own.or_else(|| {
            let source = wrong.or(sources.clone().next())?;
            let blocked = || BlockedReason::SourceBlocked {
                source: source.clone(),
            };
            // That it waits for the same window or ring is all there is to know.
            Some(outside.get(source).cloned().unwrap_or_else(blocked))
        });
        if let Some(
            reason @ (BlockedReason::OutsideWindow { .. } | BlockedReason::WaitsForRing { .. }),
        ) = &reason
        {
            outside.insert(step.id.clone(), reason.clone());
        }
        if let Some(source) = source {
            let is_creation = step.id.kind() == Some(StepKind::CreateTemplate);
            let is_elsewhere = is_creation && source.node() != step.id.node();
            let first = stopped.get(source).or(is_elsewhere.then_some(source));
            if let Some(first) = first.cloned() {
                stopped.insert(step.id.clone(), first);
            }
        }
        match reason {
            None => going.push(step),
            // That nothing comes in its place is told once.
            Some(_) if !is_own && step.why == Why::Replaced => {
                waiting.insert(step.id);
            }
            Some(reason) => {
                waiting.insert(step.id.clone());
                plan.blocked.push(Blocked {
                    id: step.id,
                    reason,
                    wanted_by: step.wanted_by,
                });
            }
        }
    }
    // Nobody is told of a schematic for a download that does not come, and no template
    // gives its number to one that is not made.
    let serves_another = |step: &&Step| match (&step.action, &step.why) {
        (Action::Register { .. }, _) => true,
        (Action::RemoveTemplate { .. }, why) => *why == Why::Replaced,
        _ => false,
    };
    let serving = going.iter().filter(serves_another);
    let mut idle: BTreeSet<StepId> = serving.map(|step| step.id.clone()).collect();
    for need in going.iter().flat_map(|step| &step.needs) {
        idle.remove(need);
    }
    going.retain(|step| !idle.contains(&step.id));
    plan.steps = going;
}

/// Why nothing is done on some nodes for some positions, where an operator said so.
pub(super) fn suspended<'a>(
    mut nodes: impl Iterator<Item = &'a NodeId>,
    wanted_by: &WantedBy,
    desired: &Desired,
    memory: &Memory,
) -> Option<BlockedReason> {
    let suspended = &memory.suspended;
    let because = |what: String| Some(BlockedReason::Suspended { what, why: None });
    if suspended.is_everything() {
        return Some(BlockedReason::Suspended {
            what: "everything".to_owned(),
            why: suspended.unreadable.clone(),
        });
    }
    if let Some(node) = nodes.find(|node| suspended.nodes.contains(*node)) {
        return because(format!("node {node}"));
    }
    let is_suspended =
        |order: &OrderId| suspended.orders.contains(order) || desired.suspended.contains(order);
    let mut orders = wanted_by.iter().map(|want| &want.order);
    let first = orders.next()?;
    // What another order wants as well is done.
    (is_suspended(first) && orders.all(is_suspended)).then(|| BlockedReason::Suspended {
        what: format!("order {first}"),
        why: None,
    })
}

fn backing_off(step: &Step, observed: &Observed) -> Option<BlockedReason> {
    let failed = observed.memory.backoff.get(&step.id)?;
    (failed.until > observed.now).then(|| BlockedReason::BackingOff {
        failures: failed.failures,
        until: failed.until,
        error: failed.error.clone(),
        lasting: failed.lasting,
    })
}
