//! Lines of a given width that break between words and never inside a name.

use unicode_width::UnicodeWidthStr;

/// How far the text of a step stands from the left, below it what continues it.
const HANGING: usize = 14;

/// Words that stay on the line of the word before: units, and that a size is unknown.
const GLUED: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "unknown"];

/// A text that grows line by line.
pub(super) struct Sheet {
    text: String,
    width: usize,
}

impl Sheet {
    pub(super) const fn new(width: usize) -> Self {
        Self {
            text: String::new(),
            width,
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// A line at the left edge.
    pub(super) fn line(&mut self, text: &str) {
        self.wrapped("", 2, text);
    }

    /// An empty line, where there is none yet.
    pub(super) fn gap(&mut self) {
        if !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A step or something like it: a sign, a word, and what there is to say.
    pub(super) fn item(&mut self, sign: char, word: &str, text: &str) {
        self.wrapped(&format!("  {sign} {word:9} "), HANGING, text);
    }

    /// True if this is an [`item`](Self::item) of one line.
    pub(super) fn fits(&self, text: &str) -> bool {
        HANGING + text.width() <= self.width
    }

    /// A line below a heading.
    pub(super) fn entry(&mut self, text: &str) {
        self.wrapped("  ", 4, text);
    }

    fn wrapped(&mut self, start: &str, hanging: usize, text: &str) {
        self.text.push_str(start);
        let (mut column, mut is_first) = (start.width(), true);
        // Messages of others may have line ends, which would look like lines of ours.
        let mut words = text.split([' ', '\n']).peekable();
        while let Some(word) = words.next() {
            let mut word = word.to_owned();
            while let Some(next) = words.next_if(|next| is_glued(next)) {
                word = format!("{word} {next}");
            }
            let width = word.width();
            if is_first {
                is_first = false;
            } else if column + 1 + width > self.width {
                while self.text.ends_with(' ') {
                    self.text.pop();
                }
                self.text.push('\n');
                self.text.push_str(&" ".repeat(hanging));
                column = hanging;
                // Of two spaces at the break none is left.
                if word.is_empty() {
                    is_first = true;
                    continue;
                }
            } else {
                self.text.push(' ');
                column += 1;
            }
            self.text.push_str(&word);
            column += width;
        }
        while self.text.ends_with(' ') {
            self.text.pop();
        }
        self.text.push('\n');
    }
}

fn is_glued(word: &str) -> bool {
    GLUED.contains(&word.trim_end_matches([',', ')', ';', ':', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_keep_numbers_with_their_units() {
        let mut sheet = Sheet::new(30);
        sheet.item('+', "push", "8 nodes (pve-01…08): 95.6 MiB, 12 sent");
        sheet.item('-', "prune", "a-name-that-is-longer-than-a-line.iso  7 B");
        sheet.line("Plan: one two three four five six seven");
        assert_eq!(
            sheet.into_text(),
            "  + push      8 nodes\n\
             \x20             (pve-01…08):\n\
             \x20             95.6 MiB, 12\n\
             \x20             sent\n\
             \x20 - prune     a-name-that-is-longer-than-a-line.iso\n\
             \x20             7 B\n\
             Plan: one two three four five\n\
             \x20 six seven\n"
        );
    }
}
