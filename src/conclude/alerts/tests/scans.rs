//! What a run says of orders and nodes, as alerts.

use super::super::alert::{AlertKey, Severity};
use super::super::finding::{Finding, RunView};
use super::super::ledger::AlertLedger;
use super::super::message::EventKind;
use super::super::record::record;
use super::super::scan::{AlertScan, scan};
use super::super::settled::delivered;
use super::runs::{events, message};
use super::{PROVIDER, at, routes};
use crate::conclude::status::LastRun;
use crate::conclude::{
    Condition, ConditionState, Reason, SourceLine, SourceState, Status, Verdict,
};
use crate::model::{Network, Trigger};
use crate::plan::Notice;

/// Order, node, state, reason.
type Line<'a> = (
    Option<&'a str>,
    Option<&'a str>,
    ConditionState,
    Option<Reason>,
);

/// A status with these conditions.
fn status(conditions: &[Line<'_>]) -> Status {
    Status {
        owner: "homelab".to_owned(),
        last_run: Some(LastRun {
            started: at(0),
            finished: at(0),
            trigger: Trigger::Schedule,
            verdict: Verdict::Retry,
            error: None,
            totals: Default::default(),
        }),
        conditions: conditions
            .iter()
            .map(|(order, node, state, reason)| Condition {
                order: order.map(str::to_owned),
                node: node.map(|node| node.parse().unwrap()),
                state: *state,
                reason: *reason,
                message: "what happened".to_owned(),
                since: at(-100),
                images: Vec::new(),
                last_ready: None,
            })
            .collect(),
        ..Status::default()
    }
}

fn scanned(status: &Status, notices: Option<&[Notice]>, is_partial: bool) -> AlertScan {
    let network = Network::default();
    scan(&RunView {
        status,
        notices,
        is_unsaved: false,
        is_partial,
        network: &network,
    })
}

fn keys(scan: &AlertScan) -> Vec<String> {
    let firing = scan.found.iter();
    let firing = firing.filter(|(_, found)| matches!(found, Finding::Firing(_)));
    firing.map(|(key, _)| key.to_string()).collect()
}

#[test]
fn one_cause_is_one_alert() {
    use ConditionState::{Ready, Reconciling, Stalled, Suspended};
    let silent = Some(Reason::TargetUnreachable);
    let full = Some(Reason::InsufficientSpace);
    let upstream = Some(Reason::UpstreamUnavailable);
    let found = scanned(
        &status(&[
            (Some("a"), None, Stalled, full),
            (Some("a"), Some("pve-1"), Reconciling, silent),
            (Some("a"), Some("pve-2"), Stalled, full),
            (Some("b"), None, Reconciling, silent),
            (Some("b"), Some("pve-1"), Reconciling, silent),
            (Some("b"), Some("pve-2"), Ready, None),
            (Some("c"), None, Reconciling, upstream),
            (Some("c"), Some("pve-2"), Reconciling, upstream),
            (Some("d"), None, Suspended, Some(Reason::Suspended)),
            (None, Some("pve-2"), Stalled, Some(Reason::PruneBlocked)),
        ]),
        Some(&[]),
        false,
    );
    assert_eq!(
        keys(&found),
        ["node/pve-1", "order/c", "place/pve-2/a", "removals/pve-2"]
    );
    let Some(Finding::Firing(node)) = found.found.get(&AlertKey::node(&"pve-1".parse().unwrap()))
    else {
        panic!("{found:?}")
    };
    assert_eq!(node.orders, ["a".to_owned(), "b".to_owned()].into());
    assert_eq!(node.severity, Severity::Warning);
}

#[test]
fn what_a_run_did_not_look_at_neither_begins_nor_ends() {
    use ConditionState::{Ready, Reconciling, Stalled};
    let full = Some(Reason::InsufficientSpace);
    let before = status(&[
        (Some("a"), None, Stalled, full),
        (Some("a"), Some("pve-1"), Stalled, full),
    ]);
    let ledger = record(
        &AlertLedger::default(),
        &scanned(&before, Some(&[]), false),
        &routes(),
        at(0),
    );
    let told = message(&ledger, &routes(), at(0)).unwrap();
    let ledger = delivered(ledger, PROVIDER, &told, at(0));
    let invalid = Some(Reason::InvalidOrder);
    let ends = |status: &Status, is_partial: bool| {
        let scan = scanned(status, Some(&[]), is_partial);
        let ledger = record(&ledger, &scan, &routes(), at(60));
        let message = message(&ledger, &routes(), at(60));
        let events = message.map_or_else(Vec::new, |message| message.events);
        events.iter().any(|event| event.kind == EventKind::Recovery)
    };
    // Gone while a file cannot be read, between two attempts or windows, or not looked at.
    let broken = status(&[(Some("orders/a.yaml"), None, Stalled, invalid)]);
    assert!(!ends(&broken, false));
    for reason in [
        Reason::BackingOff,
        Reason::OutsideWindow,
        Reason::WaitsForRing,
        Reason::WaitsForPromotion,
        Reason::Interrupted,
        Reason::NotSelected,
    ] {
        let between = status(&[
            (Some("a"), None, Reconciling, Some(reason)),
            (Some("a"), Some("pve-1"), Reconciling, Some(reason)),
        ]);
        assert!(!ends(&between, false));
    }
    assert!(!ends(&status(&[]), true));
    let mut failed = before.clone();
    failed.last_run.as_mut().unwrap().verdict = Verdict::Failed;
    assert!(!ends(&failed, false));
    // Gone with its order, in sync, or suspended.
    assert!(ends(&status(&[]), false));
    let suspended = Some(Reason::Suspended);
    for (state, reason) in [(Ready, None), (ConditionState::Suspended, suspended)] {
        let fine = status(&[
            (Some("a"), None, state, reason),
            (Some("a"), Some("pve-1"), state, reason),
        ]);
        assert!(ends(&fine, false));
    }
}

#[test]
fn a_run_that_cannot_plan_is_told_when_it_lasts() {
    let mut failed = status(&[]);
    let last = failed.last_run.as_mut().unwrap();
    last.verdict = Verdict::Failed;
    last.error = Some("cannot read the orders".to_owned());
    let ledger = AlertLedger::default();
    let ledger = record(&ledger, &scanned(&failed, None, false), &routes(), at(0));
    assert_eq!(message(&ledger, &routes(), at(299)), None);
    let ledger = record(&ledger, &scanned(&failed, None, false), &routes(), at(300));
    let told = message(&ledger, &routes(), at(300)).unwrap();
    assert!(
        told.events[0]
            .alert
            .message
            .contains("cannot read the orders")
    );
    let ledger = delivered(ledger, PROVIDER, &told, at(300));
    let ledger = record(
        &ledger,
        &scanned(&status(&[]), Some(&[]), false),
        &routes(),
        at(360),
    );
    let recovery = message(&ledger, &routes(), at(360)).unwrap();
    assert_eq!(events(&recovery), [(EventKind::Recovery, "run".to_owned())]);
}

#[test]
fn a_notice_is_one_alert_whatever_its_text_says_by_then() {
    let notice = |days: u32| Notice {
        cluster: "main".parse().unwrap(),
        topic: "certificate/pve-1".to_owned(),
        is_retried: false,
        is_only_shown: false,
        text: format!("the certificate of pve-1 expires in {days} days; hint: `renew`"),
    };
    let nothing = status(&[]);
    let ledger = AlertLedger::default();
    let ledger = record(
        &ledger,
        &scanned(&nothing, Some(&[notice(9)]), false),
        &routes(),
        at(0),
    );
    let told = message(&ledger, &routes(), at(0)).unwrap();
    let alert = &told.events[0].alert;
    assert_eq!(
        alert.message,
        "cluster main: the certificate of pve-1 expires in 9 days"
    );
    assert_eq!(alert.hint.as_deref(), Some("`renew`"));
    let ledger = delivered(ledger, PROVIDER, &told, at(0));
    let ledger = record(
        &ledger,
        &scanned(&nothing, Some(&[notice(8)]), false),
        &routes(),
        at(60),
    );
    assert_eq!(message(&ledger, &routes(), at(60)), None);
    // A run that failed before planning says nothing of clusters.
    let ledger = record(&ledger, &scanned(&nothing, None, false), &routes(), at(60));
    assert_eq!(message(&ledger, &routes(), at(60)), None);
    let ledger = record(
        &ledger,
        &scanned(&nothing, Some(&[]), false),
        &routes(),
        at(90),
    );
    assert_eq!(message(&ledger, &routes(), at(90)).unwrap().events.len(), 1);
}

#[test]
fn a_notice_that_is_only_shown_is_no_alert_and_ends_none() {
    let notice = |is_only_shown| Notice {
        cluster: "lab".parse().unwrap(),
        topic: "unknown-node/pve-7".to_owned(),
        is_retried: false,
        is_only_shown,
        text: "node pve-7 is unknown here".to_owned(),
    };
    let nothing = status(&[]);
    let scan = |is_only_shown| scanned(&nothing, Some(&[notice(is_only_shown)]), false);
    let late = at(90_000);
    let ledger = record(&AlertLedger::default(), &scan(true), &routes(), at(0));
    assert_eq!(message(&ledger, &routes(), late), None);
    let ledger = record(&ledger, &scan(false), &routes(), at(10));
    let told = message(&ledger, &routes(), at(10)).unwrap();
    let ledger = delivered(ledger, PROVIDER, &told, at(10));
    // The site does not report its nodes any more.
    let ledger = record(&ledger, &scan(true), &routes(), at(20));
    assert_eq!(message(&ledger, &routes(), at(20)), None);
}

#[test]
fn the_hint_of_a_message_is_what_to_do() {
    let silent = Some(Reason::TargetUnreachable);
    let mut status = status(&[(
        Some("a"),
        Some("pve-1"),
        ConditionState::Reconciling,
        silent,
    )]);
    let hint_of = |status: &Status| {
        let scan = scanned(status, Some(&[]), false);
        let key = AlertKey::node(&"pve-1".parse().unwrap());
        let Some(Finding::Firing(alert)) = scan.found.get(&key) else {
            panic!("{scan:?}")
        };
        (alert.message.clone(), alert.hint.clone().unwrap())
    };
    let (message, hint) = hint_of(&status);
    assert_eq!(message, "what happened");
    assert!(hint.starts_with("check that the node is up"), "{hint}");
    status.conditions[0].message =
        "it refuses the connection; hint: check sshd (asked again at 2026-01-01)".to_owned();
    let expected = (
        "it refuses the connection (asked again at 2026-01-01)",
        "check sshd",
    );
    let (message, hint) = hint_of(&status);
    assert_eq!((message.as_str(), hint.as_str()), expected);
    status.conditions[0].message = "it refuses; hint: check sshd".to_owned();
    let (message, hint) = hint_of(&status);
    assert_eq!(
        (message.as_str(), hint.as_str()),
        ("it refuses", "check sshd")
    );
}

#[test]
fn a_source_is_told_with_what_helps_and_every_message_names_the_commit() {
    use ConditionState::{Ready, Reconciling, Stalled};
    let rejected = Some(Reason::SourceRejected);
    let source = |state| SourceLine {
        revision: Some("main@sha1:1".to_owned()),
        subject: Some("Order one".to_owned()),
        author: Some("Ada".to_owned()),
        hint: Some("set `allow_rewind`".to_owned()),
        state,
        ..SourceLine::default()
    };
    let with = |conditions: &[Line<'_>], state| Status {
        revision: Some("main@sha1:1".to_owned()),
        source: Some(source(state)),
        ..status(conditions)
    };
    let lines = [
        (None, None, Stalled, rejected),
        (Some("a"), None, Ready, None),
    ];
    let found = scanned(&with(&lines, SourceState::Rejected), Some(&[]), false);
    assert_eq!(keys(&found), ["source"]);
    let Some(Finding::Firing(alert)) = found.found.get(&AlertKey::source()) else {
        panic!("{found:?}")
    };
    assert_eq!(alert.hint.as_deref(), Some("set `allow_rewind`"));
    assert_eq!((alert.severity, alert.is_retried), (Severity::Error, false));
    assert_eq!(
        found.revision.as_deref(),
        Some("main@sha1:1 (Order one, Ada)")
    );
    // A server that is away is retried, so a restart of it is told to nobody.
    let away = [(None, None, Reconciling, Some(Reason::SourceUnavailable))];
    let away = scanned(&with(&away, SourceState::Unavailable), Some(&[]), false);
    let Some(Finding::Firing(alert)) = away.found.get(&AlertKey::source()) else {
        panic!("{away:?}")
    };
    assert!(alert.is_retried && alert.severity == Severity::Warning);
    let fine = scanned(&with(&[], SourceState::Ok), Some(&[]), false);
    assert!(matches!(fine.of(alert), Finding::Fine(_)));
    // Without a plan nobody knows.
    let mut failed = with(&[], SourceState::Rejected);
    if let Some(last) = &mut failed.last_run {
        last.verdict = Verdict::Failed;
    }
    assert_eq!(scanned(&failed, None, false).of(alert), Finding::Unknown);
}

#[test]
fn a_run_that_cannot_be_saved_is_told_and_takes_nothing_back() {
    let network = Network::default();
    let mut status = status(&[(Some("a"), None, ConditionState::Ready, None)]);
    if let Some(last) = &mut status.last_run {
        last.verdict = Verdict::Failed;
        last.error = Some("no space left on device".to_owned());
    }
    let found = scan(&RunView {
        status: &status,
        notices: None,
        is_unsaved: true,
        is_partial: true,
        network: &network,
    });
    assert_eq!(keys(&found), ["run"]);
    let Some(Finding::Firing(alert)) = found.found.get(&AlertKey::run()) else {
        panic!("{found:?}")
    };
    assert_eq!(
        alert.message,
        "what the run did cannot be saved: no space left on device"
    );
    let order = super::alert("a", Severity::Error, at(0));
    assert_eq!(found.of(&order), Finding::Unknown);
}
