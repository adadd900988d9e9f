//! A problem in a file that a person wrote, with everything needed to mend it.

use std::fmt;

/// One thing that is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The file as the user named it, or the path below the orders directory.
    pub file: String,
    /// Line, counted from 1; `None` where the whole file is meant.
    pub line: Option<u64>,
    /// Column, counted in characters from 1.
    pub column: Option<u64>,
    /// The key path, such as `positions[0].version.minor`; empty at the top.
    pub path: String,
    /// What was found and what is accepted; one sentence, no full stop.
    pub message: String,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// The lines around the place.
    pub excerpt: Option<Excerpt>,
}

/// The lines of a file around a place in it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Excerpt {
    /// The number of the first line shown, counted from 1.
    pub first_line: u64,
    /// The lines, without their line ends.
    pub lines: Vec<String>,
    /// How many characters are marked, at least 1.
    pub width: usize,
}

impl Problem {
    /// A problem of a whole file, without a place in it.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: None,
            column: None,
            path: String::new(),
            message: message.into(),
            hint: None,
            excerpt: None,
        }
    }

    /// The same problem with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem without the lines around it: they may hold a secret.
    #[must_use]
    pub fn without_excerpt(mut self) -> Self {
        self.excerpt = None;
        self
    }

    /// One line: `file:line:column: path: message`.
    pub fn headline(&self) -> String {
        let mut text = self.file.clone();
        for number in [self.line, self.column].into_iter().flatten() {
            text.push_str(&format!(":{number}"));
        }
        if !self.path.is_empty() {
            text.push_str(&format!(": {}", self.path));
        }
        text.push_str(&format!(": {}", self.message));
        text
    }
}

/// The headline, the excerpt with the place marked, and the hint.
///
/// ```text
/// orders/a.yaml:4:15: positions[0].platform: "nocluod" is not a platform; …
///   3 |   positions:
///   4 |   - platform: nocluod
///     |               ^^^^^^^
///   hint: did you mean `nocloud`?
/// ```
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        if let Some(excerpt) = &self.excerpt {
            excerpt.write(f, self.line, self.column)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl Excerpt {
    fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        line: Option<u64>,
        column: Option<u64>,
    ) -> fmt::Result {
        let last = self.first_line + self.lines.len() as u64;
        let gutter = last.to_string().len();
        for (number, text) in (self.first_line..).zip(&self.lines) {
            write!(f, "\n  {number:>gutter$} | {text}")?;
            if Some(number) == line
                && let Some(column) = column
            {
                let blank = " ".repeat(usize::try_from(column.saturating_sub(1)).unwrap_or(0));
                let marks = "^".repeat(self.width.max(1));
                write!(f, "\n  {:>gutter$} | {blank}{marks}", "")?;
            }
        }
        Ok(())
    }
}
