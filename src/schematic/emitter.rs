//! The layout of go-yaml's emitter, for the subset that a schematic needs.
//!
//! Block collections with four columns to a level, `- ` indented below its key,
//! lines of any length, no comments, anchors or tags. The state (column,
//! indentation, what stood last) is go-yaml's own, because some of its layout
//! follows from that state only: where a collection inside `- ` begins, or how
//! far a block inside a list is indented.

use super::scalar::{EmittedStyle, is_break, is_contested, is_printable, style_of};

/// A value to be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum EmittedNode {
    /// A mapping, in the order it is written.
    Map(Vec<(String, EmittedNode)>),
    /// A list.
    List(Vec<EmittedNode>),
    /// A string, in whatever style it needs.
    Text(String),
    /// A number, a boolean or `null`, as it is.
    Bare(String),
}

/// Columns to a level; go-yaml's default.
const STEP: usize = 4;

/// The longest key, in bytes, that go-yaml writes before a `: `.
const SIMPLE_KEY_MAX: usize = 128;

/// Writes a document; `false` if it is not certain that every go-yaml in use
/// writes it like this.
pub(super) fn emit(root: &EmittedNode) -> (String, bool) {
    let mut emitter = Emitter {
        out: String::new(),
        column: 0,
        indent: None,
        after_blank: true,
        in_indentation: true,
        certain: true,
    };
    emitter.node(root, NodeContext::Value);
    emitter.new_line();
    (emitter.out, emitter.certain)
}

/// Where a value stands, which decides how far its own content is indented.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NodeContext {
    /// After `- `.
    Item,
    /// After `key:`, or at the top.
    Value,
    /// Before `:`.
    Key,
}

struct Emitter {
    out: String,
    /// Columns already written on this line, in characters.
    column: usize,
    /// The indentation of the collection being written; `None` at the top.
    indent: Option<usize>,
    /// Nothing need be put between what stands last and a word.
    after_blank: bool,
    /// Only indentation and indicators stand on this line.
    in_indentation: bool,
    certain: bool,
}

impl Emitter {
    fn node(&mut self, node: &EmittedNode, context: NodeContext) {
        match node {
            EmittedNode::Map(entries) if entries.is_empty() => self.indicator("{}", true, false),
            EmittedNode::List(items) if items.is_empty() => self.indicator("[]", true, false),
            EmittedNode::Map(entries) => self.indented(context, |emitter| {
                for (key, value) in entries {
                    emitter.entry(key, value);
                }
            }),
            EmittedNode::List(items) => self.indented(context, |emitter| {
                for item in items {
                    emitter.new_line();
                    emitter.indicator("-", true, true);
                    emitter.node(item, NodeContext::Item);
                }
            }),
            EmittedNode::Bare(text) => self.plain(text),
            EmittedNode::Text(text) => self.text(text, context),
        }
    }

    fn entry(&mut self, key: &str, value: &EmittedNode) {
        self.new_line();
        if key.len() <= SIMPLE_KEY_MAX && !key.contains(is_break) {
            self.text(key, NodeContext::Key);
            self.indicator(":", false, false);
        } else {
            // Not seen in any real schematic: an option's name of this kind.
            self.certain = false;
            self.indicator("?", true, true);
            self.text(key, NodeContext::Value);
            self.new_line();
            self.indicator(":", true, true);
        }
        self.node(value, NodeContext::Value);
    }

    /// Writes with the indentation of the next level.
    fn indented(&mut self, context: NodeContext, write: impl FnOnce(&mut Self)) {
        let outer = self.indent;
        self.indent = Some(match (outer, context) {
            (None, _) => 0,
            // Inside a list the `- ` itself is the indentation.
            (Some(outer), NodeContext::Item) => outer + 2,
            // Elsewhere the next multiple of a step.
            (Some(outer), NodeContext::Value | NodeContext::Key) => (outer / STEP + 1) * STEP,
        });
        write(self);
        self.indent = outer;
    }

    fn text(&mut self, text: &str, context: NodeContext) {
        self.certain &= !is_contested(text);
        match style_of(text, context == NodeContext::Key) {
            EmittedStyle::Plain => self.plain(text),
            EmittedStyle::Single => self.indented(context, |emitter| emitter.single_quoted(text)),
            EmittedStyle::Double => self.double_quoted(text),
            EmittedStyle::Literal => {
                let outer = self.indent.unwrap_or(0);
                self.indented(context, |emitter| emitter.literal(text, outer));
            }
        }
    }

    fn plain(&mut self, text: &str) {
        if !self.after_blank {
            self.put(' ');
        }
        text.chars().for_each(|c| self.put(c));
        self.after_blank = false;
        self.in_indentation = false;
    }

    fn single_quoted(&mut self, text: &str) {
        self.indicator("'", true, false);
        let mut at_line_start = false;
        for c in text.chars() {
            if is_break(c) {
                self.line_break(c);
            } else {
                if at_line_start {
                    self.new_line();
                }
                if c == '\'' {
                    self.put(c);
                }
                self.put(c);
                self.in_indentation = false;
            }
            at_line_start = is_break(c);
        }
        self.indicator("'", false, false);
    }

    fn double_quoted(&mut self, text: &str) {
        self.indicator("\"", true, false);
        // A text that starts with a byte order mark is escaped throughout: the
        // emitter looks for the mark at the start, whichever character it is at.
        let escape_all = text.starts_with('\u{feff}');
        for c in text.chars() {
            if escape_all || !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                escape(c).chars().for_each(|c| self.put(c));
            } else {
                self.put(c);
            }
        }
        self.indicator("\"", false, false);
    }

    fn literal(&mut self, text: &str, outer: usize) {
        self.indicator("|", true, false);
        if text.starts_with(' ') {
            // The hint is the step, even where a list has made the block's real
            // indentation another one; such a text cannot be read back.
            self.certain &= self.indent.is_some_and(|own| own - outer == STEP);
            self.indicator("4", false, false);
        }
        let mut ending = text.chars().rev().map(is_break);
        match (ending.next(), ending.next()) {
            (Some(true), Some(false)) => {}
            (Some(true), _) => self.indicator("+", false, false),
            _ => self.indicator("-", false, false),
        }
        self.line_break('\n');
        self.after_blank = true;
        let mut at_line_start = true;
        for c in text.chars() {
            if is_break(c) {
                self.line_break(c);
            } else {
                if at_line_start {
                    self.new_line();
                }
                self.put(c);
                self.in_indentation = false;
            }
            at_line_start = is_break(c);
        }
    }

    /// Goes to the current indentation, on a new line unless only indentation
    /// stands on this one.
    fn new_line(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.in_indentation
            || self.column > indent
            || self.column == indent && !self.after_blank
        {
            self.line_break('\n');
        }
        while self.column < indent {
            self.put(' ');
        }
        self.after_blank = true;
    }

    /// Writes an indicator; one that counts as indentation leaves room for a
    /// collection to begin on the same line.
    fn indicator(&mut self, indicator: &str, needs_blank: bool, indents: bool) {
        if needs_blank && !self.after_blank {
            self.put(' ');
        }
        indicator.chars().for_each(|c| self.put(c));
        self.after_blank = false;
        self.in_indentation &= indents;
    }

    fn line_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.in_indentation = true;
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }
}

/// A character as an escape of a double-quoted string.
fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}
