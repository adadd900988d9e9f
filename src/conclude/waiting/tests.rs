//! Waiting for conditions: what is selected decides, and what is not known counts.

use jiff::Timestamp;

use super::*;
use crate::conclude::Reason;
use crate::conclude::images::{ImageCondition, ImageState};

fn condition(order: &str, node: &str, state: ConditionState, reason: Option<Reason>) -> Condition {
    Condition {
        order: (!order.is_empty()).then(|| order.to_owned()),
        node: (!node.is_empty()).then(|| node.parse().unwrap()),
        state,
        reason,
        message: "a message".to_owned(),
        since: Timestamp::UNIX_EPOCH,
        last_ready: None,
        images: Vec::new(),
    }
}

fn goal(orders: &[&str], nodes: &[&str]) -> WaitGoal {
    let patterns = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    WaitGoal {
        selection: Selection {
            orders: patterns(orders),
            nodes: patterns(nodes),
        },
        skip_suspended: false,
        skip_source: false,
    }
}

fn unreachable() -> (ConditionState, Option<Reason>) {
    (ConditionState::Reconciling, Some(Reason::TargetUnreachable))
}

/// One order is ready, one waits for a node, one is suspended; a prune waits for approval.
fn status() -> Status {
    let ready = (ConditionState::Ready, None);
    let suspended = (ConditionState::Suspended, Some(Reason::Suspended));
    let stalled = (ConditionState::Stalled, Some(Reason::PruneBlocked));
    let conditions = [
        ("fine", "", ready),
        ("fine", "pve-1", ready),
        ("late", "", unreachable()),
        ("late", "pve-1", ready),
        ("late", "pve-2", unreachable()),
        ("off", "", suspended),
        ("off", "pve-3", suspended),
        ("", "pve-4", stalled),
    ];
    let conditions =
        conditions.map(|(order, node, (state, reason))| condition(order, node, state, reason));
    Status {
        conditions: conditions.into(),
        ..Status::default()
    }
}

#[test]
fn what_is_selected_decides() {
    use WaitResult::{Missing, Ready, Stalled, Suspended};
    let status = status();
    for (orders, nodes, expected, not_ready) in [
        (&["fine"][..], &[][..], Some(Ready), 0),
        (&["late"], &[], None, 1),
        (&["fine", "late"], &[], None, 1),
        (&["late"], &["pve-1"], Some(Ready), 0),
        (&["late"], &["pve-2"], None, 1),
        (&["late", "off"], &[], Some(Suspended), 2),
        (&["off"], &["pve-1"], Some(Missing), 0),
        (&[], &["pve-1"], Some(Ready), 0),
        (&[], &["pve-4"], Some(Stalled), 1),
        (&[], &[], Some(Stalled), 3),
    ] {
        let look = goal(orders, nodes).look(&status);
        let found = (look.result, look.not_ready.len());
        assert_eq!(found, (expected, not_ready), "{orders:?} {nodes:?}");
    }
}

#[test]
fn what_needs_an_operator_is_told_first() {
    let status = status();
    let look = goal(&[], &[]).look(&status);
    let states: Vec<ConditionState> = look.not_ready.iter().map(|one| one.state).collect();
    assert!(states.is_sorted(), "{states:?}");
}

#[test]
fn what_is_suspended_can_be_left_out() {
    let goal = WaitGoal {
        skip_suspended: true,
        ..goal(&["off", "fine"], &[])
    };
    assert_eq!(goal.look(&status()).result, Some(WaitResult::Ready));
}

/// Its nodes are not known as long as it is not resolved: it may be wanted on any.
#[test]
fn an_unresolved_position_may_be_wanted_on_every_node() {
    let mut status = status();
    let unresolved = ImageCondition {
        position: "new".to_owned(),
        file: None,
        cached_as: None,
        version: None,
        image: None,
        schematic: None,
        state: ImageState::Unknown,
    };
    let late = status.conditions.iter_mut();
    for condition in late.filter(|one| one.order.as_deref() == Some("late")) {
        if condition.node.is_none() {
            condition.images.push(unresolved.clone());
        }
    }
    assert_eq!(goal(&["late"], &["pve-1"]).look(&status).result, None);

    let mut status = self::status();
    let invalid = condition(
        "late",
        "",
        ConditionState::Stalled,
        Some(Reason::InvalidOrder),
    );
    status.conditions[2] = invalid;
    let look = goal(&["late"], &["pve-1"]).look(&status);
    assert_eq!(look.result, Some(WaitResult::Stalled));
}

#[test]
fn a_run_that_failed_before_planning_says_nothing() {
    assert!(!has_planned(&Status::default()));
}
