//! Leaving out what belongs to orders and nodes that were not selected.
//!
//! It comes last, when needs and relays are known: what a selected step needs is selected
//! with it, such as its download, the delivery to the relay that sends it on, and the one
//! to the node that stands for its shared storage. Everything is still planned, so that
//! reasons and the order of steps are the same as without a selection.
//!
//! Removals belong to no order. Those from a node are selected by its name alone, and
//! while orders are named nothing is pruned; the cache serves everyone, so its cleanup is
//! left to a run without a selection.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{StepId, StepKind};
use crate::plan::blocked::{Blocked, BlockedReason};
use crate::plan::desired::Desired;
use crate::plan::selection::Selection;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Plan, Step};
use crate::plan::template::TemplateBlock;
use crate::plan::wanted::WantedBy;

/// Blocks every step that nobody selected.
pub(in crate::plan) fn select(input: &StageInput<'_>, draft: &mut PlanDraft) {
    let selection = &input.options.selection;
    if selection.is_all() {
        return;
    }
    let plan = &mut draft.plan;
    let selected = selected(plan, selection, input.desired);
    let (steps, others): (Vec<Step>, Vec<Step>) = std::mem::take(&mut plan.steps)
        .into_iter()
        .partition(|step| selected.contains(&step.id));
    plan.steps = steps;
    for blocked in &mut plan.blocked {
        if !selected.contains(&blocked.id) {
            let reason = &blocked.reason;
            let otherwise = (!is_unasked(reason)).then(|| Box::new(reason.clone()));
            blocked.reason = BlockedReason::NotSelected { otherwise };
        }
    }
    plan.blocked.extend(others.into_iter().map(|step| Blocked {
        id: step.id,
        reason: BlockedReason::NotSelected { otherwise: None },
        wanted_by: step.wanted_by,
    }));
    plan.hints
        .retain(|hint| selection.has_order(hint.about.order.as_str()));
}

/// True for what waits for an answer that nobody asked for, since nothing depends on it now.
const fn is_unasked(reason: &BlockedReason) -> bool {
    matches!(
        reason,
        BlockedReason::Template {
            why: TemplateBlock::ClonesUnknown { why: None, .. }
        }
    )
}

/// What was selected, and what that needs.
fn selected(plan: &Plan, selection: &Selection, desired: &Desired) -> BTreeSet<StepId> {
    let mut selected: BTreeSet<StepId> = elsewhere(plan, selection, desired);
    let blocked: BTreeMap<&StepId, &BlockedReason> = plan
        .blocked
        .iter()
        .map(|one| (&one.id, &one.reason))
        .collect();
    for item in &plan.blocked {
        if !selected.contains(&item.id) && !concerns(selection, &item.id, &item.wanted_by) {
            continue;
        }
        // Needs point backwards, so following them ends.
        let mut next = Some(&item.id);
        while let Some(id) = next {
            selected.insert(id.clone());
            next = match blocked.get(id) {
                Some(BlockedReason::SourceBlocked { source }) => Some(source),
                _ => None,
            };
        }
    }
    // What a step needs stands before it.
    for step in plan.steps.iter().rev() {
        if selected.contains(&step.id) || concerns(selection, &step.id, &step.wanted_by) {
            selected.insert(step.id.clone());
            selected.extend(step.needs.iter().cloned());
        }
    }
    selected
}

/// The deliveries that another node of the same storage makes for a selected one.
fn elsewhere(plan: &Plan, selection: &Selection, desired: &Desired) -> BTreeSet<StepId> {
    let shared = plan.shared.iter().filter(|(own, _)| {
        let place = own.path();
        let placed = place.and_then(|(target, file)| desired.placed.get(&target)?.get(&file));
        placed.is_some_and(|placed| concerns(selection, own, &placed.wanted_by))
    });
    shared.map(|(_, other)| other.clone()).collect()
}

/// True if a step, or what would be one, was selected itself.
pub(super) fn concerns(selection: &Selection, id: &StepId, wanted_by: &WantedBy) -> bool {
    let by_order = || {
        let mut orders = wanted_by.iter().map(|position| &position.order);
        selection.orders.is_empty() || orders.any(|order| selection.has_order(order.as_str()))
    };
    let by_node = || {
        let node = id.node();
        node.is_some_and(|node| selection.has_node(node.as_str()))
    };
    match id.kind() {
        Some(
            StepKind::Push
            | StepKind::Storage
            | StepKind::VerifyNode
            | StepKind::CreateTemplate
            | StepKind::SwitchTemplate,
        ) => by_order() && by_node(),
        // A template that gives its number to another goes only with that one.
        Some(StepKind::RemoveTemplate) if !wanted_by.is_empty() => false,
        Some(
            StepKind::PruneNode | StepKind::ClearPart | StepKind::Record | StepKind::RemoveTemplate,
        ) => selection.orders.is_empty() && by_node(),
        // For a node only what it needs comes into the cache.
        Some(StepKind::Register | StepKind::Fetch | StepKind::Unpack) => {
            selection.nodes.is_empty() && by_order()
        }
        // Which nodes a position would be for is not known while it is not resolved.
        Some(StepKind::Resolve) => by_order(),
        Some(StepKind::PruneCache | StepKind::ClearPartial | StepKind::VerifyCache) | None => false,
    }
}
