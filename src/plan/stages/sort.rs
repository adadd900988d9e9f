//! The order of the steps.

use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Step, Why};

/// Purges, registrations, downloads, deliveries, removals from the cache, reading back,
/// removals from nodes; within a kind by identity. What a step needs then always stands
/// before it.
pub(in crate::plan) fn sort(_: &StageInput<'_>, draft: &mut PlanDraft) {
    let plan = &mut draft.plan;
    // Templates stay in the order in which one waits for the other.
    let subject = |step: &Step| (rank(step) != TEMPLATE).then(|| step.id.clone());
    plan.steps.sort_by(|a, b| {
        let ranks = rank(a).cmp(&rank(b));
        ranks.then_with(|| subject(a).cmp(&subject(b)))
    });
    plan.in_sync.sort();
}

const TEMPLATE: u8 = 6;

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
        (
            Action::CreateTemplate(_) | Action::SwitchTemplate(_) | Action::RemoveTemplate { .. },
            _,
        ) => TEMPLATE,
        (Action::PruneNode { .. }, _) => 7,
    }
}
