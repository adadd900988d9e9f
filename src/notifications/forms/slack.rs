//! Slack, and what takes the same: Mattermost, Rocket.Chat. Attachments, since the others
//! know no blocks.

use serde_json::{Value, json};

use super::super::escape::{short, slack};
use super::ITEMS_MOST;
use crate::conclude::alerts::{AlertMessage, Tone};

/// Bytes of one text, before it is escaped: Slack takes 40,000 characters.
const TEXT_MOST: usize = 250;

pub(in crate::notifications) fn body(message: &AlertMessage) -> Value {
    let text = message.text(ITEMS_MOST);
    let attachments: Vec<Value> =
        text.items
            .iter()
            .map(|item| {
                let mut lines = vec![slack(&short(&item.message, TEXT_MOST))];
                lines.extend(item.facts.iter().map(|(label, value)| {
                    format!("*{label}*: {}", slack(&short(value, TEXT_MOST)))
                }));
                let head = item.head.as_deref().unwrap_or(&text.title);
                let head = slack(&short(head, TEXT_MOST));
                let mut attachment = json!({
                    "color": color(item.tone),
                    "fallback": head,
                    "text": lines.join("\n"),
                    "mrkdwn_in": ["text"],
                });
                if item.head.is_some() {
                    attachment["title"] = json!(head);
                    attachment["title_link"] = json!(item.link);
                }
                attachment
            })
            .chain([footer(&text.footer, text.link.as_deref())])
            .collect();
    json!({
        "text": slack(&text.title),
        "attachments": attachments,
    })
}

fn footer(lines: &[(&'static str, String)], link: Option<&str>) -> Value {
    let lines = lines
        .iter()
        .map(|(label, value)| format!("{label}: {}", slack(&short(value, TEXT_MOST))));
    let link = link.map(|link| format!("<{}|Status page>", slack(link)));
    let text: Vec<String> = lines.chain(link).collect();
    let text = text.join("\n");
    json!({"fallback": text, "text": text})
}

const fn color(tone: Tone) -> &'static str {
    match tone {
        Tone::Error => "danger",
        Tone::Warning => "warning",
        Tone::Good => "good",
    }
}
