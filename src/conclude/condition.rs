//! How each order does, and each order on each node: a condition with a reason.
//!
//! Pure. A pass leaves troubles behind: things held back and steps that did not
//! succeed, each with the positions it concerns. A trouble on a node belongs to that
//! node's line and to the order's own, every other to the order's alone; of several
//! the one that needs a person most is shown. What was held back only because its
//! source was takes the source's reason.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::report::Report;
use crate::facts::{Failure, FailureKind, Outcome, StepId, Suspended};
use crate::model::{NodeId, Order, OrderId, OrderSet, Problem};
use crate::plan::{HeldReason, Unresolved};

/// How something does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ready {
    /// All that is wanted is in place.
    Ready,
    /// It is being worked on.
    Reconciling,
    /// It is not in place and is not being worked on.
    Stalled,
}

/// Why something is stalled. In the order of how much it needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// The order, a position of it or a file of orders was refused.
    InvalidOrder,
    /// Two orders want different images at one path, or a foreign file lies there.
    Conflict,
    /// The version that is asked for does not exist.
    NoSuchVersion,
    /// What came is not what was promised.
    DigestMismatch,
    /// There is not enough room.
    InsufficientSpace,
    /// A storage is not mounted.
    NotMounted,
    /// A directory is missing and may not be made.
    DirectoryMissing,
    /// Removing waits for a person.
    PruneBlocked,
    /// A step failed for another reason.
    Failed,
    /// The node does not answer.
    TargetUnreachable,
    /// The upstream asks for patience.
    UpstreamRateLimited,
    /// The upstream does not answer, or not with what was asked for.
    UpstreamUnavailable,
    /// It failed before and is tried again later.
    BackingOff,
    /// A person has suspended it.
    Suspended,
    /// The pass was stopped, or the world moved on under it.
    Interrupted,
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

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The names are the words.
        f.pad(&format!("{self:?}"))
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
    /// One sentence for a person.
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

