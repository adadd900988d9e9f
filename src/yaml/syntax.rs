//! From text to raw values: the parser, its limits and its errors in our words.
//!
//! The limits are far above what any real file holds and far below what hurts:
//! a file of [`MAX_BYTES`](super::MAX_BYTES) with aliases within aliases ends
//! here after milliseconds and says why.

use std::borrow::Cow;

use serde_yaml::budget::BudgetBreach;
use serde_yaml::options::{AliasLimits, DuplicateKeyPolicy};
use serde_yaml::{Budget, Error, NonFiniteFloatPolicy, Options, Spanned, UserMessageFormatter};

use super::blanks;
use super::raw::Raw;
use super::source::{MAX_BYTES, SourceText, Span};
use super::suspect;
use super::words::shown;
use crate::model::Problem;

/// The deepest nesting of lists and maps. Orders need 8 levels; overlay options
/// may bring some of their own.
const MAX_DEPTH: usize = 32;
/// The most values, keys included, in one file.
const MAX_NODES: usize = 200_000;
/// The most values that aliases may repeat.
const MAX_REPLAYED: usize = 50_000;

/// The most text that a file may hold once its aliases are unfolded, in bytes.
pub(super) const MAX_TEXT: usize = 8 * MAX_BYTES as usize;

fn options() -> Options {
    let budget: Option<Budget> = serde_yaml::budget! {
        max_depth: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
        max_nodes: MAX_NODES,
        max_events: 2 * MAX_NODES,
        max_total_scalar_bytes: MAX_TEXT,
        max_aliases: 2_000,
        max_anchors: 1_000,
        max_recorded_anchor_events: MAX_NODES,
        // Copied once for each alias, so this times max_aliases is the worst case.
        max_recorded_anchor_bytes: 64 * 1024,
        max_merge_keys: 5_000,
        // One anchor used by every position of a file is good style, not abuse;
        // the absolute limits above are what protects us.
        enforce_alias_anchor_ratio: false,
    };
    let alias_limits: AliasLimits = serde_yaml::alias_limits! {
        max_total_replayed_events: MAX_REPLAYED,
        max_replay_stack_depth: 16,
    };
    serde_yaml::options! {
        budget: budget,
        alias_limits: alias_limits,
        // Repeated keys are refused by the tree, which then knows both places.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // The spelling is what we keep, so an overflowing number is no loss.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// Parses a text into raw values; `text` is what [`one_document`] made of it.
pub(super) fn parse<'a>(
    source: &SourceText,
    text: &'a str,
) -> Result<Spanned<Raw<'a>>, Box<Problem>> {
    serde_yaml::from_str_with_options(text, options())
        .map_err(|error| Box::new(explain(source, error.without_snippet())))
}

/// The text with the markers of empty documents turned into comments of the same
/// length: a `---` at the end of a file, or behind a comment at its head, is no second
/// document to the user.
pub(super) fn one_document(text: &str) -> Cow<'_, str> {
    // Where each document's marker is, and whether anything follows it.
    let mut documents: Vec<(Option<usize>, bool)> = vec![(None, false)];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let says_something = |text: &str| !(text.is_empty() || text.starts_with(['#', '%']));
        if let Some(rest) = after_marker(line, "---") {
            documents.push((Some(at), says_something(rest)));
        } else if after_marker(line, "...").is_none()
            && says_something(line.trim())
            && let Some((_, full)) = documents.last_mut()
        {
            *full = true;
        }
        at += line.len();
    }
    let full = documents.iter().filter(|(_, full)| *full).count();
    let empty = documents.iter().filter(|(_, full)| !full);
    let markers: Vec<usize> = empty.filter_map(|(marker, _)| *marker).collect();
    if full > 1 || markers.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut text = text.to_owned();
    for marker in markers {
        text.replace_range(marker..marker + 3, "#--");
    }
    Cow::Owned(text)
}

/// What follows a document's marker on its line.
fn after_marker<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(marker)?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

fn explain(source: &SourceText, error: &Error) -> Problem {
    let (message, hint) = words(error);
    let line = error.location().map_or(0, |location| location.line());
    if is_syntax(error)
        && let Some(suspect) = suspect::suspect(source, line)
    {
        return source
            .problem(suspect.span, "", suspect.message)
            .hint(suspect.hint);
    }
    let quotes = is_syntax(error) && suspect::has_smart_quotes(source, line);
    let hint = quotes.then_some(blanks::QUOTES_HINT).or(hint);
    let mut problem = match error.location() {
        Some(location) if location.line() > 0 => {
            let span = Span {
                line: location.line(),
                column: location.column().max(1),
                width: 1,
            };
            source.problem(span, "", message)
        }
        _ => Problem::of_file(&*source.file, message),
    };
    problem.hint = hint.map(str::to_owned);
    problem
}

