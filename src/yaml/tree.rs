//! The spanned tree: what a text says, with the place of every word.
//!
//! The parser hands over typed values; a number or a boolean is kept as the
//! text that stands in the file instead, because `1.10` and `0xa` mean more to
//! us as written.

use super::source::{SourceText, Span};
use super::style::style;
use super::words::shown;
use crate::model::Problem;

/// A parsed file.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its name and text.
    pub source: SourceText,
    /// Its content; [`YamlKind::Null`] for an empty file.
    pub root: YamlNode,
    pub(super) places: Vec<NodePlace>,
}

/// Which node of a document: the key to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeRef(pub(super) usize);

/// Paths are put together when they are asked for: stored whole, long keys around
/// many values would take more room than a small machine has.
#[derive(Debug)]
pub(super) struct NodePlace {
    pub span: Span,
    pub parent: Option<NodeRef>,
    pub step: PathStep,
    pub number: bool,
    /// Where it begins in the text, in bytes.
    pub offset: Option<usize>,
}

/// How a node is reached from its parent.
#[derive(Debug)]
pub(super) enum PathStep {
    Root,
    Index(usize),
    Key(String),
}

#[derive(Debug)]
pub(crate) struct YamlNode {
    pub id: NodeRef,
    pub kind: YamlKind,
}

#[derive(Debug)]
pub(crate) enum YamlKind {
    /// Nothing, `~` or `null`.
    Null,
    /// One of `true`, `yes`, `on` and their opposites, unquoted.
    Bool {
        value: bool,
        text: String,
    },
    /// A number, unquoted.
    Number {
        text: String,
    },
    /// Any other scalar; quotes and escapes are resolved.
    Text(String),
    List(Vec<YamlNode>),
    Map {
        /// Its entries as written; keys are unique.
        entries: Vec<YamlEntry>,
        /// What is wrong with its keys, each with a place of its own.
        bad_keys: Vec<(NodeRef, String)>,
    },
}

/// A key and its value.
#[derive(Debug)]
pub(crate) struct YamlEntry {
    pub key: String,
    pub(super) key_span: Span,
    /// Where the key begins in the text, in bytes.
    pub(super) key_offset: Option<usize>,
    pub value: YamlNode,
}

impl Document {
    /// The key path of a node.
    pub(crate) fn path(&self, id: NodeRef) -> String {
        path(&self.places, id)
    }

    /// The line of a node, counted from 1.
    pub(crate) fn line(&self, id: NodeRef) -> u64 {
        self.places[id.0].span.line
    }

    /// True if a node is a number as YAML sees it (unquoted).
    pub(crate) fn is_number(&self, id: NodeRef) -> bool {
        self.places[id.0].number
    }

    /// True if a node is a scalar without quotes, which readers of YAML may take for
    /// something other than text.
    pub(crate) fn is_plain(&self, id: NodeRef) -> bool {
        style(&self.source, self.places[id.0].offset).plain
    }

    /// The same of the key of an entry.
    pub(crate) fn is_plain_key(&self, entry: &YamlEntry) -> bool {
        style(&self.source, entry.key_offset).plain
    }

    /// The node of a place.
    pub(crate) fn node(&self, id: NodeRef) -> Option<&YamlNode> {
        self.root.find(id)
    }

    /// What a message says that was found at a node. Of a document that is one scalar
    /// nothing is repeated: it was not written for this program.
    pub(crate) fn describe(&self, node: &YamlNode) -> String {
        match node.kind {
            YamlKind::Bool { .. } | YamlKind::Number { .. } | YamlKind::Text(_)
                if node.id == self.root.id =>
            {
                "text".to_owned()
            }
            _ => node.describe(),
        }
    }

    pub(crate) fn problem(&self, id: NodeRef, message: impl Into<String>) -> Problem {
        let place = &self.places[id.0];
        self.source
            .problem(place.span, &self.path(id), message.into())
    }

    pub(crate) fn key_problem(&self, entry: &YamlEntry, message: impl Into<String>) -> Problem {
        self.source
            .problem(entry.key_span, &self.path(entry.value.id), message.into())
    }
}

impl YamlNode {
    /// The value of a key, where this is a map that has it and it is not null.
    pub(crate) fn get(&self, key: &str) -> Option<&YamlNode> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
            .filter(|value| !value.is_null())
    }

    /// The entries of a map; none for anything else.
    pub(crate) fn entries(&self) -> &[YamlEntry] {
        match &self.kind {
            YamlKind::Map { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The elements of a list; none for anything else.
    pub(crate) fn elements(&self) -> &[YamlNode] {
        match &self.kind {
            YamlKind::List(elements) => elements,
            _ => &[],
        }
    }

    /// The node of a place in this subtree.
    pub(super) fn find(&self, id: NodeRef) -> Option<&Self> {
        if self.id == id {
            return Some(self);
        }
        let values = self.entries().iter().map(|entry| &entry.value);
        values
            .chain(self.elements())
            .find_map(|child| child.find(id))
    }

    /// True for nothing, `~` and `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.kind, YamlKind::Null)
    }

    /// A scalar as written, quotes resolved.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            YamlKind::Bool { text, .. } | YamlKind::Number { text } | YamlKind::Text(text) => {
                Some(text)
            }
            YamlKind::Null | YamlKind::List(_) | YamlKind::Map { .. } => None,
        }
    }

    /// What a message says that was found: `the number 1.10`, `a list`.
    fn describe(&self) -> String {
        match &self.kind {
            YamlKind::Null => "nothing".to_owned(),
            YamlKind::Bool { text, .. } => format!("`{text}`"),
            YamlKind::Number { text } => format!("the number {text}"),
            YamlKind::Text(text) => format!("the text {}", shown(text)),
            YamlKind::List(_) => "a list".to_owned(),
            YamlKind::Map { .. } => "a map".to_owned(),
        }
    }
}

/// The key path of a place: `positions[0].version.minor`.
fn path(places: &[NodePlace], id: NodeRef) -> String {
    let place = &places[id.0];
    let mut path = place.parent.map_or_else(String::new, |id| path(places, id));
    match &place.step {
        PathStep::Root => {}
        PathStep::Index(index) => path.push_str(&format!("[{index}]")),
        PathStep::Key(key) => {
            if !path.is_empty() {
                path.push('.');
            }
            // A key that would break the line is no key of ours.
            path.extend(key.chars().map(|c| if c.is_control() { '·' } else { c }));
        }
    }
    path
}
