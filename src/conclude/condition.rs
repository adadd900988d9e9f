//! The status of each order, and each order on each node: a condition with a reason.
//!
//! Pure. A run leaves troubles behind: things blocked and steps that did not
//! succeed, each with the positions it found. A trouble on a node belongs to that
//! node's line and to the order's own, every other to the order's alone; of several
//! the one that needs an operator most is shown. What was blocked only because its
//! source was takes the source's reason.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::reason::{Reason, reason_of, reason_of_failure};
use super::report::Report;
use super::troubles::{Trouble, Troubles, invalid, said};
use crate::facts::{Outcome, Suspended};
use crate::model::{NodeId, Order, OrderSet, Problem};

/// How something does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ready {
    /// Everything wanted is in sync.
    Ready,
    /// It is being worked on.
    Reconciling,
    /// It is out of sync and is not being worked on.
    Stalled,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        })
    }
}

/// How an order does, or what it has on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The order's id; the file where no id could be read; absent for what belongs
    /// to no order.
    pub order: Option<String>,
    /// The node; absent for the order as a whole.
    pub node: Option<NodeId>,
    /// How it does.
    pub state: Ready,
    /// Why it is not ready.
    #[serde(flatten, with = "super::words")]
    pub reason: Option<Reason>,
    /// One sentence for the user.
    pub message: String,
    /// Since when state and reason are these.
    pub since: Timestamp,
}

impl Condition {
    /// What it is about.
    fn subject(&self) -> (Option<&str>, Option<&NodeId>) {
        (self.order.as_deref(), self.node.as_ref())
    }
}

/// The conditions after a run, sorted by order and node; `since` is taken from
/// `before` where nothing has changed.
pub fn conditions(
    before: &[Condition],
    orders: &OrderSet,
    report: &Report,
    suspended: &Suspended,
    now: Timestamp,
) -> Vec<Condition> {
    let mut board = Board {
        suspended,
        found: BTreeMap::new(),
    };
    let troubles = Troubles::of(report);
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
    board.removals(report);
    board.sum_up();
    let since: HashMap<_, _> = before.iter().map(|c| (c.subject(), c)).collect();
    let mut conditions: Vec<Condition> = board
        .found
        .into_iter()
        .map(|((order, node), troubles)| settle(order, node, &troubles, now))
        .collect();
    for condition in &mut conditions {
        if let Some(same) = since.get(&condition.subject())
            && (same.state, same.reason) == (condition.state, condition.reason)
        {
            condition.since = same.since;
        }
    }
    conditions
}

/// The condition that several troubles come to.
fn settle(
    order: Option<String>,
    node: Option<NodeId>,
    troubles: &BTreeSet<Trouble>,
    now: Timestamp,
) -> Condition {
    let (state, reason, message) = match troubles.first() {
        None => (Ready::Ready, None, "in sync".to_owned()),
        Some((reason, message)) => {
            let state = match reason {
                Reason::Interrupted => Ready::Reconciling,
                _ => Ready::Stalled,
            };
            let message = match troubles.len() - 1 {
                0 => message.clone(),
                more => format!("{message} (and {more} more)"),
            };
            (state, Some(*reason), message)
        }
    };
    Condition {
        order,
        node,
        state,
        reason,
        message,
        since: now,
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
        if order.suspended {
            own.insert((
                Reason::Suspended,
                "the order says `suspend: true`".to_owned(),
            ));
        } else if let Some(why) = &self.suspended.unreadable {
            own.insert((Reason::Suspended, format!("everything is suspended: {why}")));
        } else if self.suspended.all {
            own.insert((Reason::Suspended, "everything is suspended".to_owned()));
        } else if self.suspended.orders.contains(&order.id) {
            own.insert((Reason::Suspended, "suspended by an operator".to_owned()));
        }
        for &node in troubles.nodes.get(&order.id).into_iter().flatten() {
            let suspended = self.suspended.nodes.contains(node);
            let line = self.line(name.clone(), Some(node.clone()));
            if suspended {
                let message = "node suspended by an operator".to_owned();
                line.insert((Reason::Suspended, message));
            }
        }
        for (node, trouble) in troubles.troubles.get(&order.id).into_iter().flatten() {
            match node {
                Some(_) => {
                    let line = self.line(name.clone(), node.clone());
                    line.insert(trouble.clone());
                }
                None => {
                    own.insert(trouble.clone());
                }
            }
        }
        self.line(name, None).extend(own);
    }

    /// An order is ready only where all of its nodes are.
    fn sum_up(&mut self) {
        let mut sums: Vec<(String, Trouble)> = Vec::new();
        for ((order, node), troubles) in &self.found {
            if let (Some(order), Some(node)) = (order, node) {
                let on_node = troubles.iter().map(|(reason, message)| {
                    let message = format!("on {node}: {message}");
                    (order.clone(), (*reason, message))
                });
                sums.extend(on_node);
            }
        }
        for (order, trouble) in sums {
            self.line(Some(order), None).insert(trouble);
        }
    }

    /// Removals belong to no order; those that wait for approval are told by node.
    fn removals(&mut self, report: &Report) {
        for blocked in &report.look.plan.blocked {
            if blocked.needs_operator() && blocked.wanted_by.is_empty() {
                let node = blocked.id.node();
                let trouble = (reason_of(&blocked.reason), blocked.reason.to_string());
                self.line(None, node).insert(trouble);
            }
        }
        let steps = report.look.plan.steps.iter();
        for step in steps.filter(|step| step.wanted_by.is_empty()) {
            let Some(Outcome::Failed { failure }) = report.outcomes.get(&step.id) else {
                continue;
            };
            let node = step.id.node();
            let trouble = (reason_of_failure(failure), said(&step.id, &failure.error));
            self.line(None, node).insert(trouble);
        }
    }
}
