//! The difference between what is wanted and what is there, as steps.

use super::desired::Desired;
use super::policy::{Policy, RunOptions};
use super::stage::{PlanDraft, Stage, StageInput};
use super::stages;
use super::step::Plan;
use crate::facts::Observed;

/// The stages in their order; each builds on those before it.
const STAGES: &[Stage] = &[
    stages::purge,
    stages::fetch,
    stages::deliver,
    stages::unresolved,
    stages::retain,
    stages::prune,
    stages::parts,
    stages::verify,
    stages::templates,
    stages::hints,
    // What a step needs stands before it from here on.
    stages::sort,
    // What would be done is known now, and is shown as blocked with its reason.
    stages::block,
    stages::clusters,
    stages::unknown_nodes,
    // What is blocked serves nobody.
    stages::relay,
    // What a selected step needs is known now.
    stages::select,
    // Each delivery has its final form by now.
    stages::early,
];

/// Plans a run. Total and deterministic: every want ends up as steps, as held, or as
/// in sync. Each stage walks sorted maps once, so the work is proportional to the
/// orders and what is there.
pub fn plan(desired: &Desired, observed: &Observed, policy: &Policy, options: &RunOptions) -> Plan {
    let shared = policy.shared.with(&desired.shared);
    let input = StageInput::new(desired, observed, policy, &shared, options);
    let mut draft = PlanDraft::default();
    for stage in STAGES {
        stage(&input, &mut draft);
    }
    let mut plan = draft.plan;
    plan.blocked.sort_by(|a, b| a.id.cmp(&b.id));
    plan
}
