//! The spanned tree: what a text says, with the place of every word.
//!
//! The parser hands over typed values; a number or a boolean is kept as the
//! text that stands in the file instead, because `1.10` and `0xa` mean more to
//! us as written. Repeated keys do not stop the reading: the first one stays,
//! the others become blemishes of their map, so that they cost one position and
//! not the whole file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

use super::source::{Source, Span};
use super::syntax;
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

#[derive(Debug)]
struct Place {
    span: Span,
    path: String,
    number: bool,
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
        /// What is wrong with its keys, each under an identity of its own.
        blemishes: Vec<(NodeRef, Problem)>,
    },
}

/// A key and its value.
#[derive(Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The place of the key.
    pub(super) key_span: Span,
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
        let raw = syntax::parse(&source)?;
        let mut build = Build {
            source: &source,
            places: Vec::new(),
        };
        let root = build.node(raw, String::new());
        let places = build.places;
        Ok(Self {
            source,
            root,
            places,
        })
    }

    /// The key path of a node.
    pub fn path(&self, id: NodeRef) -> &str {
        &self.places[id.0].path
    }

    /// The line of a node, counted from 1.
    pub fn line(&self, id: NodeRef) -> u64 {
        self.places[id.0].span.line
    }

    /// True if a node is a number as YAML sees it (unquoted).
    pub fn is_number(&self, id: NodeRef) -> bool {
        self.places[id.0].number
    }

    /// A problem at a node.
    pub fn problem(&self, id: NodeRef, message: impl Into<String>) -> Problem {
        let place = &self.places[id.0];
        self.source.problem(place.span, &place.path, message.into())
    }

    /// A problem at the key of an entry.
    pub fn key_problem(&self, entry: &Entry, message: impl Into<String>) -> Problem {
        self.source
            .problem(entry.key_span, self.path(entry.value.id), message.into())
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
    pub fn describe(&self) -> String {
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

/// What the parser says a value is, before its text is looked up.
#[derive(Debug)]
pub(super) enum Raw {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element()? {
            elements.push(element);
        }
        Ok(Raw::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key()? {
            entries.push((key, access.next_value()?));
        }
        Ok(Raw::Map(entries))
    }
}

/// The walk that turns raw values into nodes with places.
struct Build<'a> {
    source: &'a Source,
    places: Vec<Place>,
}

impl Build<'_> {
    fn node(&mut self, raw: Spanned<Raw>, path: String) -> Node {
        let (span, written) = self.span(&raw);
        let id = self.place(span, &path, matches!(raw.value, Raw::Number));
        let kind = match raw.value {
            Raw::Null => Kind::Null,
            Raw::Bool(value) if is_yaml_1_1_bool(&written) => Kind::Bool {
                value,
                text: written,
            },
            // A lone `y` or `n`, which neither YAML 1.2 nor the usual 1.1
            // readers take for a boolean.
            Raw::Bool(_) => Kind::Text(written),
            Raw::Number => Kind::Number { text: written },
            Raw::Text(text) => Kind::Text(text),
            Raw::List(elements) => Kind::List(
                elements
                    .into_iter()
                    .enumerate()
                    .map(|(index, element)| self.node(element, format!("{path}[{index}]")))
                    .collect(),
            ),
            Raw::Map(entries) => self.map(entries, &path),
        };
        Node { id, kind }
    }

    fn place(&mut self, span: Span, path: &str, number: bool) -> NodeRef {
        self.places.push(Place {
            span,
            path: path.to_owned(),
            number,
        });
        NodeRef(self.places.len() - 1)
    }

    fn map(&mut self, raw: Vec<(Spanned<Raw>, Spanned<Raw>)>, path: &str) -> Kind {
        let mut entries: Vec<Entry> = Vec::with_capacity(raw.len());
        let mut blemishes = Vec::new();
        for (raw_key, raw_value) in raw {
            let (key_span, written) = self.span(&raw_key);
            let key = match raw_key.value {
                Raw::Text(text) => text,
                Raw::Bool(_) | Raw::Number => written,
                Raw::Null | Raw::List(_) | Raw::Map(_) => {
                    let message = "a key must be a word, not a list, a map or nothing";
                    let problem = self.source.problem(key_span, path, message.to_owned());
                    blemishes.push((self.place(key_span, path, false), problem));
                    continue;
                }
            };
            let value_path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let message = format!(
                    "key {} is given twice; the first is on line {}",
                    super::shown(&key),
                    first.key_span.line
                );
                let problem = self.source.problem(key_span, &value_path, message);
                blemishes.push((self.place(key_span, &value_path, false), problem));
                continue;
            }
            let value = self.node(raw_value, value_path);
            entries.push(Entry {
                key,
                key_span,
                value,
            });
        }
        Kind::Map { entries, blemishes }
    }

    /// The place of a value, and the text that stands there.
    fn span(&self, raw: &Spanned<Raw>) -> (Span, String) {
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
        (span, written.to_owned())
    }
}

/// True for the spellings that YAML 1.1 readers take for booleans.
fn is_yaml_1_1_bool(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text))
}
