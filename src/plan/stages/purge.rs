//! Emptying the cache, on request only.

use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Why};

/// Everything of ours leaves the cache.
pub(in crate::plan) fn purge(input: &StageInput<'_>, draft: &mut PlanDraft) {
    if !input.purge {
        return;
    }
    for (file, cached) in &input.observed.cache.files {
        draft.removal(Action::prune_cache(file, cached), Why::Purge, Vec::new());
    }
    for (file, &bytes) in &input.observed.cache.partial {
        let action = Action::ClearPartial {
            file: file.clone(),
            bytes,
        };
        draft.removal(action, Why::Purge, Vec::new());
    }
}
