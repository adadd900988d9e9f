//! The positions that come to nothing in this run.

use crate::facts::StepId;
use crate::plan::blocked::BlockedReason;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::wanted::WantedBy;

/// Shows each position that could not be resolved as blocked.
pub(in crate::plan) fn unresolved(input: &StageInput<'_>, draft: &mut PlanDraft) {
    for want in &input.desired.positions {
        if let Err(why) = &want.outcome {
            let id = StepId::resolve(&want.position);
            let reason = BlockedReason::Unresolved { why: why.clone() };
            draft.block(id, reason, WantedBy::one(want.position.clone()));
        }
    }
}
