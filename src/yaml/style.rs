//! How a scalar is written: with quotes or without, and with which tag. What a reader
//! of YAML takes it for depends on that, and the parser does not say.

use super::source::SourceText;

/// The tag that makes text of anything; every other one on a scalar is refused, since
/// what it means differs between readers of YAML.
pub(super) const STRING_TAG: &str = "!!str";

/// How far before a scalar its properties are looked for, in bytes.
const PROPERTIES_MAX: usize = 256;

#[derive(Default)]
pub(super) struct ScalarStyle<'a> {
    /// Without quotes, not a block and without a tag.
    pub plain: bool,
    /// Its tag, as written.
    pub tag: Option<&'a str>,
}

/// Looks at what stands at a scalar's offset in the text, and before it.
pub(super) fn style(source: &SourceText, offset: Option<usize>) -> ScalarStyle<'_> {
    let parts = offset.and_then(|at| source.text.split_at_checked(at));
    let Some((before, rest)) = parts else {
        return ScalarStyle::default();
    };
    // Not the whole line: one that holds the whole file would be gone through again for
    // each of its values.
    let near = before.floor_char_boundary(before.len().saturating_sub(PROPERTIES_MAX));
    let line = before[near..].rsplit('\n').next().unwrap_or_default();
    // The text of a block begins on its own line, below its header.
    let starts_line = line.len() < PROPERTIES_MAX && line.trim().is_empty();
    let header = if starts_line && !rest.starts_with(['|', '>']) {
        let above = before[..before.len() - line.len()].lines().rev();
        above
            .into_iter()
            .find(|line| !line.trim().is_empty())
            .and_then(block_header)
    } else {
        None
    };
    // Before a scalar stand its properties, an anchor and a tag in any order.
    let properties = header
        .unwrap_or(line)
        .rsplit(|c: char| c.is_whitespace() || "[{,".contains(c))
        .skip_while(|word| word.is_empty())
        .take_while(|word| word.starts_with(['&', '!']));
    let tag = properties.into_iter().find(|word| word.starts_with('!'));
    let quoted = header.is_some() || rest.starts_with(['\'', '"', '|', '>']);
    ScalarStyle {
        plain: tag.is_none() && !quoted,
        tag,
    }
}

/// What stands before the `|` or `>` of a line that is the header of a block.
fn block_header(line: &str) -> Option<&str> {
    let line = line.split_once(" #").map_or(line, |(line, _)| line);
    let line = line.trim_end();
    let before = line.trim_end_matches(|c: char| c.is_ascii_digit() || "+-".contains(c));
    let before = before.strip_suffix(['|', '>'])?;
    (before.is_empty() || before.ends_with([' ', '\t'])).then_some(before)
}
