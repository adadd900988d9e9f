//! The spanned tree: what a text says, with the place of every word.
//!
//! The parser hands over typed values; a number or a boolean is kept as the
//! text that stands in the file instead, because `1.10` and `0xa` mean more to
//! us as written. Repeated keys do not stop the reading: the first one stays,
//! the others become blemishes of their map, so that they cost one position and
//! not the whole file.

use std::collections::HashMap;

use serde_yaml::Spanned;

use super::raw::Raw;
use super::source::{Source, Span};
use super::style::{STRING_TAG, style};
use super::syntax::{self, MAX_TEXT};
use crate::model::Problem;

/// A parsed file.
#[derive(Debug)]
pub struct Document {
    /// Its name and text.
    pub source: Source,
    /// Its content; [`Kind::Null`] for an empty file.
    pub root: Node,
    places: Vec<Place>,
}

/// Which node of a document: the key to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeRef(pub(super) usize);

/// Paths are put together when they are asked for: stored whole, long keys around
/// many values would take more room than a small machine has.
#[derive(Debug)]
struct Place {
    span: Span,
    parent: Option<NodeRef>,
    step: Step,
    number: bool,
    /// Where it begins in the text, in bytes.
    offset: Option<usize>,
}

/// How a node is reached from its parent.
#[derive(Debug)]
enum Step {
    Root,
    Index(usize),
    Key(String),
}

/// A value in the tree.
#[derive(Debug)]
pub struct Node {
    /// Its identity.
    pub id: NodeRef,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// One of `true`, `yes`, `on` and their opposites, unquoted.
    Bool {
        /// Its meaning.
        value: bool,
        /// Its spelling.
        text: String,
    },
    /// A number, unquoted.
    Number {
        /// Its spelling.
        text: String,
    },
    /// Any other scalar; quotes and escapes are resolved.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map.
    Map {
        /// Its entries as written; keys are unique.
        entries: Vec<Entry>,
        /// What is wrong with its keys, each with a place of its own.
        blemishes: Vec<(NodeRef, String)>,
    },
}

/// A key and its value.
#[derive(Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The place of the key.
    pub(super) key_span: Span,
    /// Where the key begins in the text, in bytes.
    pub(super) key_offset: Option<usize>,
    /// The value.
    pub value: Node,
}

impl Document {
    /// Parses a text.
    ///
    /// # Errors
    /// The one problem that ended the parsing; a text that is not YAML has no
    /// parts to be saved.
    pub fn parse(source: Source) -> Result<Self, Box<Problem>> {
        let mut build = Build {
            source: &source,
            places: Vec::new(),
            text_bytes: 0,
            has_tags: source.text.contains('!'),
        };
        // A file that looks like neither was not written for this program; what the
        // parser makes of it could repeat it word by word.
        if !source.is_structured() {
            return Err(Box::new(source.not_structured()));
        }
        let text = syntax::one_document(&source.text);
        let root = build.node(syntax::parse(&source, &text)?, None, Step::Root)?;
        let places = build.places;
        Ok(Self {
            source,
            root,
            places,
        })
    }

    /// The key path of a node.
    pub fn path(&self, id: NodeRef) -> String {
        path(&self.places, id)
    }

    /// The line of a node, counted from 1.
    pub fn line(&self, id: NodeRef) -> u64 {
        self.places[id.0].span.line
    }

    /// True if a node is a number as YAML sees it (unquoted).
    pub fn is_number(&self, id: NodeRef) -> bool {
        self.places[id.0].number
    }

    /// True if a node is a scalar without quotes, which readers of YAML may take for
    /// something other than text.
    pub fn is_plain(&self, id: NodeRef) -> bool {
        style(&self.source, self.places[id.0].offset).plain
    }

    /// The same of the key of an entry.
    pub fn is_plain_key(&self, entry: &Entry) -> bool {
        style(&self.source, entry.key_offset).plain
    }

