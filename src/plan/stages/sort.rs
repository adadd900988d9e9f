//! The order of the steps.

use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Step, Why};

/// Purges, registrations, downloads, deliveries, removals from the cache, reading back,
/// removals from nodes; within a kind by identity. What a step needs then always stands
/// before it.
pub(in crate::plan) fn sort(_: &StageInput<'_>, draft: &mut PlanDraft) {
    let plan = &mut draft.plan;
    plan.steps
        .sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.id.cmp(&b.id)));
    plan.in_sync.sort();
}

fn rank(step: &Step) -> u8 {
    match (&step.action, &step.why) {
        (Action::PruneCache { .. } | Action::ClearPartial { .. }, Why::Purge) => 0,
        (Action::Register { .. }, _) => 1,
        (Action::Fetch { .. } | Action::Unpack { .. }, _) => 2,
        (Action::Push { .. }, _) => 3,
        (Action::PruneCache { .. } | Action::ClearPartial { .. } | Action::ClearPart { .. }, _) => {
            4
        }
        (Action::VerifyCache { .. } | Action::VerifyNode { .. }, _) => 5,
        (Action::PruneNode { .. }, _) => 6,
    }
}
