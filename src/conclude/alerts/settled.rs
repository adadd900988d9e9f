//! What came of sending a message.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::alert::cut;
use super::ledger::{AlertEnd, AlertEntry, AlertLedger, ProviderLedger, ToldAlert};
use super::message::{AlertEvent, AlertMessage, EventKind};
use crate::conclude::memory::wait;

/// The first wait after a message that did not arrive; it doubles with each.
const RETRY_FIRST: Duration = Duration::from_secs(30);

/// The longest of these waits.
const RETRY_MOST: Duration = Duration::from_secs(60 * 60);

/// The longest wait that a receiver can ask for.
const WISH_MOST: SignedDuration = SignedDuration::from_hours(6);

/// So many bytes of an error are kept.
const ERROR_MAX: usize = 500;

/// The ledger after a message arrived. What happened while it was sent stays.
#[must_use]
pub fn delivered(
    mut ledger: AlertLedger,
    provider: &str,
    message: &AlertMessage,
    now: Timestamp,
) -> AlertLedger {
    let Some(known) = ledger.providers.get_mut(provider) else {
        return ledger;
    };
    for event in &message.events {
        settle(known, event, now);
    }
    known.failures = 0;
    known.retry_at = None;
    known.error = None;
    known.delivered_at = Some(now);
    known.delivered = known.delivered.saturating_add(1);
    ledger
}

fn settle(known: &mut ProviderLedger, event: &AlertEvent, now: Timestamp) {
    let key = &event.alert.key;
    let told = ToldAlert {
        at: now,
        severity: event.alert.severity,
        reason: event.alert.reason.clone(),
        count: event.told + 1,
    };
    match (event.kind, known.alerts.get_mut(key)) {
        (EventKind::Recovery, Some(entry)) if entry.ended.is_some() => {
            known.alerts.remove(key);
        }
        // It failed again while its recovery was sent: that is a new failure.
        (EventKind::Recovery, Some(entry)) => {
            entry.told = None;
            entry.first_seen = now;
        }
        (EventKind::Recovery, None) => {}
        (EventKind::Failure | EventKind::Reminder, Some(entry)) => entry.told = Some(told),
        // It recovered while its failure was sent, which was therefore forgotten.
        (EventKind::Failure | EventKind::Reminder, None) => {
            let entry = AlertEntry {
                alert: event.alert.clone(),
                first_seen: event.first_seen,
                is_unsure: false,
                told: Some(told),
                ended: Some(AlertEnd {
                    at: now,
                    outcome: "over by the time it was told".to_owned(),
                }),
            };
            known.alerts.insert(key.clone(), entry);
        }
    }
}

/// The ledger after a message did not arrive; `wish` is how long the receiver asks to wait.
#[must_use]
pub fn refused(
    mut ledger: AlertLedger,
    provider: &str,
    error: &str,
    wish: Option<Duration>,
    now: Timestamp,
) -> AlertLedger {
    let Some(known) = ledger.providers.get_mut(provider) else {
        return ledger;
    };
    known.failures = known.failures.saturating_add(1);
    known.failed = known.failed.saturating_add(1);
    let own = wait(provider, known.failures, RETRY_FIRST, RETRY_MOST);
    let own = SignedDuration::try_from(own).unwrap_or(WISH_MOST);
    let wish = wish.and_then(|wish| SignedDuration::try_from(wish).ok());
    let pause = own.max(wish.unwrap_or_default().min(WISH_MOST));
    known.retry_at = now.checked_add(pause).ok();
    let mut error = error.to_owned();
    cut(&mut error, ERROR_MAX);
    known.error = Some(error);
    ledger
}
