//! One controller, one receiver, and time as a number.

mod laws;
mod runs;
mod scans;
mod words;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::alert::{Alert, AlertKey, Severity};
use super::finding::Finding;
use super::rule::{AlertRule, Habit, Routes};
use super::scan::AlertScan;

const PROVIDER: &str = "chat";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// Everything goes to one provider; what is retried is told after five minutes, and
/// everything again after an hour.
fn routes() -> Routes {
    Routes {
        providers: BTreeMap::from([(PROVIDER.to_owned(), Habit::default())]),
        rules: vec![rule()],
    }
}

fn rule() -> AlertRule {
    AlertRule {
        providers: Vec::new(),
        orders: Vec::new(),
        nodes: Vec::new(),
        sites: Vec::new(),
        severities: Vec::new(),
        reasons: Vec::new(),
        reminder: Some(SignedDuration::from_mins(60)),
        after: SignedDuration::from_mins(5),
    }
}

fn alert(order: &str, severity: Severity, since: Timestamp) -> Alert {
    let mut alert = Alert::sample(since);
    alert.key = AlertKey::order(order);
    alert.orders = [order.to_owned()].into();
    alert.severity = severity;
    alert.is_retried = severity == Severity::Warning;
    alert.message = format!("{order} fails");
    alert
}

fn firing(alert: Alert) -> (AlertKey, Finding) {
    (alert.key.clone(), Finding::Firing(Box::new(alert)))
}

fn fine(order: &str) -> (AlertKey, Finding) {
    (AlertKey::order(order), Finding::Fine("in sync".to_owned()))
}

fn found(findings: impl IntoIterator<Item = (AlertKey, Finding)>) -> AlertScan {
    AlertScan {
        found: findings.into_iter().collect(),
        rest_is_unknown: true,
        orders_are_unknown: false,
        notices_are_unknown: true,
        revision: None,
    }
}
