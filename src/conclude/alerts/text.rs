//! A message in words: a title, and paragraphs that every form is made of.

use jiff::{SignedDuration, Timestamp};

use super::alert::{Alert, Severity};
use super::message::{AlertEvent, AlertGroup, AlertMessage, EventKind, Sender};
use crate::model::visible;

/// A title has at most so many characters: it is what a phone shows.
const TITLE_MAX: usize = 120;

/// So many orders are named; the others are counted.
const ORDERS_SHOWN: usize = 5;

/// How a message looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something needs an operator.
    Error,
    /// Something is retried.
    Warning,
    /// Everything in it is over.
    Good,
}

/// A message in words, without the marks of any form. Each text is one line, whatever was
/// in what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageText {
    /// What happened, on one short line.
    pub title: String,
    /// How it looks.
    pub tone: Tone,
    /// What is told, the worst first.
    pub items: Vec<TextItem>,
    /// Who tells it: label and value.
    pub footer: Vec<(&'static str, String)>,
    /// Where to look: the page of the only thing that is told, or the first page.
    pub link: Option<String>,
}

/// One thing that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextItem {
    /// How it looks.
    pub tone: Tone,
    /// What it is about, with the reason; `None` where the title says it.
    pub head: Option<String>,
    /// What happened.
    pub message: String,
    /// Label and value.
    pub facts: Vec<(&'static str, String)>,
    /// The page of the order or the node.
    pub link: Option<String>,
}

impl AlertMessage {
    /// The message in words; of more than `most` causes the rest is counted.
    pub fn text(&self, most: usize) -> MessageText {
        let groups = self.groups();
        let mut items: Vec<TextItem> = groups
            .iter()
            .take(most)
            .map(|group| item(group, &self.sender, self.at))
            .collect();
        let mut link = self.sender.page.clone();
        if let [only] = items.as_mut_slice() {
            only.head = None;
            link = only.link.take().or(link);
        }
        let more = groups.len().saturating_sub(items.len());
        if more > 0 {
            items.push(TextItem {
                tone: tone(groups[most].event),
                head: Some(format!("and {more} more")),
                message: "`talos-order status` lists everything".to_owned(),
                facts: Vec::new(),
                link: None,
            });
        }
        let mut footer = Vec::new();
        if let Some(revision) = &self.sender.revision {
            footer.push(("Revision", revision.clone()));
        }
        footer.push(("Controller", self.sender.controller.clone()));
        for item in &mut items {
            for text in item.head.iter_mut().chain([&mut item.message]) {
                *text = visible(text).into_owned();
            }
        }
        let facts = items.iter_mut().flat_map(|item| &mut item.facts);
        for (_, value) in facts.chain(&mut footer) {
            *value = visible(value).into_owned();
        }
        MessageText {
            title: visible(&self.title(&groups)).into_owned(),
            tone: match self.worst() {
                Some(Severity::Error) => Tone::Error,
                Some(Severity::Warning) => Tone::Warning,
                None => Tone::Good,
            },
            items,
            footer,
            link,
        }
    }

    fn title(&self, groups: &[AlertGroup<'_>]) -> String {
        let controller = &self.sender.controller;
        let text = match groups {
            [group] => format!("{}: {}", word(group.event), subject(group)),
            _ => {
                let count = |what: &dyn Fn(&AlertEvent) -> bool| {
                    groups.iter().filter(|group| what(group.event)).count()
                };
                let is = |kind, severity| {
                    move |event: &AlertEvent| event.kind == kind && event.alert.severity == severity
                };
                let counts = [
                    (count(&is(EventKind::Failure, Severity::Error)), "error"),
                    (count(&is(EventKind::Failure, Severity::Warning)), "warning"),
                    (
                        count(&|event| event.kind == EventKind::Reminder),
                        "reminder",
                    ),
                    (
                        count(&|event| event.kind == EventKind::Recovery),
                        "recovered",
                    ),
                ];
                let parts = counts.iter().filter(|(count, _)| *count > 0);
                let parts = parts.map(|(count, noun)| match (*count, *noun) {
                    (count, "recovered") => format!("{count} recovered"),
                    (1, noun) => format!("1 {noun}"),
                    (count, noun) => format!("{count} {noun}s"),
                });
                parts.collect::<Vec<_>>().join(", ")
            }
        };
        let text = match self.is_sample() {
            true => format!("Test: {text}"),
            false => text,
        };
        let title = format!("[{controller}] {text}");
        match title.chars().count() {
            ..=TITLE_MAX => title,
            _ => title.chars().take(TITLE_MAX - 1).chain(['…']).collect(),
        }
    }
}

fn tone(event: &AlertEvent) -> Tone {
    match (event.kind, event.alert.severity) {
        (EventKind::Recovery, _) => Tone::Good,
        (_, Severity::Error) => Tone::Error,
        (_, Severity::Warning) => Tone::Warning,
    }
}

fn word(event: &AlertEvent) -> &'static str {
    match (event.kind, event.alert.severity) {
        (EventKind::Recovery, _) => "Recovered",
        (EventKind::Reminder, Severity::Error) => "Still an error",
        (EventKind::Reminder, Severity::Warning) => "Still a warning",
        (EventKind::Failure, Severity::Error) => "Error",
        (EventKind::Failure, Severity::Warning) => "Warning",
    }
}

