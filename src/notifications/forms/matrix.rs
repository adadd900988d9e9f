//! Matrix: a text, and the same as HTML. It mentions nobody.

use serde_json::{Value, json};

use super::super::escape::{plain, short};
use super::mail;
use crate::conclude::alerts::AlertMessage;

/// An event has 64 KiB, with both forms of the text.
const PLAIN_MOST: usize = 16 << 10;

/// Bytes of one text of the other form, before it is escaped.
const TEXT_MOST: usize = 300;

const ITEMS_MOST: usize = 5;

pub(in crate::notifications) fn body(message: &AlertMessage) -> Value {
    let text = message.text(ITEMS_MOST);
    let words = text.plain();
    let lines: Vec<String> = words.trim_end().lines().map(plain).collect();
    let title = plain(&text.title);
    json!({
        "msgtype": "m.text",
        "body": short(&format!("{title}\n\n{}", lines.join("\n")), PLAIN_MOST),
        "format": "org.matrix.custom.html",
        "formatted_body": mail::fragment(&text, TEXT_MOST),
        "m.mentions": {},
    })
}
