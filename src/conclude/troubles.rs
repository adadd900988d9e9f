//! What is not as it should be after a run, by order and node.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::reason::{Reason, reason_of, reason_of_failure};
use super::report::Report;
use crate::facts::{Outcome, StepId};
use crate::model::{NodeId, OrderId, Problem};
use crate::plan::BlockedReason;

/// A trouble: why, and one sentence.
pub(super) type Trouble = (Reason, String);

/// The trouble of an order or a file that was refused.
pub(super) fn invalid(problem: &Problem) -> Trouble {
    let place = match problem.line {
        None => problem.file.clone(),
        Some(line) => format!("{}:{line}", problem.file),
    };
    (
        Reason::InvalidOrder,
        format!("{place}: {}", problem.message),
    )
}

/// What a step has to say.
pub(super) fn said(id: &StepId, error: &str) -> String {
    format!("{}: {error}", id.text())
}

/// What a run has to say about each order.
pub(super) struct Troubles<'a> {
    /// The nodes that it wants something on.
    pub nodes: BTreeMap<&'a OrderId, BTreeSet<&'a NodeId>>,
    /// What is not as it should be, on a node or not.
    pub troubles: BTreeMap<&'a OrderId, Vec<(Option<NodeId>, Trouble)>>,
}

impl<'a> Troubles<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let mut nodes: BTreeMap<&OrderId, BTreeSet<&NodeId>> = BTreeMap::new();
        for want in &report.look.desired.positions {
            let Ok(resolved) = &want.outcome else {
                continue;
            };
            let of_order = nodes.entry(&want.position.order).or_default();
            of_order.extend(resolved.targets.iter().map(|(target, _)| &target.node));
        }
        let plan = &report.look.plan;
        let origins = Origins {
            blocked: plan.blocked.iter().map(|h| (&h.id, &h.reason)).collect(),
            report,
        };
        let of_blocked = plan.blocked.iter().map(|blocked| {
            (
                &blocked.id,
                &blocked.wanted_by,
                origins.of_blocked(&blocked.reason),
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
    blocked: HashMap<&'a StepId, &'a BlockedReason>,
    report: &'a Report,
}

impl Origins<'_> {
    /// Needs point backwards in the plan, so following them ends.
    fn of_blocked(&self, reason: &BlockedReason) -> Trouble {
        if let BlockedReason::SourceBlocked { source } = reason {
            if let Some(reason) = self.blocked.get(source)
                && !matches!(reason, BlockedReason::SourceBlocked { .. })
            {
                return (reason_of(reason), said(source, &reason.to_string()));
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
                Some((Reason::Interrupted, "the run was stopped".to_owned()))
            }
        }
    }
}
