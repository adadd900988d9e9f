//! The text of a status, as the user sees it.

use super::*;
use crate::conclude::Condition;
use crate::conclude::Verdict;
use crate::conclude::images::{ImageCondition, ImageState};
use crate::conclude::record::Totals;
use crate::conclude::status::{BlockedLine, LastRun};
use crate::conclude::{ConditionState, Reason};
use crate::model::Trigger;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn condition(order: &str, node: Option<&str>, reason: Option<Reason>, message: &str) -> Condition {
    Condition {
        order: Some(order.to_owned()),
        node: node.map(|node| node.parse().unwrap()),
        state: match reason {
            None => ConditionState::Ready,
            Some(Reason::TargetUnreachable) => ConditionState::Reconciling,
            Some(_) => ConditionState::Stalled,
        },
        reason,
        message: message.to_owned(),
        since: at(0),
        last_ready: None,
        images: Vec::new(),
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
            "pve-02 does not answer:\nno route to host",
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
        orders: ["acme".parse().unwrap()].into(),
    });
    let image = |position: &str, version: Option<&str>| ImageCondition {
        position: position.to_owned(),
        file: None,
        cached_as: None,
        version: version.map(|version| version.parse().unwrap()),
        image: Some("nocloud-amd64.raw.xz".to_owned()),
        schematic: None,
        state: ImageState::Unknown,
    };
    for condition in &mut status.conditions {
        condition.images.push(image("disk", Some("v1.11.3")));
    }
    status.conditions[0].images.push(image("next", None));
    status.suspended.nodes.insert("pve-03".parse().unwrap());
    status
}

fn shown(status: &Status, scope: &Scope, width: usize, is_wide: bool) -> String {
    let view = StatusView {
        scope,
        width,
        is_wide,
        now: at(3600),
    };
    anstream::adapter::strip_str(&text::text(status, &view)).to_string()
}

fn plain(status: &Status, scope: &Scope) -> String {
    shown(status, scope, 120, false)
}

#[test]
fn everything_is_told_in_columns() {
    snapbox::assert_data_eq!(
        shown(&status(), &Scope::All, 160, false),
        snapbox::str![[r#"
Controller  berlin
Revision    main@sha1:c0ffee
Last run    stalled, 9m ago, 2.0 s, trigger: change
Next run    in 5m
Totals      1.0 GiB fetched, 3.0 GiB pushed, 4 files pruned; drift: 2 found, 1 repaired
Suspended   node pve-03

ORDER  NODE    VERSION           IMAGE                 STATE        SINCE  REASON             MESSAGE
acme   -       unknown, v1.11.3  nocloud-amd64.raw.xz  Reconciling  60m    TargetUnreachable  pve-02 does not answer: no route to host
acme   pve-01  v1.11.3           nocloud-amd64.raw.xz  Ready        60m    -
acme   pve-02  v1.11.3           nocloud-amd64.raw.xz  Reconciling  60m    TargetUnreachable

BLOCKED               REASON             NEXT TRY
push a.iso to pve-02  TargetUnreachable  in 60s

"#]]
    );
}

#[test]
fn on_a_narrow_terminal_messages_are_below_and_names_whole() {
    let narrow = shown(&status(), &Scope::All, 80, false);
    snapbox::assert_data_eq!(
        &narrow,
        snapbox::str![[r#"
Controller  berlin
Revision    main@sha1:c0ffee
Last run    stalled, 9m ago, 2.0 s, trigger: change
Next run    in 5m
Totals      1.0 GiB fetched, 3.0 GiB pushed, 4 files pruned; drift: 2 found, 1
            repaired
Suspended   node pve-03

ORDER  NODE    VERSION           IMAGE                 STATE        SINCE
acme   -       unknown, v1.11.3  nocloud-amd64.raw.xz  Reconciling  60m
    TargetUnreachable: pve-02 does not answer: no route to host
acme   pve-01  v1.11.3           nocloud-amd64.raw.xz  Ready        60m
acme   pve-02  v1.11.3           nocloud-amd64.raw.xz  Reconciling  60m

BLOCKED               REASON             NEXT TRY
push a.iso to pve-02  TargetUnreachable  in 60s

"#]]
    );
    for line in narrow.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn wide_has_every_column() {
    snapbox::assert_data_eq!(
        shown(&status(), &Scope::All, 40, true),
        snapbox::str![[r#"
Controller  berlin
Revision    main@sha1:c0ffee
Last run    stalled, 9m ago, 2.0 s, trigger: change
Next run    in 5m
Totals      1.0 GiB fetched, 3.0 GiB pushed, 4 files pruned; drift: 2 found, 1 repaired
Suspended   node pve-03

ORDER  NODE    VERSION           IMAGE                 SCHEMATIC  STATE        SINCE  REASON             MESSAGE
acme   -       unknown, v1.11.3  nocloud-amd64.raw.xz  unknown    Reconciling  60m    TargetUnreachable  pve-02 does not answer: no route to host
acme   pve-01  v1.11.3           nocloud-amd64.raw.xz  unknown    Ready        60m    -
acme   pve-02  v1.11.3           nocloud-amd64.raw.xz  unknown    Reconciling  60m    TargetUnreachable

BLOCKED               REASON             NEXT TRY  ORDERS
push a.iso to pve-02  TargetUnreachable  in 60s    acme

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
    let gone = plain(&status, &Scope::All);
    assert!(gone.contains("does not seem to be running"), "{gone}");
    assert!(!gone.contains("NEXT TRY"), "{gone}");
    status.next_run = None;
    let none = plain(&status, &Scope::All);
    assert!(
        none.contains("none (controller not running): nothing is retried"),
        "{none}"
    );
    assert!(!none.contains("NEXT TRY"), "{none}");
}

#[test]
fn a_filter_takes_what_is_blocked_by_its_order() {
    let select = |orders: &[&str], nodes: &[&str]| {
        let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let selection = Selection {
            orders: patterns(orders),
            nodes: patterns(nodes),
        };
        let mut status = status();
        select(&mut status, &selection);
        (status.conditions.len(), status.blocked.len())
    };
    assert_eq!(select(&[], &[]), (3, 1));
    assert_eq!(select(&["ac*"], &[]), (3, 1));
    assert_eq!(select(&["other"], &[]), (0, 0));
    assert_eq!(select(&["acme"], &["pve-01"]), (1, 0));
}

#[test]
fn data_says_suspended_where_the_file_says_it_for_old_readers() {
    let mut status = status();
    status.conditions[1].state = ConditionState::Suspended;
    let file = serde_json::to_value(&status).unwrap();
    assert_eq!(file["conditions"][1]["state"], "Stalled");
    let data = serde_json::to_value(StatusAnswer::from(&status)).unwrap();
    assert_eq!(data["conditions"][1]["state"], "Suspended");
    assert_eq!(data["conditions"][0]["state"], "Reconciling");
}
