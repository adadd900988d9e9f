//! The status of each order, and each order on each node: a condition with a reason.
//!
//! Pure. A run leaves troubles behind: things blocked and steps that did not
//! succeed, each with the positions it found. A trouble on a node belongs to that
//! node's line and to the order's own, every other to the order's alone; of several
//! the one that needs an operator most is shown. What was blocked only because its
//! source was takes the source's reason.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::images::{ImageCondition, WantedImages};
use super::reason::Reason;
use super::report::Report;
use super::rings_left::RingsLeft;
use super::state::ConditionState;
use super::troubles::{Trouble, Troubles, invalid, not_selected};
use crate::facts::{Memory, Outcome, Suspended};
use crate::model::{NodeId, Order, OrderId, OrderSet, Problem};

/// How an order does, or what it has on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The order's id; the file where no id could be read; absent for what belongs
    /// to no order.
    pub order: Option<String>,
    /// The node; absent for the order as a whole.
    pub node: Option<NodeId>,
    /// How it does.
    #[serde(flatten, with = "super::state")]
    pub state: ConditionState,
    /// Why it is not ready.
    #[serde(flatten, with = "super::words")]
    pub reason: Option<Reason>,
    /// One sentence for the user.
    pub message: String,
    /// Since when state and reason are these.
    pub since: Timestamp,
    /// When a run last found it ready, where it is not now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ready: Option<Timestamp>,
    /// The images that the order wants there; of the order as a whole, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageCondition>,
}

impl Condition {
    /// Takes in what an operator has suspended or resumed since. Only what that changes is
    /// changed: what the order itself says is known to the next run.
    pub(super) fn apply(&mut self, now: &Suspended, before: &Suspended) {
        let order = self.order.as_deref();
        let has = |suspended: &Suspended| {
            let has_order = |id: &OrderId| order == Some(id.as_str());
            let has_node = |id: &NodeId| self.node.as_ref() == Some(id);
            suspended.is_everything()
                || suspended.orders.iter().any(has_order)
                || suspended.nodes.iter().any(has_node)
        };
        let (is_now, was) = (has(now), has(before));
        let (state, reason, message) = match self.state {
            _ if order.is_none() || self.reason == Some(Reason::InvalidOrder) => return,
            ConditionState::Suspended if was && !is_now => (
                ConditionState::Reconciling,
                Reason::Interrupted,
                "resumed; the next run reconciles it",
            ),
            ConditionState::Suspended => return,
            _ if is_now && !was => (
                ConditionState::Suspended,
                Reason::Suspended,
                "suspended by an operator",
            ),
            _ => return,
        };
        (self.state, self.reason) = (state, Some(reason));
        message.clone_into(&mut self.message);
    }

    /// When a run last found it ready; `looked_at` is when the last run that could look was
    /// over.
    pub fn ready_at(&self, looked_at: Option<Timestamp>) -> Option<Timestamp> {
        match self.state {
            ConditionState::Ready => looked_at,
            _ => self.last_ready,
        }
    }

    /// What it is about.
    fn subject(&self) -> (Option<&str>, Option<&NodeId>) {
        (self.order.as_deref(), self.node.as_ref())
    }
}

/// The conditions after the last run.
pub(super) struct LastConditions<'a> {
    pub conditions: &'a [Condition],
    /// When the last run that could look was over.
    pub looked_at: Option<Timestamp>,
}

/// The conditions after a run, sorted by order and node; `memory` is what is remembered
/// after it, and `since` is taken from
/// `before` where nothing has changed.
pub(super) fn conditions(
    before: &LastConditions<'_>,
    orders: &OrderSet,
    (report, left): (&Report, &RingsLeft<'_>),
    memory: &Memory,
    now: Timestamp,
) -> Vec<Condition> {
    let mut board = Board {
        suspended: &memory.suspended,
        found: BTreeMap::new(),
    };
    let troubles = Troubles::of(report, left, memory);
    for rejected in &orders.rejected_files {
        board.invalid(rejected.file.clone(), &rejected.problems);
    }
    for rejected in &orders.rejected_orders {
        let name = rejected.id.as_ref().map(ToString::to_string);
        let name = name.unwrap_or_else(|| rejected.source.file.clone());
        board.invalid(name, &rejected.problems);
    }
    for order in &orders.orders {
        board.order(order, &troubles);
    }
    if let Some(trouble) = report.source.as_ref().and_then(Trouble::of_source) {
        board.line(None, None).insert(trouble);
    }
    board.removals(report, memory);
    board.sum_up();
    let images = WantedImages::of(report);
    let earlier = before.conditions.iter();
    let earlier: HashMap<_, _> = earlier.map(|c| (c.subject(), c)).collect();
    let mut conditions: Vec<Condition> = board
        .found
        .into_iter()
        .map(|((order, node), troubles)| {
            let images = images.on(order.as_deref(), node.as_ref());
            settle(order, node, &troubles, images, now)
        })
        .collect();
    for condition in &mut conditions {
        let Some(&earlier) = earlier.get(&condition.subject()) else {
            continue;
        };
        if earlier.reason == condition.reason
            && earlier.state.first_word() == condition.state.first_word()
        {
            condition.since = earlier.since;
        }
        if condition.state != ConditionState::Ready {
            condition.last_ready = earlier.ready_at(before.looked_at);
        }
    }
    conditions
}

/// The condition that several troubles come to.
fn settle(
    order: Option<String>,
    node: Option<NodeId>,
    troubles: &BTreeSet<Trouble>,
    images: Vec<ImageCondition>,
    now: Timestamp,
) -> Condition {
    let (state, reason, message) = match troubles.first() {
        None => (ConditionState::Ready, None, "in sync".to_owned()),
        Some(first) => {
            let message = match troubles.len() - 1 {
                0 => first.message.clone(),
                more => format!("{} (and {more} more)", first.message),
            };
            (first.state, Some(first.reason), message)
        }
    };
    Condition {
        order,
        node,
        state,
        reason,
        message,
        since: now,
        last_ready: None,
        images,
    }
}

struct Board<'a> {
    suspended: &'a Suspended,
    found: BTreeMap<(Option<String>, Option<NodeId>), BTreeSet<Trouble>>,
}

