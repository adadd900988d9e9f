//! One message for a provider: everything that is due at once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::alert::{Alert, AlertKey, Severity};
use crate::model::url_part;

/// The longest path of a page that is linked to, in bytes.
const PATH_MAX: usize = 300;

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// It is firing, or got worse.
    Failure,
    /// It is still firing.
    Reminder,
    /// It is over.
    Recovery,
}

impl EventKind {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Reminder => "reminder",
            Self::Recovery => "recovery",
        }
    }
}

/// Something that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertEvent {
    /// What happened.
    pub kind: EventKind,
    /// To what.
    pub alert: Alert,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// How many times it was told before.
    pub told: u32,
    /// The severity and the reason that were told last, where they are others now.
    pub was: Option<(Severity, String)>,
    /// When it ended, and how it is now; of a recovery only.
    pub end: Option<(Timestamp, String)>,
}

/// Who tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sender {
    /// The name of the controller.
    pub controller: String,
    /// The revision of the orders, with what is known of the commit.
    pub revision: Option<String>,
    /// Where the status page is, without a slash at the end.
    pub page: Option<String>,
}

impl Sender {
    /// The page of the order or the node that an alert is about; `None` for what has no
    /// page of its own, or where there are no pages.
    pub fn page_of(&self, alert: &Alert) -> Option<String> {
        let page = self.page.as_ref()?;
        let path = match (alert.orders.first(), &alert.node) {
            (Some(order), _) if alert.key.is_of_order() => format!("orders/{}", url_part(order)),
            (_, Some(node)) => format!("nodes/{}", url_part(node.as_str())),
            _ => return None,
        };
        // The path of a file may be as long as it likes.
        (path.len() <= PATH_MAX).then(|| format!("{page}/{path}"))
    }
}

/// One message for a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertMessage {
    /// The same for every attempt to send the same.
    pub id: String,
    /// When it was made.
    pub at: Timestamp,
    /// Who tells it.
    pub sender: Sender,
    /// What is told, failures first; never empty.
    pub events: Vec<AlertEvent>,
}

/// Events with the same cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertGroup<'a> {
    /// The first of them.
    pub event: &'a AlertEvent,
    /// The orders of all of them.
    pub orders: Vec<&'a str>,
}

impl AlertMessage {
    /// A message for a provider.
    pub(super) fn new(
        provider: &str,
        mut events: Vec<AlertEvent>,
        sender: Sender,
        at: Timestamp,
    ) -> Self {
        events.sort_by(|a, b| {
            let order = |event: &AlertEvent| (event.kind, std::cmp::Reverse(event.alert.severity));
            (order(a), &a.alert.key).cmp(&(order(b), &b.alert.key))
        });
        let mut digest = Sha256::new();
        let mut feed = |text: &str| {
            digest.update(text.len().to_le_bytes());
            digest.update(text);
        };
        feed(provider);
        feed(&sender.controller);
        for event in &events {
            feed(event.kind.as_str());
            feed(&event.alert.key.to_string());
            feed(event.alert.severity.as_str());
            feed(&event.first_seen.to_string());
            feed(&event.told.to_string());
        }
        let id = digest.finalize()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            id,
            at,
            sender,
            events,
        }
    }

    /// A sample for somebody who tries a provider.
    pub fn sample(sender: Sender, at: Timestamp) -> Self {
        let event = AlertEvent {
            kind: EventKind::Failure,
            alert: Alert::sample(at),
            first_seen: at,
            told: 0,
            was: None,
            end: None,
        };
        Self::new("test", vec![event], sender, at)
    }

    /// True for a sample.
    pub fn is_sample(&self) -> bool {
        let sample = AlertKey::sample();
        self.events.iter().any(|event| event.alert.key == sample)
    }

    /// The worst that is firing; `None` if everything in it is over.
    pub fn worst(&self) -> Option<Severity> {
        let events = self.events.iter();
        let firing = events.filter(|event| event.kind != EventKind::Recovery);
        firing.map(|event| event.alert.severity).max()
    }

    /// The events by what they have in common, in their order.
    pub fn groups(&self) -> Vec<AlertGroup<'_>> {
        let mut groups: Vec<AlertGroup<'_>> = Vec::new();
        let mut known: BTreeMap<_, usize> = BTreeMap::new();
        for event in &self.events {
            let alert = &event.alert;
            let outcome = event.end.as_ref().map(|(_, outcome)| outcome);
            let common = (
                event.kind,
                &alert.node,
                &alert.reason,
                &alert.message,
                outcome,
            );
            let at = *known.entry(common).or_insert_with(|| {
                groups.push(AlertGroup {
                    event,
                    orders: Vec::new(),
                });
                groups.len() - 1
            });
            groups[at]
                .orders
                .extend(alert.orders.iter().map(String::as_str));
        }
        groups
    }
}
