//! The memory between runs: kept in a file, and carried on by a pure function.
//!
//! [`after`] takes what was remembered, the look and the outcomes of a run, and
//! says what is to be remembered now. It reads no clock and throws no dice: the
//! jitter of a waiting time follows from the step's identity and its failures, so
//! that many steps that fail together are not tried again together, and a test can
//! say what comes out.

mod ended;
mod failures;
mod promotions;
mod removals;
mod retry;
mod rollouts;
mod seen;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::ended::EndedRun;
pub use self::promotions::promotions_over;
pub use self::retry::RetryLimits;
pub(super) use self::retry::wait;
pub use self::rollouts::{next_ring, take_in};
use super::scope::Scope;
use crate::facts::{Backoff, Memory, Outcome, StepId};
use crate::plan::{Blocked, BlockedReason, Look, Plan, Step, approvals_used};

/// What is to be remembered after a run that ended at `now`.
pub fn after(
    memory: &Memory,
    look: &Look,
    outcomes: &BTreeMap<StepId, Outcome>,
    now: Timestamp,
    limits: &RetryLimits,
) -> Memory {
    let run = EndedRun {
        memory,
        look,
        outcomes,
        now,
        limits,
    };
    let places = run.places();
    let templates = run.templates();
    Memory {
        unwanted_since: run.unwanted_since(&places),
        backoff: run.backoff(),
        circuits: run.circuits(&places),
        approved: run.approved(),
        suspended: memory.suspended.clone(),
        verified: run.verified(&places),
        links: run.links(&places),
        storages: run.storages(&places),
        members: run.members(),
        certificates: run.certificates(),
        detours: run.detours(&places),
        clock: memory.clock.clone(),
        rollouts: run.rollouts(),
        led_epochs: memory.led_epochs.clone(),
        instructed: memory.instructed.clone(),
        instructions_read: memory.instructions_read.clone(),
        instruction_troubles: memory.instruction_troubles.clone(),
        promotions_seen: run.promotions_seen(),
        templates,
        places,
    }
}

/// Forgets failures, so that what they block is tried in the next run: an operator
/// who requests a run now has often just fixed something.
pub fn reset_back_off(memory: &mut Memory, scope: &Scope) {
    match scope {
        // Which steps an order needs is known only to a plan, and trying too much
        // is harmless.
        Scope::All | Scope::Order(_) => {
            memory.backoff.clear();
            memory.circuits.clear();
        }
        Scope::Node(node) => {
            memory.circuits.remove(node);
            memory
                .backoff
                .retain(|id, _| id.node().as_ref() != Some(node));
        }
    }
}

/// Keeps the failures of steps that were not selected, or that wait for their window or
/// their ring: a run
/// that somebody asks for resets the back-off of what it does, and of nothing else. `before` are those before it was
/// reset.
pub fn keep_failures(memory: &mut Memory, before: &BTreeMap<StepId, Backoff>, plan: &Plan) {
    for blocked in plan
        .blocked
        .iter()
        .filter(|blocked| waits_for_its_time(blocked) || blocked.is_not_selected())
    {
        if let Some(failed) = before.get(&blocked.id) {
            memory.backoff.insert(blocked.id.clone(), failed.clone());
        }
    }
}

/// Keeps approvals in a run that was not for all sites: which nodes they are for is not
/// known, except of those that the run has used up.
pub fn keep_approvals(
    memory: &mut Memory,
    before: &Memory,
    plan: &Plan,
    outcomes: &BTreeMap<StepId, Outcome>,
) {
    let is_done = |step: &&Step| outcomes.get(&step.id).is_some_and(Outcome::is_success);
    let used = approvals_used(plan.steps.iter().filter(is_done));
    let kept = before.approved.iter().filter(|id| !used.contains(*id));
    memory.approved = kept.cloned().collect();
}

/// When the first of the failures is to be tried again; a run before that finds the
/// same blocked. A step that waits for its window or its ring is tried when that begins.
pub fn next_try(memory: &Memory, plan: &Plan) -> Option<Timestamp> {
    let waiting = plan.blocked.iter();
    let waiting = waiting.filter(|blocked| waits_for_its_time(blocked));
    let waiting: BTreeSet<&StepId> = waiting.map(|blocked| &blocked.id).collect();
    let steps = memory.backoff.iter();
    let steps = steps.filter(|(id, _)| !waiting.contains(id));
    let failures = steps.map(|(_, failure)| failure);
    let failures = failures.chain(memory.circuits.values());
    failures.map(|failure| failure.until).min()
}

/// True for what begins at a time that is not that of its failures.
const fn waits_for_its_time(blocked: &Blocked) -> bool {
    matches!(
        blocked.reason,
        BlockedReason::OutsideWindow { .. } | BlockedReason::WaitsForRing { .. }
    )
}

#[cfg(test)]
mod tests;