/// What it is about, with the reason.
fn subject(group: &AlertGroup<'_>) -> String {
    let Alert {
        node,
        cluster,
        reason,
        key,
        ..
    } = &group.event.alert;
    let mut orders: Vec<&str> = group.orders.clone();
    orders.sort_unstable();
    orders.dedup();
    let order = match orders.as_slice() {
        [] => None,
        // A file whose orders have no ids that could be read.
        [file] if file.ends_with(".yaml") || file.ends_with(".yml") => Some((*file).to_owned()),
        [order] => Some(format!("order {order}")),
        orders => Some(format!("{} orders", orders.len())),
    };
    let what = match (order, node, cluster) {
        (Some(_), Some(node), _) if *key == super::alert::AlertKey::node(node) => {
            format!("node {node}")
        }
        (Some(order), Some(node), _) => format!("{order} on node {node}"),
        (Some(order), None, _) => order,
        (None, Some(node), _) => format!("node {node}"),
        (None, None, Some(cluster)) => format!("cluster {cluster}"),
        (None, None, None) => return reason.clone(),
    };
    format!("{what}: {reason}")
}

fn item(group: &AlertGroup<'_>, sender: &Sender, now: Timestamp) -> TextItem {
    let AlertEvent {
        kind, alert, end, ..
    } = group.event;
    let head = Some(format!("{}: {}", word(group.event), subject(group)));
    let mut facts = Vec::new();
    if group.orders.len() > 1 {
        let mut orders = group.orders.clone();
        orders.sort_unstable();
        orders.dedup();
        let more = orders.len().saturating_sub(ORDERS_SHOWN);
        let mut text = orders[..orders.len().min(ORDERS_SHOWN)].join(", ");
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        facts.push(("Orders", text));
    }
    if let Some(site) = &alert.site {
        facts.push(("Site", site.to_string()));
    }
    let message = match (kind, end) {
        (EventKind::Recovery, Some((at, outcome))) => {
            let lasted = lasted(at.duration_since(alert.since));
            facts.push(("Failed", format!("{} (for {lasted})", shown(alert.since))));
            facts.push(("Was", alert.message.clone()));
            outcome.clone()
        }
        _ => {
            let lasted = lasted(now.duration_since(alert.since));
            facts.push(("State", alert.state.clone()));
            facts.push(("Since", format!("{} ({lasted})", shown(alert.since))));
            if let Some(hint) = &alert.hint {
                facts.push(("To do", hint.clone()));
            }
            alert.message.clone()
        }
    };
    TextItem {
        tone: tone(group.event),
        head,
        message,
        facts,
        // Several orders with the same cause have no page of their own.
        link: match group.orders.as_slice() {
            [_, _, ..] if alert.key.is_of_order() => None,
            _ => sender.page_of(alert),
        },
    }
}

/// A time that says its zone.
fn shown(at: Timestamp) -> String {
    at.strftime("%F %H:%M UTC").to_string()
}

/// A length of time in the unit that a user would choose.
fn lasted(length: SignedDuration) -> String {
    let (count, noun) = match length.as_secs().max(0) {
        seconds @ 0..120 => (seconds, "second"),
        seconds @ 120..7200 => (seconds / 60, "minute"),
        seconds @ 7200..172_800 => (seconds / 3600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

impl MessageText {
    /// Plain text: everything but the title.
    pub fn plain(&self) -> String {
        let mut text = String::new();
        for item in &self.items {
            for line in item.head.iter().chain([&item.message]) {
                text.push_str(&format!("{line}\n"));
            }
            for (label, value) in &item.facts {
                text.push_str(&format!("{label}: {value}\n"));
            }
            if let Some(link) = &item.link {
                text.push_str(&format!("{link}\n"));
            }
            text.push('\n');
        }
        for (label, value) in &self.footer {
            text.push_str(&format!("{label}: {value}\n"));
        }
        if let Some(link) = &self.link {
            text.push_str(&format!("{link}\n"));
        }
        text
    }
}
