//! Early pushes: those that begin while their image is still being downloaded.
//!
//! The plan says so, and the executor only follows it: a delivery that is made in another
//! way than the dry run showed would be a decision of the executor.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{NodeState, StepId, StepKind};
use crate::model::{Method, NodeId};
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Step};

/// The program that keeps others from writing to a part while no lease is held.
const LOCKER: &str = "flock";

/// Marks the deliveries that need not wait for the end of a download: those from here, and
/// those that a relay sends on while it receives.
pub(in crate::plan) fn early(input: &StageInput<'_>, draft: &mut PlanDraft) {
    let steps = &draft.plan.steps;
    let fetches: BTreeSet<StepId> = steps
        .iter()
        .filter(|step| step.id.kind() == Some(StepKind::Fetch))
        .map(|step| step.id.clone())
        .collect();
    if fetches.is_empty() {
        return;
    }
    // What a step needs stands before it, so a relay is known when its neighbours come.
    let mut early: BTreeMap<StepId, StepId> = BTreeMap::new();
    for step in &mut draft.plan.steps {
        let fetch = step.needs.iter().find(|need| fetches.contains(*need));
        let Some(fetch) = fetch.filter(|_| is_fit(input, step)).cloned() else {
            continue;
        };
        let mut others = step.needs.iter().filter(|need| **need != fetch);
        if !others.all(|need| early.get(need) == Some(&fetch)) {
            continue;
        }
        if let Action::Push { transport, .. } = &mut step.action {
            // A relay that has the file already sends that.
            if transport.via.is_some() && step.needs.len() == 1 {
                continue;
            }
            transport.while_fetching = Some(fetch.clone());
            early.insert(step.id.clone(), fetch);
        }
    }
}

/// True for a stream to a node that can keep what came to itself. Where a file
/// may turn out to be the wanted one, its digest has to be known before anything is sent.
fn is_fit(input: &StageInput<'_>, step: &Step) -> bool {
    let Action::Push {
        target,
        form,
        transport,
        ..
    } = &step.action
    else {
        return false;
    };
    transport.method == Method::Stream
        && form.is_same()
        && !step.why.is_unrecorded()
        && has_locker(input, &target.node)
}

fn has_locker(input: &StageInput<'_>, node: &NodeId) -> bool {
    match input.observed.nodes.get(node) {
        Some(NodeState::Listed { tools, .. }) => tools.contains(LOCKER),
        Some(NodeState::Unreachable { .. }) | None => false,
    }
}
