//! Which state a reason comes to.

use super::*;

#[test]
fn what_is_suspended_counts_as_fine_also_before_the_next_run() {
    let orders = orders();
    let report = report(&orders, full);
    let status = Status::default().finished(&occasion(100), &orders, &report, &memory());
    let everything = Suspended {
        all: true,
        ..Suspended::default()
    };
    let suspended = status.clone().with_suspended(everything);
    let of = |status: &Status, order: &str| {
        let condition = status.conditions.iter().find(|condition| {
            condition.order.as_deref() == Some(order) && condition.node.is_none()
        });
        condition.unwrap().state
    };
    assert_eq!(of(&suspended, "alpha"), ConditionState::Suspended);
    assert_eq!(
        of(&suspended, "gamma"),
        ConditionState::Stalled,
        "a mistake stays one"
    );
    let resumed = status.with_suspended(Suspended::default());
    assert_eq!(of(&resumed, "delta"), ConditionState::Reconciling);
    assert_eq!(of(&resumed, "alpha"), ConditionState::Stalled);
}

/// Whoever reads `Stalled` has to act; whoever reads `Reconciling` may wait.
#[test]
fn only_what_needs_an_operator_is_stalled() {
    let orders = orders();
    let failed = |kind, transient| {
        let report = report(&orders, |step| match step.needs.first() {
            Some(needs) => Outcome::Skipped {
                needs: needs.clone(),
            },
            None => Outcome::Failed {
                failure: Failure {
                    error: "it broke".to_owned(),
                    hint: None,
                    transient,
                    kind,
                },
            },
        });
        let status = Status::default().finished(&occasion(1), &orders, &report, &memory());
        let on_node = status
            .conditions
            .iter()
            .find(|condition| condition.node.as_ref().map(NodeId::as_str) == Some("pve-02"));
        let condition = on_node.unwrap();
        (condition.state, condition.reason.unwrap())
    };
    use ConditionState::{Reconciling, Stalled};
    use FailureKind as Kind;
    for (kind, transient, state, reason) in [
        (
            Kind::Unreachable,
            true,
            Reconciling,
            Reason::TargetUnreachable,
        ),
        (Kind::Unreachable, false, Stalled, Reason::TargetUnreachable),
        (
            Kind::Upstream,
            true,
            Reconciling,
            Reason::UpstreamUnavailable,
        ),
        (
            Kind::RateLimited,
            true,
            Reconciling,
            Reason::UpstreamRateLimited,
        ),
        (Kind::NoSuchImage, false, Stalled, Reason::NoSuchVersion),
        (
            Kind::PermissionDenied,
            false,
            Stalled,
            Reason::PermissionDenied,
        ),
        (Kind::NoSpace, true, Stalled, Reason::InsufficientSpace),
        (Kind::WrongBytes, true, Stalled, Reason::DigestMismatch),
        (Kind::InTheWay, false, Stalled, Reason::Conflict),
        (Kind::Other, true, Reconciling, Reason::Failed),
        (Kind::Other, false, Stalled, Reason::Failed),
    ] {
        assert_eq!(
            failed(kind, transient),
            (state, reason),
            "{kind:?} {transient}"
        );
    }
    let lasting: FailureKind = serde_json::from_str("\"something-newer\"").unwrap();
    assert_eq!(lasting, Kind::Other);
}

/// A login that is refused stays a matter of the operator between two attempts.
#[test]
fn what_an_operator_must_end_keeps_its_reason_while_it_backs_off() {
    let blocked = |lasting| Blocked {
        id: StepId::fetch(&"a.iso".parse().unwrap()),
        reason: BlockedReason::BackingOff {
            failures: 2,
            until: at(9),
            error: "it broke".to_owned(),
            lasting,
        },
        wanted_by: plan::WantedBy::default(),
    };
    let of = |lasting| {
        let blocked = blocked(lasting);
        (reason_of(&blocked), blocked.needs_operator())
    };
    assert_eq!(of(None), (Reason::BackingOff, false));
    assert_eq!(
        of(Some(FailureKind::PermissionDenied)),
        (Reason::PermissionDenied, true)
    );
}