/// True for an error of the parser itself, not of a limit or a rule of ours.
fn is_syntax(error: &Error) -> bool {
    match error {
        Error::AliasError { error, .. } => is_syntax(error),
        Error::MultipleDocuments { .. }
        | Error::UnknownAnchor { .. }
        | Error::RecursiveReferencesRequireWeakTypes { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::Budget { .. }
        | Error::UnsupportedTag { .. } => false,
        _ => true,
    }
}

const ALIASES: &str = "write the values out instead of repeating them with `*`";

/// That there is more text than [`MAX_TEXT`].
pub(super) fn too_much_text() -> String {
    let most = MAX_TEXT / (1024 * 1024);
    format!("the aliases of this file expand to more than {most} MiB of text")
}

/// What an error says to the user, and what can be done about it.
fn words(error: &Error) -> (String, Option<&'static str>) {
    match error {
        Error::MultipleDocuments { .. } => (
            "a second YAML document starts here; expected one document per file".to_owned(),
            Some("put the orders into one list, or each document into a separate file"),
        ),
        Error::UnknownAnchor { .. } => (
            "this alias (`*name`) refers to no anchor (`&name`) above it".to_owned(),
            Some("a text that starts with `*` needs quotes"),
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => (
            "this alias refers to the value that contains it".to_owned(),
            None,
        ),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (
            format!("the aliases of this file expand to more than {MAX_REPLAYED} values"),
            Some(ALIASES),
        ),
        Error::Budget { breach, .. } => budget_words(breach),
        Error::AliasError { error, .. } => words(error),
        Error::UnsupportedTag { tag, .. } => {
            let (message, hint) = tag_words(tag);
            (message, Some(hint))
        }
        other => {
            let rendered = other.render_with_formatter(&UserMessageFormatter);
            let bare = match rendered.rfind(" at line ") {
                Some(at) => &rendered[..at],
                None => &rendered,
            };
            if bare.contains("recursion limit") {
                return budget_words(&BudgetBreach::Depth { depth: MAX_DEPTH });
            }
            (format!("not valid YAML: {bare}"), syntax_hint(bare))
        }
    }
}

/// That a tag is refused, and what can be done about it.
pub(super) fn tag_words(tag: &str) -> (String, &'static str) {
    let tag = shown(tag);
    (
        format!("the tag {tag} is not known; tags are not needed here"),
        "a text that starts with `!` needs quotes",
    )
}

fn budget_words(breach: &BudgetBreach) -> (String, Option<&'static str>) {
    match breach {
        BudgetBreach::Depth { .. } => (
            format!("lists and maps are nested deeper than {MAX_DEPTH} levels"),
            None,
        ),
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::MergeKeys { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => (
            "the file has too many anchors, aliases and merges".to_owned(),
            Some(ALIASES),
        ),
        BudgetBreach::ScalarBytes { .. } => (too_much_text(), Some(ALIASES)),
        _ => (
            format!("the file holds more than {MAX_NODES} values"),
            Some("split the orders into several files in one directory"),
        ),
    }
}

/// The usual reason for a message of the parser.
fn syntax_hint(message: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 9] = [
        ("tabs", "indent with spaces; YAML does not accept tabs"),
        (
            "mapping values",
            "check the indentation of this line and the one above, and put quotes around a \
             value that has `: ` in it",
        ),
        (
            "block mapping",
            "check the indentation: the keys of one map start in the same column",
        ),
        (
            "mismatched",
            "close brackets and braces in the opposite order of opening them",
        ),
        (
            "indicator",
            "a bracket or brace above may not be closed; a value with `: ` in it needs quotes",
        ),
        (
            "unclosed quote",
            "close it with the same quote on the same line",
        ),
        ("\\u{", "remove the control character"),
        (
            "unexpected character",
            "a value that starts with @, ` or % needs quotes",
        ),
        ("escape", "in single quotes a backslash is just a backslash"),
    ];
    HINTS
        .iter()
        .find(|(part, _)| message.contains(part))
        .map(|(_, hint)| *hint)
}
