//! Every order by every node: how each order does on each node, in one word.
//!
//! The conditions of the last run say how things were left; a run that is going on says
//! what is about to change. Both together are what a reader of the table wants to know.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::condition::Condition;
use super::images::ImageState;
use super::reason::Reason;
use super::state::ConditionState;
use super::status::Status;
use crate::facts::{StepId, StepKind};
use crate::model::NodeId;
use crate::plan::{Plan, Step};

/// How an order does on a node. What needs attention most comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncState {
    /// A step failed, or the order was refused.
    Failed,
    /// Something that should be done is not done, and the reason is known.
    Blocked,
    /// A file that was in sync is not any more; it is not repaired yet.
    Drifted,
    /// The node does not answer.
    Unknown,
    /// It waits for its window or its ring, and nobody has to do anything for that.
    Waiting,
    /// The run that is going on works on it.
    InProgress,
    /// An operator or the order excludes it.
    Suspended,
    /// Everything wanted is there.
    InSync,
}

impl SyncState {
    /// All of them, as a legend lists them.
    pub const ALL: [Self; 8] = [
        Self::InSync,
        Self::InProgress,
        Self::Waiting,
        Self::Drifted,
        Self::Blocked,
        Self::Failed,
        Self::Suspended,
        Self::Unknown,
    ];

    /// The state in one word of a query: `in-sync`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in-sync",
            Self::InProgress => "in-progress",
            Self::Drifted => "drifted",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Suspended => "suspended",
            Self::Unknown => "unknown",
            Self::Waiting => "waiting",
        }
    }

    /// The state of a condition between two runs.
    pub fn of(condition: &Condition) -> Self {
        let Some(reason) = condition.reason else {
            return match condition.state {
                ConditionState::Ready => Self::InSync,
                ConditionState::Suspended => Self::Suspended,
                ConditionState::Stalled | ConditionState::Reconciling => Self::Blocked,
            };
        };
        match reason {
            Reason::Suspended if condition.state == ConditionState::Suspended => Self::Suspended,
            Reason::TargetUnreachable => Self::Unknown,
            Reason::OutsideWindow | Reason::WaitsForRing => Self::Waiting,
            Reason::InvalidOrder
            | Reason::Conflict
            | Reason::NoSuchVersion
            | Reason::DigestMismatch
            | Reason::PermissionDenied
            | Reason::Failed
            | Reason::UpstreamRateLimited
            | Reason::UpstreamUnavailable
            | Reason::BackingOff => Self::Failed,
            Reason::InsufficientSpace
            | Reason::NotMounted
            | Reason::StorageUnusable
            | Reason::DirectoryMissing
            | Reason::PruneBlocked
            | Reason::Suspended
            | Reason::SourceRejected
            | Reason::SourceUnavailable
            | Reason::WaitsForPromotion
            | Reason::NotSelected
            | Reason::Interrupted => Self::Blocked,
        }
    }
}

impl fmt::Display for SyncState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InSync => "in sync",
            Self::InProgress => "in progress",
            other => other.as_str(),
        })
    }
}

/// A run that is going on.
#[derive(Debug, Clone, Copy)]
pub struct RunNow<'a> {
    /// What it is going to do.
    pub plan: &'a Plan,
    /// The steps that are being executed.
    pub active: &'a BTreeSet<StepId>,
    /// The steps that are over.
    pub ended: &'a BTreeSet<StepId>,
}

/// How an order does on a node, or as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixCell<'a> {
    /// In one word.
    pub state: SyncState,
    /// In one sentence.
    pub message: &'a str,
    /// Since when; absent while a run works on it.
    pub since: Option<Timestamp>,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixRow<'a> {
    /// Its id; the file where none could be read.
    pub order: &'a str,
    /// For whom it is.
    pub customer: Option<&'a str>,
    /// The order as a whole.
    pub whole: MatrixCell<'a>,
    /// The nodes that it wants something on.
    pub nodes: BTreeMap<&'a NodeId, MatrixCell<'a>>,
}

/// Every order by every node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncMatrix<'a> {
    /// By order.
    pub rows: Vec<MatrixRow<'a>>,
    /// The nodes that any order wants something on.
    pub nodes: BTreeSet<&'a NodeId>,
}

