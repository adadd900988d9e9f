//! What is not as it should be after a run, by order and node.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::reason::{Reason, reason_of, reason_of_kind};
use super::report::Report;
use super::rings_left::RingsLeft;
use super::source_line::{SourceLine, SourceState};
use super::state::ConditionState;
use crate::facts::{Failure, Memory, Outcome, StepId};
use crate::model::{NodeId, OrderId, Problem};
use crate::plan::{Blocked, BlockedReason, WantedBy};

/// Something that is not as it should be. What needs an operator most comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trouble {
    pub state: ConditionState,
    pub reason: Reason,
    /// One sentence.
    pub message: String,
}

impl Trouble {
    pub(super) const fn new(reason: Reason, is_lasting: bool, message: String) -> Self {
        Self {
            state: ConditionState::of(reason, is_lasting),
            reason,
            message,
        }
    }

    pub(super) fn suspended(message: &str) -> Self {
        Self::new(Reason::Suspended, false, message.to_owned())
    }

    /// A step that failed.
    pub(super) fn failed(id: &StepId, failure: &Failure) -> Self {
        let reason = reason_of_kind(failure.kind);
        Self::new(reason, !failure.transient, said(id, &failure.error))
    }

    /// Something that is blocked.
    pub(super) fn blocked(blocked: &Blocked) -> Self {
        let message = blocked.reason.to_string();
        Self::new(reason_of(blocked), blocked.needs_operator(), message)
    }

    /// That the revision of the orders is not known to be the newest.
    pub(super) fn of_source(source: &SourceLine) -> Option<Self> {
        let reason = match source.state {
            SourceState::Ok => return None,
            SourceState::Rejected => Reason::SourceRejected,
            SourceState::Unavailable => Reason::SourceUnavailable,
        };
        let message = source.message.clone().unwrap_or_default();
        let message = match &source.revision {
            Some(revision) => format!("{message}; {} stays in effect", short(revision)),
            None => message,
        };
        Some(Self::new(reason, false, message))
    }

    fn interrupted(message: String) -> Self {
        Self::new(Reason::Interrupted, false, message)
    }
}

/// A revision with its hash cut to what people recognise.
fn short(revision: &str) -> String {
    match revision.rsplit_once(':') {
        Some((before, hash)) => {
            let hash: String = hash.chars().take(12).collect();
            format!("{before}:{hash}")
        }
        None => revision.to_owned(),
    }
}

/// The trouble of an order or a file that was refused.
pub(super) fn invalid(problem: &Problem) -> Trouble {
    let place = match problem.line {
        None => problem.file.clone(),
        Some(line) => format!("{}:{line}", problem.file),
    };
    let message = format!("{place}: {}", problem.message);
    Trouble::new(Reason::InvalidOrder, true, message)
}

/// What a step has to say.
pub(super) fn said(id: &StepId, error: &str) -> String {
    format!("{}: {error}", id.text())
}

/// The trouble of a step that was not selected: its last failure, where there is one.
pub(super) fn not_selected(id: &StepId, memory: &Memory) -> Trouble {
    let Some(failed) = memory.backoff.get(id) else {
        let message = "out of sync; not selected in the last run".to_owned();
        return Trouble::new(Reason::NotSelected, false, message);
    };
    let reason = BlockedReason::BackingOff {
        failures: failed.failures,
        until: failed.until,
        error: failed.error.clone(),
        lasting: failed.lasting,
    };
    Trouble::blocked(&Blocked {
        id: id.clone(),
        reason,
        wanted_by: WantedBy::default(),
    })
}

/// What a run has to say about each order.
pub(super) struct Troubles<'a> {
    /// The nodes that it wants something on.
    pub nodes: BTreeMap<&'a OrderId, BTreeSet<&'a NodeId>>,
    /// What is not as it should be, on a node or not.
    pub troubles: BTreeMap<&'a OrderId, Vec<(Option<NodeId>, Trouble)>>,
}

impl<'a> Troubles<'a> {
    pub(super) fn of(report: &'a Report, left: &RingsLeft<'_>, memory: &Memory) -> Self {
        let mut nodes: BTreeMap<&OrderId, BTreeSet<&NodeId>> = BTreeMap::new();
        for want in &report.look.desired.positions {
            let Ok(resolved) = &want.outcome else {
                continue;
            };
            let of_order = nodes.entry(&want.position.order).or_default();
            of_order.extend(resolved.nodes());
        }
        let plan = &report.look.plan;
        let origins = Origins {
            blocked: plan
                .blocked
                .iter()
                .map(|blocked| (&blocked.id, blocked))
                .collect(),
            report,
        };
        let of_blocked = plan.blocked.iter().map(|blocked| {
            (
                &blocked.id,
                &blocked.wanted_by,
                origins.of_blocked(&left.blocked(blocked), memory),
            )
        });
        let of_steps = plan.steps.iter().filter_map(|step| {
            let trouble = origins.of_step(&step.id)?;
            Some((&step.id, &step.wanted_by, trouble))
        });
        let mut troubles: BTreeMap<&OrderId, Vec<_>> = BTreeMap::new();
        for (id, wanted_by, trouble) in of_blocked.chain(of_steps) {
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

/// Where a trouble comes from: what is blocked because of another step takes that
/// step's reason.
struct Origins<'a> {
    blocked: HashMap<&'a StepId, &'a Blocked>,
    report: &'a Report,
}

impl Origins<'_> {
    fn of_blocked(&self, blocked: &Blocked, memory: &Memory) -> Trouble {
        match blocked.as_if_selected() {
            Some(blocked) => self.of_cause(&blocked),
            None => not_selected(&blocked.id, memory),
        }
    }

    /// Needs point backwards in the plan, so following them ends.
    fn of_cause(&self, blocked: &Blocked) -> Trouble {
        if let BlockedReason::SourceBlocked { source } = &blocked.reason {
            if let Some(blocked) = self
                .blocked
                .get(source)
                .and_then(|blocked| blocked.as_if_selected())
                && !matches!(blocked.reason, BlockedReason::SourceBlocked { .. })
            {
                let trouble = Trouble::blocked(&blocked);
                let message = said(source, &trouble.message);
                return Trouble { message, ..trouble };
            }
            if let Some(trouble) = self.of_step(source) {
                return trouble;
            }
        }
        Trouble::blocked(blocked)
    }

    fn of_step(&self, id: &StepId) -> Option<Trouble> {
        match self.report.outcomes.get(id) {
            Some(Outcome::Done { .. }) => None,
            Some(Outcome::Failed { failure }) => Some(Trouble::failed(id, failure)),
            Some(Outcome::Skipped { needs } | Outcome::Left { needs }) => self.of_step(needs),
            Some(Outcome::Outdated { what }) => Some(Trouble::interrupted(what.clone())),
            Some(outcome @ Outcome::UnderWay) => {
                Some(Trouble::interrupted(said(id, &outcome.to_string())))
            }
            Some(Outcome::Cancelled) | None => {
                Some(Trouble::interrupted("the run was stopped".to_owned()))
            }
        }
    }
}
