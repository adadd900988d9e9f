//! Blocking what an operator has suspended, what nobody allows, what has failed a moment
//! ago, and what waits for its ring or its window.
//!
//! It comes last: what would be done is known, and is shown as held with the
//! reason, together with whatever needs it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

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
    let mut passed = PassedSwitches::default();
    // Needs stand before what needs them, so one walk is enough.
    for mut step in std::mem::take(&mut plan.steps) {
        passed.skip(&mut step);
        let ring = rings.hold(&step);
        if ring.is_some() {
            passed.note(&step);
        }
        let source = step.needs.iter().find(|need| waiting.contains(*need));
        let sources = step.needs.iter().filter(|need| waiting.contains(*need));
        let sources = sources.map(|need| stopped.get(need).unwrap_or(need));
        // A window or a ring holds only what would be done: of anything else it is told what is wrong.
        let wrong = sources
            .clone()
            .find(|source| !outside.contains_key(*source));
        // What comes before it may wait for a later window than it does.
        let before = sources.clone().filter_map(|source| outside.get(source));
        let before = before.max_by_key(|waits| opening(waits)).cloned();
        let own = suspended(step.action.nodes(), &step.wanted_by, desired, memory)
            .or_else(|| forbidden(&step, input))
            .or_else(|| backing_off(&step, observed))
            .or_else(|| ring.filter(|_| wrong.is_none()))
            .or_else(|| {
                let waits = windows.hold(&step).filter(|_| wrong.is_none())?;
                let is_later = |before: &BlockedReason| {
                    opening(&waits).is_some_and(|own| opening(before) > Some(own))
                };
                Some(before.clone().filter(is_later).unwrap_or(waits))
            });
        let is_own = own.is_some();
        let reason = own.or_else(|| {
            let source = wrong.or(sources.clone().next())?;
            let blocked = || BlockedReason::SourceBlocked {
                source: source.clone(),
            };
            // That it waits for the same window or ring is all there is to know.
            Some(before.filter(|_| wrong.is_none()).unwrap_or_else(blocked))
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

/// The steps of templates that wait for a ring, each with the switches on other nodes that
/// come before it. What comes after it follows on those: the ring may wait for just that.
#[derive(Default)]
struct PassedSwitches(BTreeMap<StepId, Vec<StepId>>);

impl PassedSwitches {
    /// Puts what comes before a switch that waits for a ring in the place of that switch.
    fn skip(&self, step: &mut Step) {
        let is_passed = |need: &StepId| self.0.contains_key(need) && is_elsewhere(need, &step.id);
        if !step.needs.iter().any(is_passed) {
            return;
        }
        let mut needs: Vec<StepId> = Vec::new();
        for need in &step.needs {
            let before = self.0.get(need).filter(|_| is_passed(need));
            let before = before.map_or(std::slice::from_ref(need), Vec::as_slice);
            for need in before {
                if !needs.contains(need) {
                    needs.push(need.clone());
                }
            }
        }
        step.needs = needs;
    }

    /// Notes a step that waits for a ring.
    fn note(&mut self, step: &Step) {
        let mut before = Vec::new();
        for need in &step.needs {
            match self.0.get(need) {
                // The creation that the switch on the same node needs.
                Some(of_need) => before.extend(of_need.iter().cloned()),
                None if is_elsewhere(need, &step.id) => before.push(need.clone()),
                None => {}
            }
        }
        self.0.insert(step.id.clone(), before);
    }
}

/// True for a switch on another node than that of a step.
fn is_elsewhere(need: &StepId, step: &StepId) -> bool {
    need.kind() == Some(StepKind::SwitchTemplate) && need.node() != step.node()
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

/// When the window opens that something waits for.
const fn opening(reason: &BlockedReason) -> Option<Timestamp> {
    match reason {
        BlockedReason::OutsideWindow { until, .. } => Some(*until),
        _ => None,
    }
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
