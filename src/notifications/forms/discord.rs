//! Discord: one embed for each cause, and nobody is mentioned whatever a text says.

use serde_json::{Value, json};

use super::super::escape::{markdown, short};
use super::ITEMS_MOST;
use crate::conclude::alerts::{AlertMessage, Tone};

/// Discord takes 6000 characters in all embeds together and ten of them; the texts here are
/// counted in bytes, before they are escaped.
const TEXT_MOST: usize = 200;

pub(in crate::notifications) fn body(message: &AlertMessage) -> Value {
    // One is for the footer.
    let text = message.text(ITEMS_MOST - 2);
    let mut embeds: Vec<Value> = text
        .items
        .iter()
        .map(|item| {
            let mut lines = vec![markdown(&short(&item.message, TEXT_MOST))];
            lines.extend(item.facts.iter().map(|(label, value)| {
                format!("**{label}**: {}", markdown(&short(value, TEXT_MOST)))
            }));
            let mut embed = json!({
                "description": short(&lines.join("\n"), 400),
                "color": color(item.tone),
            });
            if let Some(head) = &item.head {
                embed["title"] = json!(short(&markdown(&short(head, 120)), 180));
                embed["url"] = json!(item.link);
            }
            embed
        })
        .collect();
    let footer: Vec<String> = text
        .footer
        .iter()
        .map(|(label, value)| format!("{label}: {}", markdown(&short(value, TEXT_MOST))))
        .collect();
    let mut last = json!({"description": short(&footer.join("\n"), 500)});
    if let Some(link) = &text.link {
        last["title"] = json!("Status page");
        last["url"] = json!(link);
    }
    embeds.push(last);
    json!({
        "content": short(&markdown(&text.title), 500),
        "embeds": embeds,
        "allowed_mentions": {"parse": []},
    })
}

const fn color(tone: Tone) -> u32 {
    match tone {
        Tone::Error => 0x00d7_3a49,
        Tone::Warning => 0x00db_ab09,
        Tone::Good => 0x0028_a745,
    }
}
