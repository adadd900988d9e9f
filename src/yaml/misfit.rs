//! Why a node does not fit the shape it is read into: the serde error of this
//! room, kept as data until it is known where it happened.

use std::fmt;

use super::blanks;
use super::tree::{Document, NodeRef, YamlEntry, YamlKind, YamlNode};
use super::words::{did_you_mean, one_of, shown};
use crate::model::Problem;

/// What a boolean is called in messages.
pub(super) const BOOL: &str = "true or false";

/// A misfit, with the node where it was found once that is known.
#[derive(Debug)]
pub(super) struct Misfit {
    pub node: Option<NodeRef>,
    pub kind: MisfitKind,
}

#[derive(Debug)]
pub(super) enum MisfitKind {
    /// A key that the map does not have.
    UnknownKey { accepted: &'static [&'static str] },
    /// A value of another type.
    WrongType { expected: String },
    /// A word that is none of the accepted ones.
    UnknownWord { accepted: &'static [&'static str] },
    /// Anything that has its words already: a bad key of a map, or what serde says.
    Other(String),
}

impl Misfit {
    pub(super) fn new(node: NodeRef, kind: MisfitKind) -> Self {
        Self {
            node: Some(node),
            kind,
        }
    }

    /// The same misfit, at `node` if nothing nearer is known.
    pub(super) fn at(mut self, node: NodeRef) -> Self {
        self.node.get_or_insert(node);
        self
    }

    /// The problem as the user sees it. `root` is the subtree that was read.
    pub(super) fn into_problem(self, doc: &Document, root: &YamlNode) -> Problem {
        let id = self.node.unwrap_or(root.id);
        let found = root.find(id);
        match self.kind {
            MisfitKind::UnknownKey { accepted } => match find_entry(root, id) {
                Some(entry) => unknown_key(doc, entry, accepted),
                None => doc.problem(id, "unknown key"),
            },
            MisfitKind::WrongType { expected } => {
                let what =
                    found.map_or_else(|| "something else".to_owned(), |node| doc.describe(node));
                let problem = doc.problem(id, format!("expected {expected}, found {what}"));
                match found.and_then(|node| type_hint(&expected, node)) {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                }
            }
            MisfitKind::UnknownWord { accepted } => {
                let word = found.and_then(YamlNode::text).unwrap_or_default();
                let problem = doc.problem(
                    id,
                    format!(
                        "{} is unknown here; expected {}",
                        shown(word),
                        accepted.join(", ")
                    ),
                );
                match one_of(word, accepted.iter().copied()) {
                    Some(near) => problem.hint(did_you_mean(near)),
                    None => problem,
                }
            }
            MisfitKind::Other(message) => doc.problem(id, message),
        }
    }
}

/// The problem of a key that is not accepted where it stands.
fn unknown_key(doc: &Document, entry: &YamlEntry, accepted: &[&str]) -> Problem {
    let problem = doc.key_problem(
        entry,
        format!(
            "unknown key {}; expected one of {}",
            shown(&entry.key),
            accepted.join(", ")
        ),
    );
    // A key that only looks like an accepted one is harder to find.
    if let Some(hint) = blanks::hint_for(&entry.key) {
        return problem.hint(hint);
    }
    match one_of(&entry.key, accepted.iter().copied()) {
        Some(near) => problem.hint(did_you_mean(near)),
        None => problem,
    }
}

/// What helps where the type is wrong in one of the usual ways.
fn type_hint(expected: &str, found: &YamlNode) -> Option<String> {
    match &found.kind {
        YamlKind::Text(text)
            if expected == BOOL
                && ["true", "false", "yes", "no", "on", "off"].contains(&text.as_str()) =>
        {
            Some(format!("write `{text}` without the quotes"))
        }
        YamlKind::Text(text) if expected.contains("number") && text.parse::<u64>().is_ok() => {
            Some(format!("write {text} without the quotes"))
        }
        YamlKind::Text(_) | YamlKind::Number { .. } | YamlKind::Map { .. }
            if expected == "a list" =>
        {
            Some("start each element with `- ` on its own line".to_owned())
        }
        YamlKind::List(_) if expected == "a map" => {
            Some("write `key: value` lines without a `- ` before them".to_owned())
        }
        _ => None,
    }
}

fn find_entry(node: &YamlNode, id: NodeRef) -> Option<&YamlEntry> {
    let entries = node.entries();
    if let Some(entry) = entries.iter().find(|entry| entry.value.id == id) {
        return Some(entry);
    }
    let children = entries.iter().map(|entry| &entry.value);
    children
        .chain(node.elements())
        .find_map(|child| find_entry(child, id))
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            MisfitKind::UnknownKey { .. } => f.write_str("unknown key"),
            MisfitKind::WrongType { expected } => write!(f, "expected {expected}"),
            MisfitKind::UnknownWord { .. } => f.write_str("unknown word"),
            MisfitKind::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Misfit {}

impl serde::de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            node: None,
            kind: MisfitKind::Other(message.to_string()),
        }
    }

    fn invalid_type(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self {
            node: None,
            kind: MisfitKind::WrongType {
                expected: expected.to_string(),
            },
        }
    }

    fn unknown_variant(_: &str, accepted: &'static [&'static str]) -> Self {
        Self {
            node: None,
            kind: MisfitKind::UnknownWord { accepted },
        }
    }
}
