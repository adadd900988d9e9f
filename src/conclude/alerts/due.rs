//! What is to be sent to a provider now.

use jiff::{SignedDuration, Timestamp};

use super::ledger::{AlertEntry, AlertLedger};
use super::message::{AlertEvent, AlertMessage, EventKind, Sender};
use super::rule::Routes;

/// What is to be done for a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueMessage {
    /// Send this.
    Now(Box<AlertMessage>),
    /// Nothing before this time.
    At(Timestamp),
    /// Nothing before another run.
    Never,
}

/// What is to be sent to a provider now, or when to ask again.
pub fn due(
    ledger: &AlertLedger,
    provider: &str,
    routes: &Routes,
    sender: &Sender,
    now: Timestamp,
) -> DueMessage {
    let Some(known) = ledger.providers.get(provider) else {
        return DueMessage::Never;
    };
    let mut next: Option<Timestamp> = None;
    let mut events = Vec::new();
    for entry in known.alerts.values() {
        match of_entry(entry, provider, routes) {
            Some((kind, at)) if at <= now => events.push(event(entry, kind)),
            Some((_, at)) => next = Some(next.map_or(at, |next| next.min(at))),
            None => {}
        }
    }
    if events.is_empty() {
        return next.map_or(DueMessage::Never, DueMessage::At);
    }
    if let Some(retry_at) = known.retry_at.filter(|at| *at > now) {
        return DueMessage::At(retry_at);
    }
    let sender = Sender {
        revision: sender.revision.clone().or_else(|| ledger.revision.clone()),
        ..sender.clone()
    };
    let mut message = AlertMessage::new(provider, events, sender.clone(), now);
    if let Some(most) = routes.habit(provider).most
        && message.events.len() > most
    {
        message.events.truncate(most);
        message = AlertMessage::new(provider, message.events, sender, now);
    }
    DueMessage::Now(Box::new(message))
}

/// What is to be told of an alert, and when.
fn of_entry(entry: &AlertEntry, provider: &str, routes: &Routes) -> Option<(EventKind, Timestamp)> {
    let Some(told) = &entry.told else {
        if entry.is_unsure || entry.ended.is_some() {
            return None;
        }
        let rule = routes.of(provider, &entry.alert)?;
        let wait = match entry.alert.is_retried {
            true => rule.after,
            false => SignedDuration::ZERO,
        };
        return Some((EventKind::Failure, later(entry.first_seen, wait)));
    };
    if entry.ended.is_some() {
        return Some((EventKind::Recovery, Timestamp::MIN));
    }
    let rule = routes.of(provider, &entry.alert);
    if entry.alert.severity > told.severity && rule.is_some() {
        return Some((EventKind::Failure, Timestamp::MIN));
    }
    // A provider that forgets has to hear of it also where the rules have changed.
    let wait = match routes.habit(provider).repeat {
        Some(repeat) => repeat,
        None => rule?.reminder?,
    };
    Some((EventKind::Reminder, later(told.at, wait)))
}

fn event(entry: &AlertEntry, kind: EventKind) -> AlertEvent {
    let alert = &entry.alert;
    let was = entry.told.as_ref().and_then(|told| {
        let is_other = told.severity != alert.severity || told.reason != alert.reason;
        is_other.then(|| (told.severity, told.reason.clone()))
    });
    AlertEvent {
        kind,
        alert: alert.clone(),
        first_seen: entry.first_seen,
        told: entry.told.as_ref().map_or(0, |told| told.count),
        was,
        end: entry
            .ended
            .as_ref()
            .map(|end| (end.at, end.outcome.clone())),
    }
}

fn later(from: Timestamp, wait: SignedDuration) -> Timestamp {
    from.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
