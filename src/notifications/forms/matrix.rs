//! Matrix: a text, and the same as HTML. It mentions nobody.

use serde_json::{Value, json};

use super::super::escape::{plain, short};
use super::ITEMS_MOST;
use super::mail;
use crate::conclude::alerts::AlertMessage;

/// Bytes of the text: an event has 64 KiB, with both forms of it.
const TEXT_MOST: usize = 16 << 10;

pub(in crate::notifications) fn body(message: &AlertMessage) -> Value {
    let text = message.text(ITEMS_MOST);
    let words = text.plain();
    let lines: Vec<String> = words.trim_end().lines().map(plain).collect();
    let title = plain(&text.title);
    json!({
        "msgtype": "m.text",
        "body": short(&format!("{title}\n\n{}", lines.join("\n")), TEXT_MOST),
        "format": "org.matrix.custom.html",
        "formatted_body": mail::fragment(&text),
        "m.mentions": {},
    })
}
