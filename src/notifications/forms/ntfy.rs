//! ntfy: plain text with a priority. More than 4096 bytes would become an attachment.

use serde_json::{Value, json};

use super::super::escape::{plain, short};
use crate::conclude::alerts::{AlertMessage, Tone};

/// Bytes of the text.
const MESSAGE_MOST: usize = 3800;

pub(in crate::notifications) fn body(message: &AlertMessage, topic: &str) -> Value {
    let text = message.text(5);
    let words = text.plain();
    let lines: Vec<String> = words.trim_end().lines().map(plain).collect();
    let (priority, tag) = match text.tone {
        Tone::Error => (4, "rotating_light"),
        Tone::Warning => (3, "warning"),
        Tone::Good => (3, "white_check_mark"),
    };
    let mut body = json!({
        "topic": topic,
        "title": plain(&text.title),
        "message": short(&lines.join("\n"), MESSAGE_MOST),
        "priority": priority,
        "tags": [tag],
    });
    if let Some(link) = &text.link {
        body["click"] = json!(link);
    }
    body
}