impl<'a> SyncMatrix<'a> {
    /// The orders of a status, and what a run that is going on changes of them.
    pub fn of(status: &'a Status, run: Option<RunNow<'_>>) -> Self {
        let work = run.map(|run| RunWork::of(status, run)).unwrap_or_default();
        let mut rows: BTreeMap<&str, MatrixRow<'_>> = BTreeMap::new();
        let mut found = BTreeSet::new();
        for condition in &status.conditions {
            let Some(order) = condition.order.as_deref() else {
                continue;
            };
            let cell = MatrixCell {
                state: SyncState::of(condition),
                message: &condition.message,
                since: Some(condition.since),
            };
            let row = rows.entry(order).or_insert_with(|| MatrixRow {
                order,
                customer: customer(status, order),
                whole: MatrixCell {
                    state: SyncState::InSync,
                    ..cell.clone()
                },
                nodes: BTreeMap::new(),
            });
            match &condition.node {
                None => row.whole = cell,
                Some(node) => {
                    found.insert(node);
                    row.nodes.insert(node, cell);
                }
            }
        }
        for row in rows.values_mut() {
            work.apply(row);
        }
        Self {
            rows: rows.into_values().collect(),
            nodes: found,
        }
    }

    /// How many orders are in each state.
    pub fn counts(&self) -> BTreeMap<SyncState, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(row.whole.state).or_insert(0) += 1;
        }
        counts
    }
}

fn customer<'a>(status: &'a Status, order: &str) -> Option<&'a str> {
    let line = status.orders.get(&order.parse().ok()?)?;
    line.customer.as_deref()
}

/// What a run still has to do, by order and node.
#[derive(Default)]
struct RunWork {
    states: BTreeMap<(String, Option<NodeId>), SyncState>,
}

impl RunWork {
    fn of(status: &Status, run: RunNow<'_>) -> Self {
        let were_in_sync = in_sync(status);
        let mut work = Self::default();
        let open = |step: &&Step| !run.ended.contains(&step.id);
        for step in run.plan.steps.iter().filter(open) {
            let node = step.id.node();
            let is_drift = || {
                let is_push = step.id.kind() == Some(StepKind::Push);
                let path = step.id.path().filter(|_| is_push);
                let path = path.map(|(target, file)| (target.node.to_string(), file.to_string()));
                path.is_some_and(|path| were_in_sync.contains(&path))
            };
            let state = match run.active.contains(&step.id) {
                false if is_drift() => SyncState::Drifted,
                _ => SyncState::InProgress,
            };
            let orders: BTreeSet<_> = step.wanted_by.iter().map(|at| at.order.as_str()).collect();
            for order in orders {
                for node in [None, node.clone()].into_iter().collect::<BTreeSet<_>>() {
                    let at = (order.to_owned(), node);
                    let before = work.states.entry(at).or_insert(state);
                    // What is being done says more than what is not done yet.
                    *before = (*before).max(state);
                }
            }
        }
        work
    }

    /// Only what was not left alone is changed: what is blocked or suspended stays so.
    fn apply(&self, row: &mut MatrixRow<'_>) {
        let state = |node: Option<&NodeId>| {
            let at = (row.order.to_owned(), node.cloned());
            self.states.get(&at).copied()
        };
        let whole = state(None);
        let nodes: Vec<_> = row.nodes.keys().map(|node| state(Some(node))).collect();
        let cells = row.nodes.values_mut().zip(nodes);
        for (cell, state) in cells.chain([(&mut row.whole, whole)]) {
            if let Some(state) = state {
                cell.state = state;
                cell.since = None;
                cell.message = match state {
                    SyncState::Drifted => "was in sync, and is not any more; this run repairs it",
                    _ => "the run that is going on works on it",
                };
            }
        }
    }
}

/// The files that the last run left in sync, by node and name.
fn in_sync(status: &Status) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for condition in &status.conditions {
        let Some(node) = &condition.node else {
            continue;
        };
        for image in &condition.images {
            if let Some(file) = &image.file
                && image.state == ImageState::InSync
            {
                found.insert((node.to_string(), file.to_string()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
