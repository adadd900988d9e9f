//! Whether what somebody waits for is ready, and whether waiting helps.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::condition::Condition;
use super::reason::Reason;
use super::state::ConditionState;
use super::status::Status;
use super::verdict::Verdict;
use crate::plan::Selection;

/// What is waited for.
#[derive(Debug, Clone, Default)]
pub struct WaitGoal {
    /// The orders and nodes.
    pub selection: Selection,
    /// What is suspended is left out, instead of ending the waiting.
    pub skip_suspended: bool,
    /// That there may be newer orders is left out: certain orders are waited for.
    pub skip_source: bool,
}

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WaitResult {
    /// Everything that was waited for is ready
    Ready,
    /// Something stays out of sync until an operator acts
    Stalled,
    /// Something is suspended
    Suspended,
    /// No order that was selected has anything on a node that was selected
    Missing,
    /// The time was over first
    TimedOut,
}

/// What a status says about what is waited for.
#[derive(Debug)]
pub struct WaitLook<'a> {
    /// How it ends; `None` while it may become ready without an operator.
    pub result: Option<WaitResult>,
    /// What is not ready; what needs an operator first.
    pub not_ready: Vec<&'a Condition>,
}

impl WaitGoal {
    /// What the status says. The last run must have planned, see [`has_planned`].
    pub fn look<'a>(&self, status: &'a Status) -> WaitLook<'a> {
        let mut concerned = self.concerned(status);
        if concerned.is_empty() && !self.selection.is_all() {
            return WaitLook {
                result: Some(WaitResult::Missing),
                not_ready: Vec::new(),
            };
        }
        if self.skip_suspended {
            concerned.retain(|condition| condition.state != ConditionState::Suspended);
        }
        if self.skip_source {
            concerned.retain(|condition| !condition.reason.is_some_and(Reason::is_of_source));
        }
        concerned.retain(|condition| condition.state != ConditionState::Ready);
        let has = |state| concerned.iter().any(|condition| condition.state == state);
        let result = if has(ConditionState::Stalled) {
            Some(WaitResult::Stalled)
        } else if has(ConditionState::Suspended) {
            Some(WaitResult::Suspended)
        } else if has(ConditionState::Reconciling) {
            None
        } else {
            Some(WaitResult::Ready)
        };
        if self.selection.nodes.is_empty() {
            // The line of the order says what its nodes have in common.
            concerned.retain(|condition| condition.node.is_none() || condition.order.is_none());
        }
        concerned.sort_by_key(|condition| (condition.state, condition.reason));
        WaitLook {
            result,
            not_ready: concerned,
        }
    }

    fn concerned<'a>(&self, status: &'a Status) -> Vec<&'a Condition> {
        let selection = &self.selection;
        let on_nodes: BTreeSet<_> = status
            .conditions
            .iter()
            .filter(|condition| condition.node.is_some())
            .map(|condition| (&condition.order, condition.state, condition.reason))
            .collect();
        // A position that could not be resolved has no nodes yet. Its order says so, and
        // it may be wanted on a node that was asked for.
        let is_own = |condition: &Condition| {
            let mut images = condition.images.iter();
            !condition.state.is_fine()
                && (images.any(|image| image.file.is_none())
                    || !on_nodes.contains(&(&condition.order, condition.state, condition.reason)))
        };
        let has = |condition: &&Condition| {
            let has_order = match &condition.order {
                Some(order) => selection.has_order(order),
                None => selection.orders.is_empty(),
            };
            let has_node = match &condition.node {
                Some(node) => selection.has_node(node.as_str()),
                None => selection.nodes.is_empty() || is_own(condition),
            };
            has_order && has_node
        };
        status.conditions.iter().filter(has).collect()
    }
}

/// True if the conditions of a status are those of its last run.
pub fn has_planned(status: &Status) -> bool {
    let run = status.last_run.as_ref();
    run.is_some_and(|run| run.verdict != Verdict::Failed)
}

#[cfg(test)]
mod tests;
