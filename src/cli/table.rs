//! Columns that stand under each other, and times as people say them.

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

/// A table without lines: cells padded to the widest of their column, two spaces
/// between columns, nothing after the last one.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        let header = header.iter().map(|&cell| cell.to_owned()).collect();
        Self { rows: vec![header] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// How wide the widest row is.
    pub(super) fn width(&self) -> usize {
        let lines = self.lines();
        lines.iter().map(|line| line.width()).max().unwrap_or(0)
    }

    /// The text of each row, the header first.
    pub(super) fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let pad = |(column, cell): (usize, &String)| {
            let missing = widths[column] - cell.width();
            format!("{cell}{}  ", " ".repeat(missing))
        };
        self.rows
            .iter()
            .map(|row| {
                let line: String = row.iter().enumerate().map(pad).collect();
                line.trim_end().to_owned()
            })
            .collect()
    }
}

/// A text in lines of at most so many columns, broken between words and never inside
/// one: a name that is longer has its own line.
pub(super) fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A time span in its largest unit, as tables show it: `45s`, `12m`, `3h`, `5d`.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = (to.as_second() - from.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A digest with as many digits as tell images apart: those that their names have.
pub(super) fn short(digest: &impl ToString) -> String {
    digest.to_string().chars().take(12).collect()
}

/// A text as one line of a table: what would break the line is replaced.
pub(super) fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control())
        .filter(|part| !part.trim().is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let mut table = Table::new(&["ORDER", "N"]);
        table.row(["ä".to_owned(), "longer".to_owned(), String::new()]);
        table.row(["longest-one".to_owned(), String::new()]);
        assert_eq!(
            table.lines(),
            ["ORDER        N", "ä            longer", "longest-one"]
        );
    }

    #[test]
    fn words_are_never_broken() {
        assert_eq!(
            fold("a bb a-long-name c d", 4),
            ["a bb", "a-long-name", "c d"]
        );
        assert_eq!(fold("a b", usize::MAX), ["a b"]);
        assert_eq!(fold("", 4), [""; 0]);
    }

    #[test]
    fn spans_have_one_unit_and_never_run_backwards() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7200, "2h"),
            (200_000, "2d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(span(at(0), at(seconds)), text);
        }
        assert_eq!(span(at(10), at(0)), "0s");
        assert_eq!(one_line("a\n\n b\t\u{1b}"), "a  b");
    }
}
