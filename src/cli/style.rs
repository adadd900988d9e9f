//! Colours for a plan's text, by line. The text itself is made without them.

use anstyle::{AnsiColor, Style};

use super::table::one_line;
use crate::conclude::{StepEnd, StepRecord};

const COMES: Style = AnsiColor::Green.on_default();
const REPLACED: Style = AnsiColor::Yellow.on_default();
const GOES: Style = AnsiColor::Red.on_default();
const BLOCKED: Style = AnsiColor::Magenta.on_default();
const QUIET: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// The text with each line coloured by its sign; for an `anstream` writer, which
/// takes the colours out again where they are not wanted.
pub(super) fn plan(text: &str) -> String {
    lines(text, |line| match line.trim_start().chars().next() {
        Some('+') => Some(COMES),
        Some('~') => Some(REPLACED),
        Some('-') => Some(GOES),
        Some('!') => Some(BLOCKED),
        _ if line.starts_with("Plan:") => Some(BOLD),
        _ if line.starts_with("      ") => Some(QUIET),
        _ => None,
    })
}

/// A unified diff, coloured as usual.
pub(super) fn diff(text: &str) -> String {
    lines(text, |line| match line.as_bytes().first() {
        _ if line.starts_with("+++") || line.starts_with("---") => Some(BOLD),
        Some(b'+') => Some(COMES),
        Some(b'-') => Some(GOES),
        Some(b'@') => Some(QUIET),
        _ => None,
    })
}

fn lines(text: &str, style: impl Fn(&str) -> Option<Style>) -> String {
    text.lines()
        .map(|line| match style(line) {
            Some(style) => format!("{style}{line}{style:#}\n"),
            None => format!("{line}\n"),
        })
        .collect()
}

/// Error, warning and hint words.
pub(super) fn error(text: &str) -> String {
    format!("{}{text}{:#}", GOES.bold(), GOES.bold())
}

/// A word for what deserves attention.
pub(super) fn warning(text: &str) -> String {
    format!("{}{text}{:#}", REPLACED.bold(), REPLACED.bold())
}

/// A step that is over, in its one line.
pub(super) fn step(step: &StepRecord) -> String {
    let line = one_line(&step.to_string());
    match step.end {
        StepEnd::Failed => stalled(&line),
        StepEnd::Skipped => waiting(&line),
        StepEnd::Done | StepEnd::Outdated | StepEnd::Cancelled => line,
    }
}

/// A line about what is being worked on.
pub(super) fn waiting(text: &str) -> String {
    format!("{REPLACED}{text}{REPLACED:#}")
}

/// A line about what is not worked on, or failed.
pub(super) fn stalled(text: &str) -> String {
    format!("{GOES}{text}{GOES:#}")
}

pub(super) fn heading(text: &str) -> String {
    format!("{BOLD}{text}{BOLD:#}")
}