/// The conditions after a pass, sorted by order and node; `since` is taken from
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
    let concerns = Concerns::of(report);
    for rejected in &orders.rejected_files {
        board.invalid(rejected.file.clone(), &rejected.problems);
    }
    for rejected in &orders.rejected_orders {
        let name = rejected.id.as_ref().map(ToString::to_string);
        let name = name.unwrap_or_else(|| rejected.source.file.clone());
        board.invalid(name, &rejected.problems);
    }
    for order in &orders.orders {
        board.order(order, &concerns);
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

/// A trouble: why, and one sentence.
type Trouble = (Reason, String);

/// The condition that several troubles come to.
fn settle(
    order: Option<String>,
    node: Option<NodeId>,
    troubles: &BTreeSet<Trouble>,
    now: Timestamp,
) -> Condition {
    let (state, reason, message) = match troubles.first() {
        None => (Ready::Ready, None, "in place".to_owned()),
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

    fn order(&mut self, order: &Order, concerns: &Concerns<'_>) {
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
            own.insert((Reason::Suspended, "a person has suspended it".to_owned()));
        }
        for &node in concerns.nodes.get(&order.id).into_iter().flatten() {
            let suspended = self.suspended.nodes.contains(node);
            let line = self.line(name.clone(), Some(node.clone()));
            if suspended {
                let message = "a person has suspended the node".to_owned();
                line.insert((Reason::Suspended, message));
            }
        }
        for (node, trouble) in concerns.troubles.get(&order.id).into_iter().flatten() {
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

    /// Removals belong to no order; those that wait for a person are told by node.
    fn removals(&mut self, report: &Report) {
        for held in &report.look.plan.held {
            if held.needs_person() && held.wanted_by.is_empty() {
                let node = held.id.node();
                let trouble = (reason_of(&held.reason), held.reason.to_string());
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

fn invalid(problem: &Problem) -> Trouble {
    let place = match problem.line {
        None => problem.file.clone(),
        Some(line) => format!("{}:{line}", problem.file),
    };
    (
        Reason::InvalidOrder,
        format!("{place}: {}", problem.message),
    )
}

fn said(id: &StepId, error: &str) -> String {
    format!("{id}: {error}")
}

/// What a pass has to say about each order.
struct Concerns<'a> {
    /// The nodes that it wants something on.
    nodes: BTreeMap<&'a OrderId, BTreeSet<&'a NodeId>>,
    /// What is not as it should be, on a node or not.
    troubles: BTreeMap<&'a OrderId, Vec<(Option<NodeId>, Trouble)>>,
}

impl<'a> Concerns<'a> {
    fn of(report: &'a Report) -> Self {
        let mut nodes: BTreeMap<&OrderId, BTreeSet<&NodeId>> = BTreeMap::new();
        for want in &report.look.desired.positions {
            let Ok(resolved) = &want.outcome else {
                continue;
            };
            let of_order = nodes.entry(&want.position.order).or_default();
            of_order.extend(resolved.targets.iter().map(|(target, _)| &target.node));
        }
        let plan = &report.look.plan;
        let causes = Causes {
            held: plan.held.iter().map(|h| (&h.id, &h.reason)).collect(),
            report,
        };
        let of_held = plan
            .held
            .iter()
            .map(|held| (&held.id, &held.wanted_by, causes.of_held(&held.reason)));
        let of_steps = plan.steps.iter().filter_map(|step| {
            let trouble = causes.of_step(&step.id)?;
            Some((&step.id, &step.wanted_by, trouble))
        });
        let mut troubles: BTreeMap<&OrderId, Vec<_>> = BTreeMap::new();
        for (id, wanted_by, trouble) in of_held.chain(of_steps) {
            let node = id.node();
            let orders: BTreeSet<&OrderId> = wanted_by.iter().map(|at| &at.order).collect();
            for order in orders {
                let of_order = troubles.entry(order).or_default();
                of_order.push((node.clone(), trouble.clone()));
            }
        }
        Self { nodes, troubles }
    }
}

struct Causes<'a> {
    held: HashMap<&'a StepId, &'a HeldReason>,
    report: &'a Report,
}

impl Causes<'_> {
    /// Needs point backwards in the plan, so following them ends.
    fn of_held(&self, reason: &HeldReason) -> Trouble {
        if let HeldReason::SourceHeld { source } = reason {
            if let Some(reason) = self.held.get(source)
                && !matches!(reason, HeldReason::SourceHeld { .. })
            {
                return (reason_of(reason), format!("{source}: {reason}"));
            }
            if let Some(trouble) = self.of_step(source) {
                return trouble;
            }
        }
        (reason_of(reason), reason.to_string())
    }

    fn of_step(&self, id: &StepId) -> Option<Trouble> {
        match self.report.outcomes.get(id) {
            Some(Outcome::Done { .. }) => None,
            Some(Outcome::Failed { failure }) => {
                Some((reason_of_failure(failure), said(id, &failure.error)))
            }
            Some(Outcome::Skipped { needs }) => self.of_step(needs),
            Some(Outcome::Outdated { what }) => Some((Reason::Interrupted, what.clone())),
            Some(Outcome::UnderWay) => Some((
                Reason::Interrupted,
                said(id, &Outcome::UnderWay.to_string()),
            )),
            Some(Outcome::Cancelled) | None => {
                Some((Reason::Interrupted, "the pass was stopped".to_owned()))
            }
        }
    }
}

fn reason_of_failure(failure: &Failure) -> Reason {
    match failure.kind {
        FailureKind::Unreachable => Reason::TargetUnreachable,
        FailureKind::NoSpace => Reason::InsufficientSpace,
        FailureKind::WrongBytes => Reason::DigestMismatch,
        FailureKind::RateLimited => Reason::UpstreamRateLimited,
        FailureKind::Upstream => Reason::UpstreamUnavailable,
        FailureKind::InTheWay => Reason::Conflict,
        FailureKind::Other => Reason::Failed,
    }
}

/// The reason of something that is held back.
pub(super) fn reason_of(reason: &HeldReason) -> Reason {
    match reason {
        HeldReason::NodeUnreachable { .. } => Reason::TargetUnreachable,
        HeldReason::Unresolved { why } => match why {
            Unresolved::VersionsUnknown { .. } => Reason::UpstreamUnavailable,
            Unresolved::NoSuchVersion { .. } | Unresolved::Unsupported { .. } => {
                Reason::NoSuchVersion
            }
            Unresolved::Conflict { .. } | Unresolved::PinConflict { .. } => Reason::Conflict,
        },
        HeldReason::PruneBlocked { .. }
        | HeldReason::InGrace { .. }
        | HeldReason::InUse { .. }
        | HeldReason::UseUnknown { .. }
        | HeldReason::RecordUnread { .. }
        | HeldReason::NotOurs { .. }
        | HeldReason::Changed
        | HeldReason::OverBudget { .. } => Reason::PruneBlocked,
        HeldReason::ForeignFile { .. } => Reason::Conflict,
        HeldReason::SourceHeld { .. } => Reason::Interrupted,
        HeldReason::Suspended { .. } => Reason::Suspended,
        HeldReason::BackingOff { .. } => Reason::BackingOff,
        HeldReason::DirMissing { .. } => Reason::DirectoryMissing,
        HeldReason::NotMounted { .. } | HeldReason::DirSilent { .. } => Reason::NotMounted,
        HeldReason::NoSpace { .. } | HeldReason::NoInodes { .. } => Reason::InsufficientSpace,
    }
}
