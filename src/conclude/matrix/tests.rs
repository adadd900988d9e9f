//! The states of a table: what the last run left, and what the current one changes.

use super::*;
use crate::conclude::images::ImageCondition;
use crate::facts::Memory;
use crate::model::{FileName, PositionRef, PushTarget};
use crate::plan::{Action, WantedBy, Why};

fn condition(order: &str, node: Option<&str>, reason: Option<Reason>) -> Condition {
    let is_in_sync = reason.is_none();
    Condition {
        order: Some(order.to_owned()),
        node: node.map(|node| node.parse().unwrap()),
        state: match reason {
            None => ConditionState::Ready,
            Some(Reason::Suspended) => ConditionState::Suspended,
            Some(_) => ConditionState::Reconciling,
        },
        reason,
        message: "as it was left".to_owned(),
        since: Timestamp::UNIX_EPOCH,
        last_ready: None,
        images: vec![ImageCondition {
            position: "iso".to_owned(),
            file: Some(file()),
            cached_as: None,
            version: None,
            image: None,
            schematic: None,
            state: match is_in_sync {
                true => ImageState::InSync,
                false => ImageState::OutOfSync,
            },
        }],
    }
}

fn file() -> FileName {
    "a.iso".parse().unwrap()
}

/// `alpha` has a file on two nodes and lacks it on a third; `beta` was left alone.
fn status() -> Status {
    Status {
        conditions: vec![
            condition("alpha", None, Some(Reason::BackingOff)),
            condition("alpha", Some("n1"), None),
            condition("alpha", Some("n2"), None),
            condition("alpha", Some("n3"), Some(Reason::BackingOff)),
            condition("beta", None, Some(Reason::Suspended)),
            condition("beta", Some("n1"), Some(Reason::Suspended)),
        ],
        ..Status::default()
    }
}

fn push(node: &str) -> Step {
    let target = PushTarget {
        node: node.parse().unwrap(),
        dir: "/iso".parse().unwrap(),
    };
    Step {
        id: StepId::push(&target, &file()),
        // Not looked at.
        action: Action::ClearPartial {
            file: file(),
            bytes: 0,
        },
        why: Why::Missing,
        needs: Vec::new(),
        wanted_by: WantedBy::one(PositionRef {
            order: "alpha".parse().unwrap(),
            index: 0,
            name: "iso".to_owned(),
        }),
    }
}

/// `order: whole node=state …` for each row.
fn lines(matrix: &SyncMatrix<'_>) -> Vec<String> {
    let lines = matrix.rows.iter().map(|row| {
        let cells = row.nodes.iter();
        let cells: Vec<String> = cells
            .map(|(node, cell)| format!("{node}={}", cell.state.as_str()))
            .collect();
        format!(
            "{}: {} {}",
            row.order,
            row.whole.state.as_str(),
            cells.join(" ")
        )
    });
    lines.collect()
}

#[test]
fn between_runs_the_conditions_decide() {
    let status = status();
    let matrix = SyncMatrix::of(&status, None);
    assert_eq!(
        lines(&matrix),
        [
            "alpha: failed n1=in-sync n2=in-sync n3=failed",
            "beta: suspended n1=suspended",
        ]
    );
    assert_eq!(matrix.nodes.len(), 3);
    let counts = BTreeMap::from([(SyncState::Failed, 1), (SyncState::Suspended, 1)]);
    assert_eq!(matrix.counts(), counts);
}

#[test]
fn a_run_shows_drift_until_it_is_repaired() {
    let status = status();
    let plan = Plan {
        steps: vec![push("n1"), push("n2"), push("n3")],
        ..Plan::default()
    };
    let states = |active: &[usize], ended: &[usize]| {
        let ids = |numbers: &[usize]| -> BTreeSet<StepId> {
            let steps = numbers.iter().map(|number| plan.steps[*number].id.clone());
            steps.collect()
        };
        let (active, ended) = (ids(active), ids(ended));
        let run = RunNow {
            plan: &plan,
            active: &active,
            ended: &ended,
        };
        lines(&SyncMatrix::of(&status, Some(run)))[0].clone()
    };
    assert_eq!(
        states(&[], &[]),
        "alpha: in-progress n1=drifted n2=drifted n3=in-progress"
    );
    assert_eq!(
        states(&[0], &[2]),
        "alpha: in-progress n1=in-progress n2=drifted n3=failed"
    );
    assert_eq!(
        states(&[], &[0, 2]),
        "alpha: drifted n1=in-sync n2=drifted n3=failed"
    );
    assert_eq!(
        states(&[], &[0, 1, 2]),
        "alpha: failed n1=in-sync n2=in-sync n3=failed"
    );
}

#[test]
fn what_is_suspended_since_then_is_shown_at_once() {
    let mut memory = Memory::default();
    memory.suspended.orders.insert("alpha".parse().unwrap());
    let status = status().with_suspended(memory.suspended);
    assert_eq!(
        lines(&SyncMatrix::of(&status, None))[0],
        "alpha: suspended n1=suspended n2=suspended n3=suspended"
    );
}
