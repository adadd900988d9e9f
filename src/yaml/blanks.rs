//! Characters that look like blanks or quotes and are none for YAML.
//!
//! They come with text that is copied from web pages, chats and office programs. The
//! parser either stumbles over them at some other place or takes them for part of a
//! word, and nobody can see why.

use super::source::{Source, Span};

/// What helps against them.
pub(super) const HINT: &str =
    "type the blanks anew; text copied from web pages and office programs often has others";
/// What helps against typographic quotes.
pub(super) const QUOTES_HINT: &str =
    "write straight quotes, \" or '; typographic ones are part of the text";
/// What helps against tabs.
const TAB_HINT: &str = "indent with spaces; YAML does not accept tabs";

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
            "the text holds {name} (U+{:04X}); {HINT}",
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

/// Something near a place where the parser stumbled that explains it better.
pub(super) struct Suspect {
    pub span: Span,
    pub message: String,
    pub hint: &'static str,
}

/// Looks for it in the line of the error, the one below, where parsers notice the end
/// of a value, and the one above.
pub(super) fn suspect(source: &Source, line: u64) -> Option<Suspect> {
    let at = usize::try_from(line).ok()?.checked_sub(1)?;
    let lines = [Some(at), Some(at + 1), at.checked_sub(1)];
    lines.into_iter().flatten().find_map(|line| {
        let text = source.written(line)?;
        let column = |end: usize| text[..end].chars().count() as u64 + 1;
        let place = |end: usize| Span {
            line: line as u64 + 1,
            column: column(end),
            width: 1,
        };
        let indent = text.len() - text.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = text[..indent].find('\t') {
            return Some(Suspect {
                span: place(tab),
                message: "this line is indented with a tab".to_owned(),
                hint: TAB_HINT,
            });
        }
        let (start, c, name) = text
            .char_indices()
            .take_while(|(_, c)| *c != '#')
            .find_map(|(start, c)| Some((start, c, name_of(c)?)))?;
        Some(Suspect {
            span: place(start),
            message: format!(
                "there is {name} (U+{:04X}) here, which YAML does not take for a blank",
                u32::from(c)
            ),
            hint: HINT,
        })
    })
}

/// True if there are typographic quotes in the line of an error.
pub(super) fn has_smart_quotes(source: &Source, line: u64) -> bool {
    let at = usize::try_from(line)
        .ok()
        .and_then(|line| line.checked_sub(1));
    at.and_then(|at| source.written(at))
        .is_some_and(|text| text.contains(is_smart_quote))
}
