//! The text of a status, as the user sees it.

use super::*;
use crate::conclude::Reason;
use crate::conclude::Verdict;
use crate::conclude::record::Totals;
use crate::conclude::status::{BlockedLine, LastRun};
use crate::model::Trigger;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn condition(order: &str, node: Option<&str>, reason: Option<Reason>, message: &str) -> Condition {
    Condition {
        order: Some(order.to_owned()),
        node: node.map(|node| node.parse().unwrap()),
        state: match reason {
            None => Ready::Ready,
            Some(_) => Ready::Stalled,
        },
        reason,
        message: message.to_owned(),
        since: at(0),
    }
}

fn status() -> Status {
    let mut status = Status {
        owner: "berlin".to_owned(),
        revision: Some("main@sha1:c0ffee".to_owned()),
        last_run: Some(LastRun {
            started: at(3000),
            finished: at(3002),
            trigger: Trigger::Change,
            verdict: Verdict::Stalled,
            error: None,
            totals: Totals::default(),
        }),
        next_run: Some(at(3900)),
        totals: Totals {
            drift_found: 2,
            drift_repaired: 1,
            fetched_bytes: 1 << 30,
            pushed_bytes: 3 << 30,
            removed: 4,
        },
        ..Status::default()
    };
    status.conditions = vec![
        condition(
            "acme",
            None,
            Some(Reason::TargetUnreachable),
            "on pve-02: no route to host",
        ),
        condition("acme", Some("pve-01"), None, "in sync"),
        condition(
            "acme",
            Some("pve-02"),
            Some(Reason::TargetUnreachable),
            "pve-02 does not answer:\nno route to host",
        ),
    ];
    status.blocked.push(BlockedLine {
        step: crate::facts::StepId::push(
            &crate::model::PushTarget {
                node: "pve-02".parse().unwrap(),
                dir: "/iso".parse().unwrap(),
            },
            &"a.iso".parse().unwrap(),
        ),
        reason: Reason::TargetUnreachable,
        message: "pve-02 does not answer: no route to host".to_owned(),
        next_try: Some(at(3660)),
        approval: None,
    });
    status.suspended.nodes.insert("pve-03".parse().unwrap());
    status
}

fn plain(status: &Status, scope: &Scope) -> String {
    anstream::adapter::strip_str(&text(status, scope, at(3600))).to_string()
}

#[test]
fn everything_is_told_in_columns() {
    snapbox::assert_data_eq!(
        plain(&status(), &Scope::All),
        snapbox::str![[r#"
Controller  berlin
Revision    main@sha1:c0ffee
Last run    stalled, 9m ago, 2.0 s, trigger: change
Next run    in 5m
Totals      1.0 GiB fetched, 3.0 GiB pushed, 4 files pruned; drift: 2 found, 1 repaired
Suspended   node pve-03

ORDER  NODE    READY    REASON             SINCE  MESSAGE
acme   -       Stalled  TargetUnreachable  60m    on pve-02: no route to host
acme   pve-01  Ready    -                  60m    in sync
acme   pve-02  Stalled  TargetUnreachable  60m    pve-02 does not answer: no route to host

BLOCKED               REASON             NEXT TRY  MESSAGE
push a.iso to pve-02  TargetUnreachable  in 60s    pve-02 does not answer: no route to host

"#]]
    );
}

#[test]
fn of_an_order_or_a_node_only_its_lines_are_shown() {
    let shown = plain(&status(), &Scope::Node("pve-02".parse().unwrap()));
    assert!(
        shown.contains("no route") && !shown.contains("BLOCKED"),
        "{shown}"
    );
    assert!(!shown.contains("pve-01"), "{shown}");
}

#[test]
fn a_controller_that_is_gone_is_told_from_one_that_waits() {
    let mut status = status();
    status.next_run = Some(at(10));
    assert!(plain(&status, &Scope::All).contains("does not seem to be running"));
    status.next_run = None;
    assert!(plain(&status, &Scope::All).contains("controller not running"));
}
