//! Single cases: what is lost, restored, sent twice, or too much.

use jiff::{SignedDuration, Timestamp};

use super::super::alert::{AlertKey, Severity};
use super::super::due::{DueMessage, due};
use super::super::finding::{Finding, RunView};
use super::super::ledger::{ALERTS_MAX, AlertLedger};
use super::super::message::{AlertMessage, EventKind, Sender};
use super::super::record::record;
use super::super::rule::Routes;
use super::super::scan::{AlertScan, scan};
use super::super::settled::{delivered, refused};
use super::{PROVIDER, alert, at, fine, firing, found, routes, rule};
use crate::conclude::status::LastRun;
use crate::conclude::{Condition, ConditionState, Reason, Status, Verdict};
use crate::model::{Network, Trigger};
use crate::plan::Notice;

fn message(ledger: &AlertLedger, routes: &Routes, now: Timestamp) -> Option<AlertMessage> {
    match due(ledger, PROVIDER, routes, &Sender::default(), now) {
        DueMessage::Now(message) => Some(*message),
        DueMessage::At(_) | DueMessage::Never => None,
    }
}

fn events(message: &AlertMessage) -> Vec<(EventKind, String)> {
    let events = message.events.iter();
    events
        .map(|event| (event.kind, event.alert.key.to_string()))
        .collect()
}

#[test]
fn the_same_message_has_the_same_id_until_something_happens() {
    let error = firing(alert("a", Severity::Error, at(0)));
    let ledger = record(&AlertLedger::default(), &found([error]), &routes(), at(0));
    let first = message(&ledger, &routes(), at(1)).unwrap();
    // The process was killed before it could record that it arrived.
    let again = message(&ledger, &routes(), at(99)).unwrap();
    assert_eq!(first.id, again.id);
    let ledger = delivered(ledger, PROVIDER, &first, at(100));
    let reminder = message(&ledger, &routes(), at(4000)).unwrap();
    assert_eq!(
        events(&reminder),
        [(EventKind::Reminder, "order/a".to_owned())]
    );
    assert_ne!(first.id, reminder.id);
}

#[test]
fn a_lost_ledger_and_a_restored_one_cost_one_message() {
    let error = || firing(alert("a", Severity::Error, at(0)));
    let old = record(&AlertLedger::default(), &found([error()]), &routes(), at(0));
    let told = message(&old, &routes(), at(0)).unwrap();
    let old = delivered(old, PROVIDER, &told, at(0));

    let lost = record(
        &AlertLedger::default(),
        &found([error()]),
        &routes(),
        at(60),
    );
    let again = message(&lost, &routes(), at(60)).unwrap();
    let lost = delivered(lost, PROVIDER, &again, at(60));
    let lost = record(&lost, &found([error()]), &routes(), at(120));
    assert_eq!(message(&lost, &routes(), at(120)), None);

    // Of before the recovery, which was told by then.
    let restored = record(&old, &found([fine("a")]), &routes(), at(180));
    let again = message(&restored, &routes(), at(180)).unwrap();
    assert_eq!(
        events(&again),
        [(EventKind::Recovery, "order/a".to_owned())]
    );
    let restored = delivered(restored, PROVIDER, &again, at(180));
    let restored = record(&restored, &found([fine("a")]), &routes(), at(240));
    assert_eq!(message(&restored, &routes(), at(240)), None);
}

#[test]
fn what_recovers_before_it_is_delivered_is_told_to_nobody() {
    let error = firing(alert("a", Severity::Error, at(0)));
    let ledger = record(&AlertLedger::default(), &found([error]), &routes(), at(0));
    let ledger = refused(ledger, PROVIDER, "connection refused", None, at(0));
    let known = &ledger.providers[PROVIDER];
    assert_eq!((known.failures, known.waiting()), (1, 1));
    let ledger = record(&ledger, &found([fine("a")]), &routes(), at(60));
    assert_eq!(message(&ledger, &routes(), at(9999)), None);
    assert_eq!(ledger.providers[PROVIDER].waiting(), 0);
}

