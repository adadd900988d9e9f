//! A file's text, and how places in it are shown.
//!
//! Every file is checked here before it is parsed: its size, its encoding.
//! Excerpts are made safe for a terminal: a tab takes one column and shows as
//! `→`, other control characters and blanks that are none show as `·`, and over-long
//! lines are cut. They are shown of maps and lists only: anything else was not written
//! for this program, and may be a key or a token that a link leads to. What stands
//! behind a key for a secret is left out of them.

use std::sync::Arc;

use super::{blanks, secrets};
use crate::model::{Excerpt, Problem, is_invisible};

/// The largest file that is read, in bytes. A thousand orders with ten positions
/// each fit several times over; what is larger is a mistake or an attack.
pub(crate) const MAX_BYTES: u64 = 1024 * 1024;

/// The longest line that an excerpt shows, in characters.
const LINE_MAX: usize = 120;

/// The name and the text of a file.
#[derive(Debug, Clone)]
pub(crate) struct SourceText {
    /// The name, as messages give it.
    pub file: Arc<str>,
    /// The text, without a byte order mark.
    pub text: Arc<str>,
    /// Where each line starts, in bytes; excerpts are made for every problem, and
    /// a bad file has many.
    starts: Arc<[usize]>,
    /// The text looks like a map or a list, so that excerpts may be shown.
    structured: bool,
}

/// A stretch of text within one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    /// The line, counted from 1.
    pub line: u64,
    /// The column, counted in characters from 1.
    pub column: u64,
    /// The length in characters, at least 1.
    pub width: usize,
}

impl SourceText {
    /// A text that is known to be one. A byte order mark is dropped.
    pub(crate) fn new(file: &str, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let after_ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            file: file.into(),
            text: text.into(),
            starts: std::iter::once(0).chain(after_ends).collect(),
            structured: is_structured(text),
        }
    }

    /// True if the text is nothing but remarks and markers of documents, at least one
    /// of them.
    pub(crate) fn is_remarks_only(&self) -> bool {
        let mut lines = self
            .text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        let is_remark = |line: &str| line.starts_with('#') || line == "---" || line == "...";
        let is_marked = |line: &str| line.starts_with("--- #");
        let first = lines.next();
        first
            .into_iter()
            .chain(lines)
            .all(|line| is_remark(line) || is_marked(line))
            && first.is_some()
    }

    /// True if the text looks like a map or a list. What does not is never repeated
    /// in a message.
    pub(crate) fn is_structured(&self) -> bool {
        self.structured
    }

    /// The text of a file's bytes.
    ///
    /// # Errors
    /// A problem of the whole file where it is too large or is not UTF-8.
    pub(crate) fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self, Box<Problem>> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Box::new(Self::too_large(file)));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(file, text)),
            Err(_) if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) => {
                let problem = Problem::of_file(file, "the file is UTF-16; expected UTF-8");
                Err(Box::new(problem.hint("save it as UTF-8")))
            }
            Err(why) => {
                let good = &bytes[..why.valid_up_to()];
                let line = good.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
                let bad = bytes[why.valid_up_to()];
                let mut problem = Problem::of_file(
                    file,
                    format!("byte 0x{bad:02x} is not UTF-8 text; expected UTF-8"),
                )
                .hint("save the file as UTF-8");
                problem.line = Some(line);
                Err(Box::new(problem))
            }
        }
    }

    /// The problem of a file that is neither a map nor a list.
    pub(super) fn not_structured(&self) -> Problem {
        Problem::of_file(
            &*self.file,
            "the file is neither a YAML map nor a YAML list; its content is not shown",
        )
        .hint("it may be a different kind of file, or a link to one")
    }

    /// The problem of a file over [`MAX_BYTES`].
    fn too_large(file: &str) -> Problem {
        Problem::of_file(
            file,
            format!("the file is larger than {} MiB", MAX_BYTES / (1024 * 1024)),
        )
        .hint("split the orders into several files in one directory")
    }

    /// A problem at a place of this text.
    pub(super) fn problem(&self, span: Span, path: &str, message: String) -> Problem {
        Problem {
            line: Some(span.line),
            column: Some(span.column),
            path: path.to_owned(),
            excerpt: self.excerpt(span),
            ..Problem::of_file(&*self.file, message)
        }
    }

    /// The line of a place and the one before it.
    fn excerpt(&self, span: Span) -> Option<Excerpt> {
        if !self.structured {
            return None;
        }
        let at = usize::try_from(span.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(span.column).ok()?;
        if column > LINE_MAX {
            return None;
        }
        let first = at.saturating_sub(1);
        // A place behind the last line (an unexpected end) has no line to show.
        let lines: Option<Vec<String>> = (first..=at).map(|line| self.line(line)).collect();
        Some(Excerpt {
            first_line: first as u64 + 1,
            lines: lines?,
            width: span.width.clamp(1, LINE_MAX + 1 - column),
        })
    }
}

