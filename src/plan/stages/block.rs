//! Blocking what an operator has suspended, what nobody allows, and what has failed a
//! moment ago.
//!
//! It comes last: what would be done is known, and is shown as held with the
//! reason, together with whatever needs it.

use std::collections::BTreeSet;

use super::clusters::forbidden;
use crate::facts::{Memory, Observed, StepId};
use crate::model::OrderId;
use crate::plan::blocked::{Blocked, BlockedReason};
use crate::plan::desired::Desired;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Step, Why};

/// Takes out of the plan what must not be done now.
pub(in crate::plan) fn block(input: &StageInput<'_>, draft: &mut PlanDraft) {
    let (desired, observed, plan) = (input.desired, input.observed, &mut draft.plan);
    let memory = &observed.memory;
    let mut waiting: BTreeSet<StepId> = BTreeSet::new();
    let mut going = Vec::with_capacity(plan.steps.len());
    // Needs stand before what needs them, so one walk is enough.
    for step in std::mem::take(&mut plan.steps) {
        let source = step.needs.iter().find(|need| waiting.contains(*need));
        let reason = suspended(&step, desired, memory)
            .or_else(|| forbidden(&step, input))
            .or_else(|| backing_off(&step, observed))
            .or_else(|| {
                source.map(|source| BlockedReason::SourceBlocked {
                    source: source.clone(),
                })
            });
        match reason {
            None => going.push(step),
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

fn suspended(step: &Step, desired: &Desired, memory: &Memory) -> Option<BlockedReason> {
    let suspended = &memory.suspended;
    let because = |what: String| Some(BlockedReason::Suspended { what, why: None });
    if suspended.is_everything() {
        return Some(BlockedReason::Suspended {
            what: "everything".to_owned(),
            why: suspended.unreadable.clone(),
        });
    }
    if let Some(node) = step
        .action
        .node()
        .filter(|node| suspended.nodes.contains(*node))
    {
        return because(format!("node {node}"));
    }
    let is_suspended =
        |order: &OrderId| suspended.orders.contains(order) || desired.suspended.contains(order);
    let mut orders = step.wanted_by.iter().map(|want| &want.order);
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
