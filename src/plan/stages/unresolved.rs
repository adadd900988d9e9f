//! The positions that come to nothing in this run.

use crate::facts::StepId;
use crate::plan::held::HeldReason;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::wanted::WantedBy;

/// Shows each position that could not be resolved as blocked.
pub(in crate::plan) fn unresolved(input: &StageInput<'_>, draft: &mut PlanDraft) {
    for want in &input.desired.positions {
        if let Err(why) = &want.outcome {
            let id = StepId::resolve(&want.position);
            let reason = HeldReason::Unresolved { why: why.clone() };
            draft.hold(id, reason, WantedBy::one(want.position.clone()));
        }
    }
}