impl SourceText {
    /// A line as excerpts show it, counted from 0; `None` behind the end.
    fn line(&self, line: usize) -> Option<String> {
        let text = self.written(line)?;
        // Cut first: what is done to a line is not done to one of a megabyte.
        let end = text.char_indices().nth(LINE_MAX + 1);
        let start = end.map_or(text, |(end, _)| &text[..end]);
        let mut shown = show_line(&secrets::masked(start));
        if self.is_below_secret(line, text) {
            shown = secrets::MASK.to_owned();
        }
        Some(shown)
    }

    /// A line as written, counted from 0; `None` behind the end.
    pub(super) fn written(&self, line: usize) -> Option<&str> {
        let from = *self.starts.get(line)?;
        let rest = self.text.get(from..).filter(|rest| !rest.is_empty())?;
        rest.lines().next()
    }

    /// True if a line belongs to the value of a key for a secret further up.
    fn is_below_secret(&self, line: usize, text: &str) -> bool {
        let mut indent = indent_of(text);
        for above in (line.saturating_sub(LOOK_BACK)..line).rev() {
            let Some(text) = self.written(above) else {
                continue;
            };
            if text.trim().is_empty() || indent_of(text) >= indent {
                continue;
            }
            let end = text.floor_char_boundary(LOOK_WIDTH);
            if secrets::opens_one(&text[..end]) {
                return true;
            }
            indent = indent_of(text);
            if indent == 0 {
                return false;
            }
        }
        false
    }
}

/// How many lines above its own are searched for the key that a line belongs to; a
/// secret that is longer is none that people paste.
const LOOK_BACK: usize = 200;

/// How much of each of those lines is looked at, in bytes.
const LOOK_WIDTH: usize = 512;

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// True if the first line that says anything begins a map or a list.
fn is_structured(text: &str) -> bool {
    let says_something = |line: &&str| {
        !(line.is_empty() || line.starts_with(['#', '%']) || *line == "---" || *line == "...")
    };
    let mut lines = text.lines().map(|line| behind_marker(trim_all(line)));
    let Some(line) = lines.find(says_something) else {
        return true;
    };
    let begins_list = line == "-" || line.starts_with("- ") || line.starts_with(['[', '{']);
    let is_key = |key: &str| {
        let key = key.trim_matches(['"', '\'']);
        (1..=64).contains(&key.len()) && !key.contains(|c: char| c.is_whitespace() || c == ':')
    };
    let key = line.split_once(": ").map(|(key, _)| key);
    let key = key.or_else(|| line.strip_suffix(':'));
    begins_list || line.starts_with("? ") || line.starts_with("<<:") || key.is_some_and(is_key)
}

/// What stands behind the marker of a document on its line.
fn behind_marker(line: &str) -> &str {
    line.strip_prefix("--- ").map_or(line, trim_all)
}

/// A line without blanks around it, and without what only looks like blanks.
fn trim_all(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || blanks::name_of(c).is_some())
}

fn show_line(line: &str) -> String {
    let mut shown: String = line
        .chars()
        .take(LINE_MAX)
        .map(|c| match c {
            '\t' => '→',
            c if c.is_control() || is_invisible(c) || blanks::name_of(c).is_some() => '·',
            c => c,
        })
        .collect();
    if line.chars().nth(LINE_MAX).is_some() {
        shown.push('…');
    }
    shown
}
