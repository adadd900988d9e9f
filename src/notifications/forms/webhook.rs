//! The generic webhook: everything as JSON, in a form that stays.

use aws_lc_rs::hmac;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::conclude::alerts::{AlertMessage, EventKind, Severity, Tone};

/// What a webhook receives.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WebhookBody {
    /// 1, until a field is renamed or removed.
    version: u32,
    /// The same for every attempt to deliver the same message.
    id: String,
    /// The name of the controller.
    controller: String,
    /// When the message was made.
    time: Timestamp,
    /// error, warning, or good where everything in it has recovered.
    status: &'static str,
    /// What happened, on one short line.
    title: String,
    /// The same as plain text.
    text: String,
    /// The revision of the orders, with what is known of the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    /// The address of the status page.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// True for the message of `talos-order notify test`.
    test: bool,
    /// What is told; never empty.
    events: Vec<WebhookEvent>,
}

/// Something that is told.
#[derive(Debug, Serialize, JsonSchema)]
struct WebhookEvent {
    /// failure, reminder or recovery.
    kind: &'static str,
    /// What it is about: the same for a failure and for its recovery.
    key: String,
    /// error or warning.
    severity: &'static str,
    /// Why, in a word, as `talos-order status` has it; RunFailed, Instructions or Notice.
    reason: String,
    /// The state, as `talos-order status` has it.
    state: String,
    /// The orders that it concerns.
    orders: Vec<String>,
    /// The node.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// The site of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    /// The cluster, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    /// What happened.
    message: String,
    /// What can be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Since when it fails.
    since: Timestamp,
    /// When it recovered.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<Timestamp>,
    /// How it is now, of a recovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    /// The address of the page of the order or the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl WebhookBody {
    fn of(message: &AlertMessage) -> Self {
        let text = message.text(20);
        let events = message.events.iter().map(|event| {
            let alert = &event.alert;
            WebhookEvent {
                kind: event.kind.as_str(),
                key: alert.key.to_string(),
                severity: match alert.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                },
                reason: alert.reason.clone(),
                state: alert.state.clone(),
                orders: alert.orders.iter().cloned().collect(),
                node: alert.node.as_ref().map(ToString::to_string),
                site: alert.site.as_ref().map(ToString::to_string),
                cluster: alert.cluster.as_ref().map(ToString::to_string),
                message: alert.message.clone(),
                hint: alert
                    .hint
                    .clone()
                    .filter(|_| event.kind != EventKind::Recovery),
                since: alert.since,
                recovered: event.end.as_ref().map(|(at, _)| *at),
                outcome: event.end.as_ref().map(|(_, outcome)| outcome.clone()),
                url: message.sender.page_of(alert),
            }
        });
        Self {
            version: 1,
            id: message.id.clone(),
            controller: message.sender.controller.clone(),
            time: message.at,
            status: match text.tone {
                Tone::Error => "error",
                Tone::Warning => "warning",
                Tone::Good => "good",
            },
            text: text.plain(),
            title: text.title,
            revision: message.sender.revision.clone(),
            url: message.sender.page.clone(),
            test: message.is_sample(),
            events: events.collect(),
        }
    }
}

pub(in crate::notifications) fn body(message: &AlertMessage) -> Value {
    serde_json::to_value(WebhookBody::of(message)).unwrap_or_else(|_| json!({}))
}

/// `sha256=` and the HMAC of the body, as GitHub signs its own.
pub(in crate::notifications) fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body);
    let hex: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256={hex}")
}