    /// The node of a place.
    pub fn node(&self, id: NodeRef) -> Option<&Node> {
        self.root.find(id)
    }

    /// What a message says that was found at a node. Of a document that is one scalar
    /// nothing is repeated: it was not written for this program.
    pub fn describe(&self, node: &Node) -> String {
        match node.kind {
            Kind::Bool { .. } | Kind::Number { .. } | Kind::Text(_) if node.id == self.root.id => {
                "text".to_owned()
            }
            _ => node.describe(),
        }
    }

    /// A problem at a node.
    pub fn problem(&self, id: NodeRef, message: impl Into<String>) -> Problem {
        let place = &self.places[id.0];
        self.source
            .problem(place.span, &self.path(id), message.into())
    }

    /// A problem at the key of an entry.
    pub fn key_problem(&self, entry: &Entry, message: impl Into<String>) -> Problem {
        self.source
            .problem(entry.key_span, &self.path(entry.value.id), message.into())
    }
}

impl Node {
    /// The value of a key, where this is a map that has it and it is not null.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
            .filter(|value| !value.is_null())
    }

    /// The entries of a map; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The elements of a list; none for anything else.
    pub fn elements(&self) -> &[Node] {
        match &self.kind {
            Kind::List(elements) => elements,
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
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// A scalar as written, quotes resolved.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Bool { text, .. } | Kind::Number { text } | Kind::Text(text) => Some(text),
            Kind::Null | Kind::List(_) | Kind::Map { .. } => None,
        }
    }

    /// What a message says that was found: `the number 1.10`, `a list`.
    fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Bool { text, .. } => format!("`{text}`"),
            Kind::Number { text } => format!("the number {text}"),
            Kind::Text(text) => format!("the text {}", super::shown(text)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map { .. } => "a map".to_owned(),
        }
    }
}

/// The longest key, in bytes.
const KEY_MAX: usize = 256;

/// The walk that turns raw values into nodes with places.
struct Build<'a> {
    source: &'a Source,
    places: Vec<Place>,
    text_bytes: usize,
    /// There may be tags; most files have none, and need no search for them.
    has_tags: bool,
}

impl<'a> Build<'a> {
    fn node(
        &mut self,
        raw: Spanned<Raw<'_>>,
        parent: Option<NodeRef>,
        step: Step,
    ) -> Result<Node, Box<Problem>> {
        let (span, written) = self.span(&raw);
        let offset = offset(&raw);
        if self.has_tags
            && !matches!(raw.value, Raw::List(_) | Raw::Map(_))
            && let Some(tag) = style(self.source, offset).tag
            && tag != STRING_TAG
        {
            let (message, hint) = syntax::tag_words(tag);
            return Err(Box::new(self.source.problem(span, "", message).hint(hint)));
        }
        let number = matches!(raw.value, Raw::Number);
        let id = self.place(span, parent, step, number);
        self.places[id.0].offset = offset;
        let kind = match raw.value {
            Raw::Null => Kind::Null,
            Raw::Bool(value) if is_yaml_1_1_bool(written) => Kind::Bool {
                value,
                text: written.to_owned(),
            },
            // A lone `y` or `n`, which neither YAML 1.2 nor the usual 1.1
            // readers take for a boolean.
            Raw::Bool(_) => Kind::Text(written.to_owned()),
            Raw::Number => Kind::Number {
                text: written.to_owned(),
            },
            Raw::Text(text) => {
                self.text_bytes += text.len();
                if self.text_bytes > MAX_TEXT {
                    let message = syntax::too_much_text();
                    return Err(Box::new(self.source.problem(span, "", message)));
                }
                Kind::Text(text.into_owned())
            }
            Raw::List(elements) => Kind::List(
                elements
                    .into_iter()
                    .enumerate()
                    .map(|(index, element)| self.node(element, Some(id), Step::Index(index)))
                    .collect::<Result<_, _>>()?,
            ),
            Raw::Map(entries) => self.map(entries, id)?,
        };
        Ok(Node { id, kind })
    }

