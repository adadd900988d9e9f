//! A workflow of Microsoft Teams: an adaptive card. Its bodies end at 28 KiB.

use serde_json::{Value, json};

use super::super::escape::{markdown, short};
use crate::conclude::alerts::{AlertMessage, Tone};

const ITEMS_MOST: usize = 8;

const TEXT_MOST: usize = 240;

pub(in crate::notifications) fn body(message: &AlertMessage) -> Value {
    let text = message.text(ITEMS_MOST);
    let mut blocks = vec![json!({
        "type": "TextBlock",
        "text": markdown(&text.title),
        "weight": "Bolder",
        "size": "Medium",
        "color": color(text.tone),
        "wrap": true,
    })];
    for item in &text.items {
        let heads = item.head.iter().map(|head| {
            let head = markdown(&short(head, TEXT_MOST));
            json!({
                "type": "TextBlock",
                "text": match &item.link {
                    Some(link) => format!("[{head}]({link})"),
                    None => head,
                },
                "weight": "Bolder",
                "color": color(item.tone),
                "wrap": true,
                "separator": true,
            })
        });
        blocks.extend(heads);
        blocks.push(json!({
            "type": "TextBlock",
            "text": markdown(&short(&item.message, TEXT_MOST)),
            "wrap": true,
        }));
        if !item.facts.is_empty() {
            blocks.push(json!({"type": "FactSet", "facts": facts(&item.facts)}));
        }
    }
    blocks.push(json!({
        "type": "FactSet",
        "facts": facts(&text.footer),
        "separator": true,
    }));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": blocks,
    });
    if let Some(link) = &text.link {
        card["actions"] = json!([
            {"type": "Action.OpenUrl", "title": "Status page", "url": link}
        ]);
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

fn facts(facts: &[(&'static str, String)]) -> Vec<Value> {
    let facts = facts.iter();
    facts
        .map(|(label, value)| json!({"title": label, "value": markdown(&short(value, TEXT_MOST))}))
        .collect()
}

const fn color(tone: Tone) -> &'static str {
    match tone {
        Tone::Error => "Attention",
        Tone::Warning => "Warning",
        Tone::Good => "Good",
    }
}
