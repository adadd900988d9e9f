//! Text of others, made safe for where it goes.
//!
//! Names and messages come from orders, nodes and upstreams. Nothing in them may mention
//! everybody in a room, become a link or an element, or end a header.

use std::borrow::Cow;

use crate::model::visible;

/// Words after `@` that call everybody somewhere.
const EVERYBODY: [&str; 5] = ["all", "channel", "everyone", "here", "room"];

/// One line with nothing invisible in it, and nobody called: what every form begins with.
pub(super) fn plain(text: &str) -> String {
    let text = visible(text);
    if !text.contains('@') {
        return text.into_owned();
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find('@') {
        safe.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        let lower = rest
            .get(..8.min(rest.len()))
            .unwrap_or(rest)
            .to_ascii_lowercase();
        if EVERYBODY.iter().any(|word| lower.starts_with(word)) {
            // A word joiner: it looks the same and calls nobody.
            safe.push('\u{2060}');
        }
    }
    safe.push_str(rest);
    safe
}

/// For Slack: its three characters of control.
pub(super) fn slack(text: &str) -> String {
    let text = plain(text);
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// For Markdown as Discord and adaptive cards have it: what marks something gets a
/// backslash.
pub(super) fn markdown(text: &str) -> String {
    let text = plain(text);
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if "\\`*_~|>#[]<".contains(c) {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// For HTML, in text and in attributes.
pub(super) fn html(text: &str) -> String {
    let text = plain(text);
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A text of at most so many bytes, cut where a character ends.
pub(super) fn short(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(most.saturating_sub('…'.len_utf8()));
    Cow::Owned(format!("{}…", &text[..end]))
}
