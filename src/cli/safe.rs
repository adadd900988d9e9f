//! The last door before a terminal or a log.
//!
//! Text of others is made safe where it is read. That there is one more check at the
//! way out keeps a forgotten place from being a hole: whatever is printed may colour a
//! terminal and nothing else.

use std::borrow::Cow;

use crate::model::{is_invisible, visible_lines};

/// A text in which only colours and line ends do something.
pub(super) fn terminal(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| c != '\n' && (c.is_control() || is_invisible(c))) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        safe.push_str(&visible_lines(&rest[..at]));
        let length = color_length(&rest[at..]);
        match length {
            0 => safe.push_str("\\u{1b}"),
            length => safe.push_str(&rest[at..at + length]),
        }
        rest = &rest[at + length.max(1)..];
    }
    safe.push_str(&visible_lines(rest));
    Cow::Owned(safe)
}

/// How long the sequence at the start is that sets a colour; 0 for any other.
fn color_length(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let end = parameters.find(|c: char| !(c.is_ascii_digit() || c == ';' || c == ':'));
    match end {
        Some(end) if parameters[end..].starts_with('m') => 2 + end + 1,
        _ => 0,
    }
}

/// JSON with the same meaning in which nothing is invisible.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| c != '\n' && (c.is_control() || is_invisible(c));
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_and_line_ends_reach_a_terminal() {
        for (text, safe) in [
            ("plain\ntext\n", "plain\ntext\n"),
            ("\u{1b}[1;31mred\u{1b}[0m\n", "\u{1b}[1;31mred\u{1b}[0m\n"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{1b}", "\\u{1b}"),
            ("\u{1b}[31", "\\u{1b}[31"),
            ("a\rb\u{202e}c\u{9b}1m", "a\\rb\\u{202e}c\\u{9b}1m"),
        ] {
            assert_eq!(terminal(text), safe);
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({"a": "x\u{202e}y\u{7f}\u{9b}z\u{e0041}\n"});
        let written = serde_json::to_string_pretty(&value).unwrap();
        let safe = json(&written);
        assert!(safe.is_ascii(), "{safe}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).unwrap(),
            value
        );
    }
}
