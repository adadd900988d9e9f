//! How tables are laid out.

use std::fmt::Write;

use super::MIB;

pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

pub fn none() -> String {
    "-".to_owned()
}

pub fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(none, |value| format!("{value:.digits$}"))
}

pub fn mebibytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / MIB)
}

/// Adds a line.
pub fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The first column to the left, numbers to the right, nothing behind the last one.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(String::len).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let _ = match column {
                0 => write!(line, "{cell:width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        push(&mut text, line.trim_end());
    }
    text
}