#[test]
fn pauses_grow_and_a_receiver_may_ask_for_longer_ones() {
    let error = firing(alert("a", Severity::Error, at(0)));
    let mut ledger = record(&AlertLedger::default(), &found([error]), &routes(), at(0));
    let mut pauses = Vec::new();
    for _ in 0..12 {
        ledger = refused(ledger, PROVIDER, "no", None, at(0));
        let until = ledger.providers[PROVIDER].retry_at.unwrap();
        pauses.push(until.duration_since(at(0)).as_secs());
    }
    assert!(pauses[..7].is_sorted(), "{pauses:?}");
    assert!(pauses[7..].iter().all(|wait| *wait >= 2700), "{pauses:?}");
    assert!((20..=30).contains(&pauses[0]), "{pauses:?}");
    assert!(pauses.iter().all(|wait| *wait <= 3600), "{pauses:?}");
    let wish = std::time::Duration::from_secs(5000);
    ledger = refused(ledger, PROVIDER, "429", Some(wish), at(0));
    assert_eq!(ledger.providers[PROVIDER].retry_at, Some(at(5000)));
    let wish = std::time::Duration::from_secs(u64::MAX);
    ledger = refused(ledger, PROVIDER, "429", Some(wish), at(0));
    assert!(ledger.providers[PROVIDER].retry_at.unwrap() <= at(6 * 3600));
    // A clock that is set back by a year makes nobody wait for a year.
    let year = SignedDuration::from_hours(24 * 365);
    let early = at(0) - year;
    let error = firing(alert("a", Severity::Error, early));
    let ledger = record(&ledger, &found([error]), &routes(), early);
    assert!(ledger.providers[PROVIDER].retry_at.unwrap() <= early + SignedDuration::from_hours(24));
}

#[test]
fn rules_say_who_is_told_of_what() {
    let both = [
        firing(alert("prod-1", Severity::Error, at(0))),
        firing(alert("test", Severity::Warning, at(0))),
    ];
    let told = |change: &dyn Fn(&mut super::AlertRule)| {
        let mut routes = routes();
        change(&mut routes.rules[0]);
        let ledger = record(
            &AlertLedger::default(),
            &found(both.clone()),
            &routes,
            at(0),
        );
        let message = message(&ledger, &routes, at(3600));
        message
            .map_or_else(Vec::new, |message| events(&message))
            .into_iter()
            .map(|(_, key)| key)
            .collect::<Vec<_>>()
    };
    let pattern = |text: &str| vec![text.parse().unwrap()];
    assert_eq!(told(&|_| {}), ["order/prod-1", "order/test"]);
    assert_eq!(
        told(&|rule| rule.orders = pattern("prod-*")),
        ["order/prod-1"]
    );
    assert_eq!(
        told(&|rule| rule.severities = vec![Severity::Warning]),
        ["order/test"]
    );
    assert_eq!(told(&|rule| rule.reasons = pattern("Upstream*")), [""; 0]);
    assert_eq!(told(&|rule| rule.nodes = pattern("pve-0*")).len(), 2);
    assert_eq!(told(&|rule| rule.sites = pattern("*")), [""; 0]);
    assert_eq!(
        told(&|rule| rule.providers = vec!["mail".to_owned()]),
        [""; 0]
    );
}

#[test]
fn a_rule_that_changes_takes_no_recovery_away() {
    let error = firing(alert("a", Severity::Error, at(0)));
    let ledger = record(
        &AlertLedger::default(),
        &found([error.clone()]),
        &routes(),
        at(0),
    );
    let told = message(&ledger, &routes(), at(0)).unwrap();
    let ledger = delivered(ledger, PROVIDER, &told, at(0));
    let mut other = routes();
    other.rules = vec![super::AlertRule {
        orders: vec!["b".parse().unwrap()],
        ..rule()
    }];
    let ledger = record(&ledger, &found([error]), &other, at(60));
    assert_eq!(message(&ledger, &other, at(99_999)), None);
    let ledger = record(&ledger, &found([fine("a")]), &other, at(120));
    let recovery = message(&ledger, &other, at(120)).unwrap();
    assert_eq!(
        events(&recovery),
        [(EventKind::Recovery, "order/a".to_owned())]
    );
}

#[test]
fn a_ledger_is_bounded_and_the_worst_have_their_place() {
    let many = (0..3 * ALERTS_MAX).map(|number| {
        let severity = match number % 3 {
            0 => Severity::Error,
            _ => Severity::Warning,
        };
        firing(alert(&format!("order-{number:05}"), severity, at(0)))
    });
    let ledger = record(&AlertLedger::default(), &found(many), &routes(), at(0));
    let alerts = &ledger.providers[PROVIDER].alerts;
    assert_eq!(alerts.len(), ALERTS_MAX);
    let is_error =
        |entry: &super::super::ledger::AlertEntry| entry.alert.severity == Severity::Error;
    assert!(alerts.values().all(is_error));
}

/// A status with these conditions: order, node, state, reason.
fn status(conditions: &[(Option<&str>, Option<&str>, ConditionState, Option<Reason>)]) -> Status {
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
    // Gone while a file cannot be read, between two attempts, or not looked at.
    let broken = status(&[(Some("orders/a.yaml"), None, Stalled, invalid)]);
    assert!(!ends(&broken, false));
    for reason in [Reason::BackingOff, Reason::Interrupted, Reason::NotSelected] {
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
