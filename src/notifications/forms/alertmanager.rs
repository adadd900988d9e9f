//! Alertmanager, version 2 of its API: one alert for each event.
//!
//! Alertmanager ends an alert by itself at `endsAt`, and where that is missing after its own
//! `resolve_timeout`. What fires is therefore said to end a day later and is repeated every
//! few minutes: a controller that is restarted, or a run from a timer, ends nothing. The
//! labels are what tells alerts apart, so one whose labels have changed is ended under its
//! old ones.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::super::escape::short;
use crate::conclude::alerts::{AlertEvent, AlertMessage, EventKind, Sender, Severity};
use crate::model::visible;

/// Bytes of a label.
const LABEL_MOST: usize = 500;

/// How long an alert is valid without a word from here.
const VALID: SignedDuration = SignedDuration::from_hours(24);

/// The same for a sample, which nobody ends.
const VALID_SAMPLE: SignedDuration = SignedDuration::from_mins(5);

pub(in crate::notifications) fn body(message: &AlertMessage) -> Value {
    let valid = match message.is_sample() {
        true => VALID_SAMPLE,
        false => VALID,
    };
    let mut alerts = Vec::new();
    for event in &message.events {
        let current = (event.alert.severity, event.alert.reason.as_str());
        let was = event
            .was
            .as_ref()
            .map(|(severity, reason)| (*severity, reason.as_str()));
        let (end, told) = match (&event.end, event.kind) {
            (Some((end, _)), EventKind::Recovery) => (*end, was.unwrap_or(current)),
            _ => (
                message.at.saturating_add(valid).unwrap_or(Timestamp::MAX),
                current,
            ),
        };
        alerts.push(alert(event, told, end, &message.sender));
        if let (Some(was), false) = (was, event.kind == EventKind::Recovery) {
            alerts.push(alert(event, was, message.at, &message.sender));
        }
    }
    Value::Array(alerts)
}

fn alert(
    event: &AlertEvent,
    (severity, reason): (Severity, &str),
    end: Timestamp,
    sender: &Sender,
) -> Value {
    let alert = &event.alert;
    let mut labels = Map::new();
    let mut label = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            labels.insert(name.to_owned(), json!(short(&visible(&value), LABEL_MOST)));
        }
    };
    label("alertname", Some("TalosOrderNotReady".to_owned()));
    label("severity", Some(severity.to_string()));
    label("reason", Some(reason.to_owned()));
    label("controller", Some(sender.controller.clone()));
    label("key", Some(alert.key.to_string()));
    label("node", alert.node.as_ref().map(ToString::to_string));
    label("site", alert.site.as_ref().map(ToString::to_string));
    label("cluster", alert.cluster.as_ref().map(ToString::to_string));
    // Of a node the orders change while it is the same alert.
    let order = alert.orders.first().filter(|_| alert.key.is_of_order());
    label("order", order.cloned());
    let mut annotations = Map::new();
    let mut annotation = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            annotations.insert(name.to_owned(), json!(short(&visible(&value), 1000)));
        }
    };
    let about: Vec<&str> = alert.orders.iter().map(String::as_str).collect();
    annotation("summary", Some(format!("{}: {}", alert.key, alert.reason)));
    annotation("description", Some(alert.message.clone()));
    annotation("hint", alert.hint.clone());
    annotation("state", Some(alert.state.clone()));
    annotation("orders", (!about.is_empty()).then(|| about.join(", ")));
    annotation("revision", sender.revision.clone());
    let start = alert.since.min(end);
    let mut value = json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": start.to_string(),
        "endsAt": end.to_string(),
    });
    if let Some(page) = sender.page_of(alert).or_else(|| sender.page.clone()) {
        value["generatorURL"] = json!(page);
    }
    value
}