impl Board<'_> {
    fn line(&mut self, order: Option<String>, node: Option<NodeId>) -> &mut BTreeSet<Trouble> {
        self.found.entry((order, node)).or_default()
    }

    fn invalid(&mut self, name: String, problems: &[Problem]) {
        let line = self.line(Some(name), None);
        line.extend(problems.iter().map(invalid));
    }

    fn order(&mut self, order: &Order, troubles: &Troubles<'_>) {
        let name = Some(order.id.to_string());
        let mut own: BTreeSet<Trouble> = BTreeSet::new();
        let rejected = order
            .rejected
            .iter()
            .flat_map(|position| &position.problems);
        own.extend(rejected.map(invalid));
        let suspended = self.suspension(order);
        for &node in troubles.nodes.get(&order.id).into_iter().flatten() {
            let is_suspended = self.suspended.nodes.contains(node);
            let line = self.line(name.clone(), Some(node.clone()));
            match &suspended {
                Some(trouble) => line.extend([trouble.clone()]),
                None if is_suspended => {
                    line.insert(Trouble::suspended("node suspended by an operator"));
                }
                None => {}
            }
        }
        let troubles = troubles.troubles.get(&order.id).into_iter().flatten();
        // Nobody waits for what a suspended order lacks, or a suspended node.
        for (node, trouble) in troubles.filter(|_| suspended.is_none()) {
            match node {
                Some(node) if self.suspended.nodes.contains(node) => {}
                Some(_) => {
                    let line = self.line(name.clone(), node.clone());
                    line.insert(trouble.clone());
                }
                None => {
                    own.insert(trouble.clone());
                }
            }
        }
        own.extend(suspended);
        self.line(name, None).extend(own);
    }

    /// Why nothing is done for an order, where somebody wants it so.
    fn suspension(&self, order: &Order) -> Option<Trouble> {
        if order.suspended {
            Some(Trouble::suspended("the order has `suspend: true`"))
        } else if let Some(why) = &self.suspended.unreadable {
            let message = format!("everything is suspended: {why}");
            // Nobody asked for it.
            Some(Trouble {
                state: ConditionState::Stalled,
                ..Trouble::suspended(&message)
            })
        } else if self.suspended.all {
            Some(Trouble::suspended("everything is suspended"))
        } else if self.suspended.orders.contains(&order.id) {
            Some(Trouble::suspended("suspended by an operator"))
        } else {
            None
        }
    }

    /// An order is ready only where all of its nodes are. What several nodes have in
    /// common, or the order itself has, is shown once.
    fn sum_up(&mut self) {
        let mut sums: BTreeMap<(String, Trouble), Vec<NodeId>> = BTreeMap::new();
        for ((order, node), troubles) in &self.found {
            if let (Some(order), Some(node)) = (order, node) {
                for trouble in troubles {
                    let nodes = sums.entry((order.clone(), trouble.clone())).or_default();
                    nodes.push(node.clone());
                }
            }
        }
        for ((order, trouble), nodes) in sums {
            let line = self.line(Some(order), None);
            if line.contains(&trouble) {
                continue;
            }
            let message = match nodes.as_slice() {
                // It names the node itself.
                [node] if trouble.message.contains(node.as_str()) => trouble.message,
                [node] => format!("on {node}: {}", trouble.message),
                nodes => format!("on {} nodes: {}", nodes.len(), trouble.message),
            };
            line.insert(Trouble { message, ..trouble });
        }
    }

    /// Removals belong to no order; those that wait for approval are told by node.
    fn removals(&mut self, report: &Report, memory: &Memory) {
        let blocked = report.look.plan.blocked.iter();
        for blocked in blocked.filter(|blocked| blocked.wanted_by.is_empty()) {
            let trouble = match blocked.as_if_selected() {
                Some(blocked) if blocked.needs_operator() => Trouble::blocked(&blocked),
                // It failed in an earlier run.
                None if memory.backoff.contains_key(&blocked.id) => {
                    not_selected(&blocked.id, memory)
                }
                _ => continue,
            };
            self.line(None, blocked.id.node()).insert(trouble);
        }
        let steps = report.look.plan.steps.iter();
        for step in steps.filter(|step| step.wanted_by.is_empty()) {
            let Some(Outcome::Failed { failure }) = report.outcomes.get(&step.id) else {
                continue;
            };
            let trouble = Trouble::failed(&step.id, failure);
            self.line(None, step.id.node()).insert(trouble);
        }
    }
}
