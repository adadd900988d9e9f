//! What stands near a place where the parser stumbled and explains it better: tabs,
//! blanks that are none, typographic quotes.

use super::blanks;
use super::source::{SourceText, Span};

/// What helps against tabs.
const TAB_HINT: &str = "indent with spaces; YAML does not accept tabs";

/// Something near a place where the parser stumbled that explains it better.
pub(super) struct Suspect {
    pub span: Span,
    pub message: String,
    pub hint: &'static str,
}

/// Looks for it in the line of the error, the one below, where parsers notice the end
/// of a value, and the one above.
pub(super) fn suspect(source: &SourceText, line: u64) -> Option<Suspect> {
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
            .find_map(|(start, c)| Some((start, c, blanks::name_of(c)?)))?;
        Some(Suspect {
            span: place(start),
            message: format!(
                "there is {name} (U+{:04X}) here, which YAML does not treat as whitespace",
                u32::from(c)
            ),
            hint: blanks::HINT,
        })
    })
}

/// True if there are typographic quotes in the line of an error.
pub(super) fn has_smart_quotes(source: &SourceText, line: u64) -> bool {
    let at = usize::try_from(line)
        .ok()
        .and_then(|line| line.checked_sub(1));
    at.and_then(|at| source.written(at))
        .is_some_and(|text| text.contains(blanks::is_smart_quote))
}
