//! Characters that look like blanks or quotes and are none for YAML.
//!
//! They come with text that is copied from web pages, chats and office programs. The
//! parser either stumbles over them at some other place or takes them for part of a
//! word, and nobody can see why.

/// What helps against them.
pub(super) const HINT: &str = "retype the whitespace; text copied from web pages and office programs often contains other characters";
/// What helps against typographic quotes.
pub(super) const QUOTES_HINT: &str =
    "write straight quotes, \" or '; typographic ones are part of the text";

/// What a character is called that is taken for a blank, or not seen at all, and is
/// none that YAML knows.
pub(super) const fn name_of(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{a0}' => "a no-break space",
        '\u{202f}' => "a narrow no-break space",
        '\u{3000}' => "an ideographic space",
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{205f}' => "a typographic space",
        '\u{200b}' => "a zero-width space",
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            "a mark for the direction of writing"
        }
        '\u{2060}' => "a word joiner",
        '\u{feff}' => "a byte order mark",
        '\u{85}' | '\u{2028}' | '\u{2029}' => "a line separator",
        _ => return None,
    })
}

/// True for a quote that word processors write.
pub(super) const fn is_smart_quote(c: char) -> bool {
    matches!(c, '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}')
}

/// What a text holds that was probably not meant, as words for a message.
pub(super) fn hint_for(text: &str) -> Option<String> {
    if let Some((c, name)) = first_in(text) {
        return Some(format!(
            "the text contains {name} (U+{:04X}); {HINT}",
            u32::from(c)
        ));
    }
    let quoted = text.starts_with(is_smart_quote) || text.ends_with(is_smart_quote);
    quoted.then(|| QUOTES_HINT.to_owned())
}

/// The first such blank of a text, with its name.
pub(super) fn first_in(text: &str) -> Option<(char, &'static str)> {
    text.chars().find_map(|c| Some((c, name_of(c)?)))
}
