//! A file's text, and how places in it are shown.
//!
//! Every file is checked here before it is parsed: its size, its encoding.
//! Excerpts are made safe for a terminal: a tab takes one column and shows as
//! `→`, other control characters show as `·`, and over-long lines are cut.

use std::sync::Arc;

use crate::model::{Excerpt, Problem};

/// The largest file that is read, in bytes. A thousand orders with ten positions
/// each fit several times over; what is larger is a mistake or an attack.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// The longest line that an excerpt shows, in characters.
const LINE_MAX: usize = 120;

/// The name and the text of a file.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name, as messages give it.
    pub file: Arc<str>,
    /// The text, without a byte order mark.
    pub text: Arc<str>,
    /// Where each line starts, in bytes; excerpts are made for every problem, and
    /// a bad file has many.
    starts: Arc<[usize]>,
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

impl Source {
    /// A text that is known to be one. A byte order mark is dropped.
    pub fn new(file: &str, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let after_ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            file: file.into(),
            text: text.into(),
            starts: std::iter::once(0).chain(after_ends).collect(),
        }
    }

    /// The text of a file's bytes.
    ///
    /// # Errors
    /// A problem of the whole file where it is too large or is not UTF-8.
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self, Box<Problem>> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Box::new(Self::too_large(file)));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(file, text)),
            Err(_) if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) => {
                let problem = Problem::of_file(file, "the file is UTF-16; accepted is UTF-8");
                Err(Box::new(problem.hint("save it as UTF-8")))
            }
            Err(why) => {
                let good = &bytes[..why.valid_up_to()];
                let line = good.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
                let bad = bytes[why.valid_up_to()];
                let mut problem = Problem::of_file(
                    file,
                    format!("byte 0x{bad:02x} is not UTF-8 text; accepted is UTF-8"),
                )
                .hint("save the file as UTF-8");
                problem.line = Some(line);
                Err(Box::new(problem))
            }
        }
    }

    /// The problem of a file over [`MAX_BYTES`].
    fn too_large(file: &str) -> Problem {
        Problem::of_file(
            file,
            format!("the file is larger than {} MiB", MAX_BYTES / (1024 * 1024)),
        )
        .hint("spread the orders over several files of one directory")
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

impl Source {
    /// A line as excerpts show it, counted from 0; `None` behind the end.
    fn line(&self, line: usize) -> Option<String> {
        let from = *self.starts.get(line)?;
        let rest = self.text.get(from..).filter(|rest| !rest.is_empty())?;
        rest.lines().next().map(show_line)
    }
}

fn show_line(line: &str) -> String {
    let mut shown: String = line
        .chars()
        .take(LINE_MAX)
        .map(|c| match c {
            '\t' => '→',
            c if c.is_control() => '·',
            c => c,
        })
        .collect();
    if line.chars().nth(LINE_MAX).is_some() {
        shown.push('…');
    }
    shown
}
