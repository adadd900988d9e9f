//! What came of the steps of the made-up fleet, and a run of it that is going on.

use std::sync::Arc;

use jiff::SignedDuration;

use super::fleet::{Fleet, now};
use crate::facts::{Fact, Failure, FailureKind, Outcome};
use crate::io::Meter;
use crate::live::{ActiveStep, RunningView};
use crate::model::{PositionRef, Trigger};
use crate::plan::{Action, Plan, Step, WantedBy};

/// Everything succeeds that is not a download; what needs one is skipped.
pub(super) fn downloads_fail(step: &Step) -> Outcome {
    match &step.action {
        Action::Register { expected, .. } => Outcome::Done {
            fact: Fact::Registered { id: *expected },
        },
        Action::Fetch { .. } => Outcome::Failed {
            failure: Failure {
                error: "cannot download from factory.talos.dev: answer 404 Not Found".to_owned(),
                hint: None,
                transient: false,
                kind: FailureKind::NoSuchImage,
            },
        },
        Action::PruneNode { bytes, .. } => Outcome::Done {
            fact: Fact::Removed { bytes: *bytes },
        },
        _ => match step.needs.first() {
            Some(needs) => Outcome::Skipped {
                needs: needs.clone(),
            },
            None => Outcome::Cancelled,
        },
    }
}

/// Every step succeeds.
pub(super) fn all_is_done(step: &Step) -> Outcome {
    let fact = match &step.action {
        Action::Register { expected, .. } => Fact::Registered { id: *expected },
        Action::Fetch { download, .. } => Fact::Fetched {
            download: Box::new(super::copies::meta(download, false)),
            unpacked: None,
            wire_bytes: 1,
        },
        Action::Push { artifact, file, .. } => Fact::Pushed {
            entry: Box::new(super::copies::entry(file, artifact)),
            copied: true,
            wire_bytes: None,
            millis: 1,
        },
        _ => return Outcome::Cancelled,
    };
    Outcome::Done { fact }
}

/// The plan with one more step: the file of an order on a node is gone.
pub(super) fn with_drift(plan: &Plan, order: &str, node: &str) -> Plan {
    let mut plan = plan.clone();
    let pushes = plan.in_sync.iter();
    let mut pushes = pushes.filter(|id| id.node().is_some_and(|one| one.as_str() == node));
    let id = pushes.next().unwrap().clone();
    let any = plan.steps.iter().find(|step| step.action.brings()).unwrap();
    let of_order = PositionRef {
        order: order.parse().unwrap(),
        index: 0,
        name: "iso".to_owned(),
    };
    let step = Step {
        id,
        wanted_by: WantedBy::one(of_order),
        ..any.clone()
    };
    plan.steps.push(step);
    plan
}

/// Steps that are being executed, each some way along.
pub(super) fn active_steps(plan: &Plan) -> Vec<ActiveStep> {
    let is_failed = |step: &Step| {
        let mut orders = step.wanted_by.iter();
        orders.any(|at| at.order.as_str() == "nightly")
    };
    let steps = plan.steps.iter().filter(|step| step.action.brings());
    let steps = steps.filter(|step| !is_failed(step));
    let active = steps.take(4).enumerate().map(|(number, step)| {
        let number = number as u64;
        let meter = Meter::default();
        meter.set_total((96 + 13 * number) << 20);
        meter.set_done((71 - 17 * number) << 20);
        ActiveStep {
            step: step.id.clone(),
            since: now() - SignedDuration::from_secs(7),
            meter: Some(Arc::new(meter)),
        }
    });
    active.collect()
}

/// A run that is going on: everything that the plan of the last run has is to be done.
pub(super) fn running(fleet: &mut Fleet) {
    let last = fleet.view.last.as_ref().unwrap();
    let plan = last.report.look.plan.clone();
    fleet.view.running = Some(RunningView {
        trigger: Trigger::Change,
        since: now() - SignedDuration::from_secs(48),
        active: active_steps(&plan),
        ended: plan.steps.len() / 3,
        ends: Arc::default(),
        failed: 0,
        plan: Some(Arc::new(plan)),
    });
}
