//! What is due to be read back: bit rot and silent truncation show no other way.
//!
//! What has not been read back for the longest goes first, within a budget of
//! bytes per run, so that a large fleet is read steadily and not all at once.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::facts::{NodeState, StepId};
use crate::model::PushTarget;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Why};

/// Plans what is read back, of what is in sync.
pub(in crate::plan) fn verify(input: &StageInput<'_>, draft: &mut PlanDraft) {
    let Some(policy) = &input.options.verify else {
        return;
    };
    let (desired, observed) = (input.desired, input.observed);
    let in_sync: BTreeSet<&StepId> = draft.plan.in_sync.iter().collect();
    let mut due: Vec<(Option<Timestamp>, Action)> = Vec::new();
    let mut consider = |action: Action, written: Timestamp| {
        let read = observed.memory.verified.get(&action.step_id()).copied();
        // Placing a file checked it, too.
        let last = read.unwrap_or(written).max(written);
        if observed.now.as_second() - last.as_second() >= policy.max_age_seconds {
            due.push((Some(last), action));
        }
    };
    for (target, files) in &desired.placed {
        let Some(NodeState::Listed { dirs, .. }) = observed.nodes.get(&target.node) else {
            continue;
        };
        if !input.leaders.leads(&target.node, &target.dir) {
            continue;
        }
        for file in files.keys() {
            let entry = dirs.get(&target.dir).and_then(|dir| dir.record.get(file));
            if let Some(entry) = entry
                && in_sync.contains(&StepId::push(target, file))
            {
                let action = Action::VerifyNode {
                    target: PushTarget::clone(target),
                    file: file.clone(),
                    bytes: entry.size,
                    sha256: entry.sha256,
                };
                consider(action, entry.placed_at);
            }
        }
    }
    for want in desired.artifacts.values() {
        if let Some(cached) = observed.cache.files.get(&want.file)
            && in_sync.contains(&StepId::fetch(&want.file))
        {
            let action = Action::VerifyCache {
                file: want.file.clone(),
                bytes: cached.meta.size,
            };
            consider(action, cached.meta.completed_at);
        }
    }
    due.sort_by_cached_key(|(last, action)| (*last, action.step_id()));
    for (last, action) in within(policy.budget_bytes, due) {
        let hours = last.map(|last| (observed.now.as_second() - last.as_second()) / 3600);
        let hours = hours.and_then(|hours| u64::try_from(hours).ok());
        draft.removal(action, Why::Unverified { hours }, Vec::new());
    }
}

/// When a file was last read, and the action that reads it.
type Due = (Option<Timestamp>, Action);

/// The first of what is due, as far as the budget of bytes goes; one at least.
fn within(budget: u64, due: Vec<Due>) -> impl Iterator<Item = Due> {
    let mut left = Some(budget);
    due.into_iter().take_while(move |(_, action)| {
        let (Action::VerifyNode { bytes, .. } | Action::VerifyCache { bytes, .. }) = action else {
            return false;
        };
        let is_first = left == Some(budget);
        let fits = left.is_some_and(|left| *bytes <= left) || is_first;
        left = left.map(|left| left.saturating_sub(*bytes));
        fits
    })
}
