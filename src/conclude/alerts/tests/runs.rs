//! Single cases: what is lost, restored, sent twice, or too much.

use jiff::{SignedDuration, Timestamp};

use super::super::alert::Severity;
use super::super::due::{DueMessage, due};
use super::super::ledger::{ALERTS_MAX, AlertLedger};
use super::super::message::{AlertMessage, EventKind, Sender};
use super::super::record::record;
use super::super::rule::{Habit, Routes};
use super::super::settled::{delivered, refused};
use super::{PROVIDER, alert, at, fine, firing, found, routes, rule};

pub(super) fn message(
    ledger: &AlertLedger,
    routes: &Routes,
    now: Timestamp,
) -> Option<AlertMessage> {
    match due(ledger, PROVIDER, routes, &Sender::default(), now) {
        DueMessage::Now(message) => Some(*message),
        DueMessage::At(_) | DueMessage::Never => None,
    }
}

pub(super) fn events(message: &AlertMessage) -> Vec<(EventKind, String)> {
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
fn what_is_counted_says_whether_messages_arrive() {
    let numbers = |ledger: &AlertLedger| ledger.numbers([PROVIDER])[PROVIDER];
    let error = firing(alert("a", Severity::Error, at(0)));
    let ledger = record(&AlertLedger::default(), &found([error]), &routes(), at(0));
    let ledger = refused(ledger, PROVIDER, "it is down", None, at(1));
    let is_down = numbers(&ledger);
    assert_eq!((is_down.delivered, is_down.failed), (0, 1));
    assert!(is_down.is_failing && is_down.pending == 1);
    // It is over before anybody heard of it: no attempt is left that could succeed.
    let over = record(&ledger, &found([fine("a")]), &routes(), at(2));
    assert_eq!((numbers(&over).failed, numbers(&over).pending), (1, 0));
    assert!(!numbers(&over).is_failing);
    let first = message(&ledger, &routes(), at(4000)).unwrap();
    let ledger = delivered(ledger, PROVIDER, &first, at(4000));
    let arrived = numbers(&ledger);
    assert_eq!((arrived.delivered, arrived.failed), (1, 1));
    assert!(!arrived.is_failing && arrived.pending == 0);
    // One that was configured just now has numbers, and one that is gone has none.
    let others = ledger.numbers(["new"]);
    assert_eq!(others.into_keys().collect::<Vec<_>>(), ["new"]);
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

#[test]
fn a_receiver_that_forgets_hears_of_it_every_few_minutes_whatever_the_rule_says() {
    let mut routes = routes();
    routes.rules[0].reminder = None;
    let habit = Habit {
        repeat: Some(SignedDuration::from_mins(5)),
        most: Some(2),
    };
    routes.providers.insert(PROVIDER.to_owned(), habit);
    let three = ["a", "b", "c"].map(|order| firing(alert(order, Severity::Error, at(0))));
    let mut ledger = record(&AlertLedger::default(), &found(three), &routes, at(0));
    let told = |ledger: &mut AlertLedger, now: Timestamp| {
        let mut sizes = Vec::new();
        while let Some(message) = message(ledger, &routes, now) {
            sizes.push(message.events.len());
            *ledger = delivered(std::mem::take(ledger), PROVIDER, &message, now);
        }
        sizes
    };
    assert_eq!(told(&mut ledger, at(0)), [2, 1]);
    assert_eq!(told(&mut ledger, at(299)), [0; 0]);
    assert_eq!(told(&mut ledger, at(300)), [2, 1]);
    // Also of what no rule is for any more, until it is over.
    let mut none = routes.clone();
    none.rules.clear();
    let next = due(&ledger, PROVIDER, &none, &Sender::default(), at(300));
    assert_eq!(next, DueMessage::At(at(600)));
}