    fn place(&mut self, span: Span, parent: Option<NodeRef>, step: Step, number: bool) -> NodeRef {
        self.places.push(Place {
            span,
            parent,
            step,
            number,
            offset: None,
        });
        NodeRef(self.places.len() - 1)
    }

    fn map(
        &mut self,
        raw: Vec<(Spanned<Raw<'_>>, Spanned<Raw<'_>>)>,
        id: NodeRef,
    ) -> Result<Kind, Box<Problem>> {
        let mut entries: Vec<Entry> = Vec::with_capacity(raw.len());
        let mut lines: HashMap<String, u64> = HashMap::with_capacity(raw.len());
        let mut blemishes = Vec::new();
        for (raw_key, raw_value) in raw {
            let (key_span, written) = self.span(&raw_key);
            let key_offset = offset(&raw_key);
            let key = match raw_key.value {
                Raw::Text(text) => text.into_owned(),
                Raw::Bool(_) | Raw::Number => written.to_owned(),
                Raw::Null | Raw::List(_) | Raw::Map(_) => {
                    let message = "a key must be a word, not a list, a map or nothing";
                    let at = self.place(key_span, Some(id), Step::Root, false);
                    blemishes.push((at, message.to_owned()));
                    continue;
                }
            };
            if key.len() > KEY_MAX {
                let message = format!("this key is longer than {KEY_MAX} bytes");
                let at = self.place(key_span, Some(id), Step::Root, false);
                blemishes.push((at, message));
                continue;
            }
            if let Some(first) = lines.get(&key) {
                let message = format!(
                    "key {} is given twice; the first is on line {first}",
                    super::shown(&key)
                );
                let at = self.place(key_span, Some(id), Step::Key(key), false);
                blemishes.push((at, message));
                continue;
            }
            lines.insert(key.clone(), key_span.line);
            let value = self.node(raw_value, Some(id), Step::Key(key.clone()))?;
            entries.push(Entry {
                key,
                key_span,
                key_offset,
                value,
            });
        }
        Ok(Kind::Map { entries, blemishes })
    }

    /// The place of a value, and the text that stands there.
    fn span(&self, raw: &Spanned<Raw<'_>>) -> (Span, &'a str) {
        let location = raw.defined;
        let bytes = location.span();
        let written = bytes
            .byte_offset()
            .zip(bytes.byte_len())
            .and_then(|(from, length)| {
                let from = usize::try_from(from).ok()?;
                let length = usize::try_from(length).ok()?;
                self.source.text.get(from..from.checked_add(length)?)
            })
            .unwrap_or_default()
            .trim_end();
        let width = written
            .lines()
            .next()
            .map_or(1, |line| line.chars().count());
        let span = Span {
            line: location.line(),
            column: location.column(),
            width: width.max(1),
        };
        (span, written)
    }
}

/// Where a value begins in the text, in bytes.
fn offset(raw: &Spanned<Raw<'_>>) -> Option<usize> {
    let offset = raw.defined.span().byte_offset()?;
    usize::try_from(offset).ok()
}

/// The key path of a place: `positions[0].version.minor`.
fn path(places: &[Place], id: NodeRef) -> String {
    let place = &places[id.0];
    let mut path = place.parent.map_or_else(String::new, |id| path(places, id));
    match &place.step {
        Step::Root => {}
        Step::Index(index) => path.push_str(&format!("[{index}]")),
        Step::Key(key) => {
            if !path.is_empty() {
                path.push('.');
            }
            // A key that would break the line is no key of ours.
            path.extend(key.chars().map(|c| if c.is_control() { '·' } else { c }));
        }
    }
    path
}

/// True for the spellings that YAML 1.1 readers take for booleans.
fn is_yaml_1_1_bool(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text))
}
