//! The end of what a process said, as text that can be shown.

use crate::model::is_invisible;

/// How much is kept, in bytes: enough for ssh's longest warning (a changed host
/// key, about 1 KiB) and what led to it.
const KEPT: usize = 8 * 1024;

/// The last bytes of a stream.
#[derive(Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    /// Takes the next bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if let Some(excess) = self.bytes.len().checked_sub(KEPT + 1) {
            self.bytes.drain(..=excess);
            self.cut = true;
        }
    }

    /// What is left of them, from the beginning of a line.
    pub(super) fn into_text(self) -> String {
        let text = printable(&self.bytes);
        match text.split_once('\n') {
            // The first line is only the end of one.
            Some((_, rest)) if self.cut => rest.to_owned(),
            _ => text,
        }
    }
}

/// Foreign bytes as text that can be shown and logged: no control characters
/// but line feeds, which also stand for carriage returns; nothing that turns the
/// direction of writing or is not seen; no blank lines.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace('\r', "\n");
    let clean: String = text
        .chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .filter(|&c| c == '\n' || !(c.is_control() || is_invisible(c)))
        .collect();
    let lines: Vec<&str> = clean
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_bounded_whole_lined_and_printable() {
        let mut tail = Tail::default();
        for number in 0..10_000 {
            tail.add(format!("line {number}\x1b[1m\u{7}\r\n").as_bytes());
        }
        let text = tail.into_text();
        assert!(text.len() <= KEPT);
        assert!(text.starts_with("line "));
        assert!(text.ends_with("line 9999[1m"));
    }
}
