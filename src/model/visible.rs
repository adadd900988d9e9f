//! Text of others, made fit for a terminal, a log and a manifest.
//!
//! File names, orders, answers of servers and of nodes may hold characters that
//! do something instead of being seen: they move the cursor, start a line of their
//! own, or turn the direction of writing so that a name reads as another. Each of
//! them is shown as its code here. This is the one place that says which they are.

use std::borrow::Cow;
use std::path::Path;

/// The text on one line, with every character that would not be seen as its code.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c.is_control() || is_invisible(c))
}

/// The same for a text that may have several lines: line feeds stay.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && (c.is_control() || is_invisible(c)))
}

/// A path as messages give it.
pub fn visible_path(path: &Path) -> String {
    visible(&path.to_string_lossy()).into_owned()
}

/// True for a character that is not seen and changes how others are: marks and
/// overrides of the direction, zero-width spaces, separators of lines, byte order
/// marks, tags. The joiners U+200C and U+200D are letters' business in some scripts
/// and stay.
pub const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

fn escaped(text: &str, escape: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&escape) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' if escape(c) => shown.push_str("\\n"),
            '\t' if escape(c) => shown.push_str("\\t"),
            '\r' if escape(c) => shown.push_str("\\r"),
            c if escape(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_shown_as_its_code() {
        for (text, shown) in [
            ("plain name.yaml", "plain name.yaml"),
            ("Müller 名前 שלום", "Müller 名前 שלום"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("gnp.\u{202e}lmay", "gnp.\\u{202e}lmay"),
            (
                "\u{feff}a\u{200b}b\u{2066}c",
                "\\u{feff}a\\u{200b}b\\u{2066}c",
            ),
            ("\u{9b}31m", "\\u{9b}31m"),
        ] {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(visible_lines("a\nb\u{1b}c"), "a\nb\\u{1b}c");
        assert_eq!(visible_path(Path::new("/o/a\nb")), "/o/a\\nb");
    }
}
