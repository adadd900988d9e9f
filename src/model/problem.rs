//! A problem in a file that the user wrote, with everything needed to fix it.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{visible, visible_lines};

/// One thing that is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
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
    /// A hint for the user.
    pub hint: Option<String>,
    /// The lines around the place.
    pub excerpt: Option<Excerpt>,
}

/// The lines of a file around a place in it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
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
        let mut parts = visible(&self.file).into_owned();
        for number in [self.line, self.column].into_iter().flatten() {
            parts = format!("{parts}:{number}");
        }
        if !self.path.is_empty() {
            parts = format!("{parts}: {}", visible(&self.path));
        }
        format!("{parts}: {}", visible(&self.message))
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
            f.write_str(&excerpt.draw(self.line, self.column))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {}", visible_lines(hint))?;
        }
        Ok(())
    }
}

impl Excerpt {
    /// The lines with their numbers, each indented, and marks below the place. A place
    /// behind the end of its line is marked there.
    fn draw(&self, line: Option<u64>, column: Option<u64>) -> String {
        let text = self.lines.join("\n");
        let mut snippet = Snippet::source(&text).fold(false);
        snippet = snippet.line_start(usize::try_from(self.first_line).unwrap_or(1));
        if let Some((line, column)) = line.zip(column)
            && let Some(index) = line.checked_sub(self.first_line)
            && let Some(index) = usize::try_from(index).ok()
            && let Some(marked) = self.lines.get(index)
        {
            let before: usize = self.lines[..index].iter().map(|line| line.len() + 1).sum();
            let byte_of = |chars: usize| {
                let at = marked.char_indices().nth(chars);
                before + at.map_or(marked.len(), |(at, _)| at)
            };
            let first = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
            let place = byte_of(first)..byte_of(first.saturating_add(self.width.max(1)));
            snippet = snippet.annotation(AnnotationKind::Primary.span(place));
        }
        let drawn = Renderer::plain().render(&[Group::with_level(Level::ERROR).element(snippet)]);
        // The first line is for a name, which the headline has already.
        let lines = drawn.lines().skip(1);
        lines.map(|line| format!("\n  {line}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(lines: &[&str], first_line: u64, line: u64, column: u64, width: usize) -> String {
        let mut problem = Problem::of_file("orders/a.yaml", "it is wrong").hint("fix it");
        problem.line = Some(line);
        problem.column = Some(column);
        problem.path = "positions[0].platform".to_owned();
        problem.excerpt = Some(Excerpt {
            first_line,
            lines: lines.iter().map(ToString::to_string).collect(),
            width,
        });
        problem.to_string()
    }

    #[test]
    fn the_place_is_marked_below_its_line() {
        let text = problem(&["positions:", "- platform: nocluod"], 3, 4, 13, 7);
        let expected = "\
orders/a.yaml:4:13: positions[0].platform: it is wrong
  3 | positions:
  4 | - platform: nocluod
    |             ^^^^^^^
  hint: fix it";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_mark_stands_right_after_tabs_and_wide_characters() {
        for (line, column, width, mark) in [
            ("\ta: b", 5, 1, "       ^"),
            ("名前: x", 5, 1, "      ^"),
            ("a: 名前", 4, 2, "   ^^^^"),
            ("e\u{301}: x", 5, 1, "   ^"),
            ("a: 😀 x", 6, 1, "      ^"),
            ("\u{1b}[31mx", 6, 1, "     ^"),
        ] {
            let text = problem(&[line], 1, 1, column, width);
            let shown = text.lines().nth(2).unwrap_or_default();
            assert_eq!(shown, format!("    | {mark}"), "{text}");
            assert!(!text.contains(['\t', '\u{1b}']), "{text:?}");
        }
    }

    #[test]
    fn a_mark_stays_within_its_line_and_never_vanishes() {
        for (column, width, mark) in [(0, 0, "^"), (2, 99, " ^^"), (4, 1, "   ^"), (99, 9, "   ^")]
        {
            let text = problem(&["abc"], 1, 1, column, width);
            assert_eq!(
                text.lines().nth(2),
                Some(&*format!("    | {mark}")),
                "{text}"
            );
        }
    }

    #[test]
    fn without_a_place_only_the_file_is_named() {
        let problem = Problem::of_file("orders", "no such directory");
        assert_eq!(problem.to_string(), "orders: no such directory");
    }
}
