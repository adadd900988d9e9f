//! A run, taken into the ledger.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::alert::{Alert, AlertKey};
use super::finding::Finding;
use super::ledger::{ALERTS_MAX, AlertEnd, AlertEntry, AlertLedger, ProviderLedger};
use super::rule::Routes;
use super::scan::AlertScan;

/// No receiver is waited for longer, whatever it or a clock that was set says.
const RETRY_MOST: SignedDuration = SignedDuration::from_hours(24);

/// The ledger after a run. Providers that are no longer configured are forgotten.
#[must_use]
pub fn record(
    ledger: &AlertLedger,
    scan: &AlertScan,
    routes: &Routes,
    now: Timestamp,
) -> AlertLedger {
    let providers = routes.providers.keys().map(|name| {
        let before = ledger.providers.get(name).cloned().unwrap_or_default();
        (name.clone(), of_provider(before, name, scan, routes, now))
    });
    AlertLedger {
        providers: providers.collect(),
        revision: scan.revision.clone(),
    }
}

fn of_provider(
    before: ProviderLedger,
    name: &str,
    scan: &AlertScan,
    routes: &Routes,
    now: Timestamp,
) -> ProviderLedger {
    let mut alerts: BTreeMap<AlertKey, AlertEntry> = BTreeMap::new();
    for (key, entry) in before.alerts {
        let found = scan.of(&entry.alert);
        let entry = not_later_than(entry, now);
        if let Some(entry) = carried(entry, found, now) {
            // Nobody is told of what no rule is for any more; who was told hears the end.
            if entry.told.is_some() || routes.of(name, &entry.alert).is_some() {
                alerts.insert(key, entry);
            }
        }
    }
    let mut fresh: Vec<&Alert> = scan
        .found
        .values()
        .filter_map(|found| match found {
            Finding::Firing(alert) => Some(&**alert),
            Finding::Fine(_) | Finding::Covered | Finding::Unknown => None,
        })
        .filter(|alert| !alerts.contains_key(&alert.key) && routes.of(name, alert).is_some())
        .collect();
    fresh.sort_by(|a, b| (b.severity, &a.key).cmp(&(a.severity, &b.key)));
    let room = ALERTS_MAX.saturating_sub(alerts.len());
    for alert in fresh.into_iter().take(room) {
        let entry = AlertEntry {
            alert: Alert {
                since: alert.since.min(now),
                ..alert.clone()
            },
            first_seen: now,
            is_unsure: false,
            told: None,
            ended: None,
        };
        alerts.insert(alert.key.clone(), entry);
    }
    ProviderLedger {
        alerts,
        retry_at: before.retry_at.map(|at| at.min(now + RETRY_MOST)),
        ..before
    }
}

/// The entry after a run that found this; `None` where there is nothing left to be told.
fn carried(mut entry: AlertEntry, found: Finding, now: Timestamp) -> Option<AlertEntry> {
    match found {
        Finding::Firing(alert) => {
            entry.is_unsure = false;
            // It came back before anybody heard that it was over.
            entry.ended = None;
            entry.alert = Alert {
                since: alert.since.min(entry.alert.since),
                ..*alert
            };
        }
        Finding::Fine(outcome) => {
            entry.told.as_ref()?;
            entry.ended.get_or_insert(AlertEnd { at: now, outcome });
        }
        // Who was told hears of the end when it is there.
        Finding::Covered => {
            entry.told.as_ref()?;
        }
        Finding::Unknown => entry.is_unsure = true,
    }
    Some(entry)
}

/// A clock that was set back must not make anything wait until the old time is reached.
fn not_later_than(mut entry: AlertEntry, now: Timestamp) -> AlertEntry {
    entry.first_seen = entry.first_seen.min(now);
    entry.alert.since = entry.alert.since.min(now);
    if let Some(told) = &mut entry.told {
        told.at = told.at.min(now);
    }
    entry
}
