//! Collecting what is wrong with one part of a document.

use std::collections::HashSet;
use std::str::FromStr;

use super::at::At;
use super::tree::{Document, Entry, NodeRef};
use crate::model::{Invalid, Problem};

/// The longest text that is taken for a value of one line, in bytes: nothing
/// that people name is longer, and messages repeat it.
const TEXT_MAX: usize = 4096;

/// The problems of one part of a document, collected while it is read.
#[derive(Debug)]
pub struct Report<'d> {
    doc: &'d Document,
    problems: Vec<Problem>,
    refused: HashSet<NodeRef>,
}

impl<'d> Report<'d> {
    /// A report on parts of `doc`, empty so far.
    pub fn new(doc: &'d Document) -> Self {
        Self {
            doc,
            problems: Vec::new(),
            refused: HashSet::new(),
        }
    }

    /// The document reported on.
    pub fn document(&self) -> &'d Document {
        self.doc
    }

    /// True if nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds the problem of an entry that [`read`](super::read) is then to pass
    /// over, for a key about which there is more to say than that it is unknown.
    pub fn refuse(&mut self, entry: &Entry, problem: Problem) {
        self.refused.insert(entry.value.id);
        self.push(problem);
    }

    /// The nodes to pass over.
    pub(super) fn refused(&self) -> &HashSet<NodeRef> {
        &self.refused
    }

    /// Adds a problem at a place.
    pub fn at(&mut self, place: NodeRef, message: impl Into<String>) {
        self.push(self.doc.problem(place, message));
    }

    /// Adds a problem at a place, with what can be done about it.
    pub fn at_with_hint(
        &mut self,
        place: NodeRef,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(self.doc.problem(place, message).hint(hint));
    }

    /// Adds the refusal of a text.
    pub fn invalid(&mut self, place: NodeRef, invalid: Invalid) {
        let mut problem = self.doc.problem(place, invalid.message);
        problem.hint = invalid.hint;
        self.push(problem);
    }

    /// Adds that a key is missing from the map at `place`, unless something is
    /// wrong with the key already: then it was written, only not well.
    pub fn missing(&mut self, place: NodeRef, key: &str, hint: impl Into<String>) {
        let path = match self.doc.path(place) {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        let told = self.problems.iter().any(|problem| {
            problem
                .path
                .strip_prefix(&path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        if !told {
            self.at_with_hint(place, format!("`{key}` is missing"), hint);
        }
    }

    /// The value of a text; a refusal is reported.
    pub fn parse<T: FromStr<Err = Invalid>>(&mut self, text: &At<String>) -> Option<T> {
        self.parse_among(text, [])
    }

    /// The same, for a text that is one of a few words: the nearest is suggested.
    pub fn parse_among<'a, T: FromStr<Err = Invalid>>(
        &mut self,
        text: &At<String>,
        words: impl IntoIterator<Item = &'a str>,
    ) -> Option<T> {
        if !self.fits_a_line(text) {
            return None;
        }
        match text.value.parse() {
            Ok(value) => Some(value),
            Err(mut invalid) => {
                if let Some(near) = one_of(&text.value, words) {
                    invalid = invalid.hint(format!("did you mean `{near}`?"));
                }
                self.invalid(text.place, invalid);
                None
            }
        }
    }

    /// True for a text of one line and a sensible length; otherwise reported.
    pub fn fits_a_line(&mut self, text: &At<String>) -> bool {
        if text.value.len() > TEXT_MAX {
            let length = text.value.len();
            self.at(
                text.place,
                format!("the text is {length} bytes long; accepted are up to {TEXT_MAX}"),
            );
            return false;
        }
        if let Some(bad) = text.value.chars().find(|c| c.is_control()) {
            self.at(
                text.place,
                format!(
                    "{} holds the control character {bad:?}; accepted is one line of plain text",
                    shown(&text.value)
                ),
            );
            return false;
        }
        true
    }

    /// Refuses a number where a version is meant: YAML reads 1.10 as 1.1.
    pub fn is_quoted(&mut self, text: &At<String>, key: &str) -> bool {
        if !self.doc.is_number(text.place) {
            return true;
        }
        let written = &text.value;
        self.at_with_hint(
            text.place,
            format!("expected a version as text, found the number {written}"),
            format!("put it in quotes, `{key}: \"{written}\"`; YAML takes 1.10 and 1.1 for the same number"),
        );
        false
    }

    /// The problems, in the order of their places.
    pub fn finish(mut self) -> Vec<Problem> {
        self.problems
            .sort_by_key(|problem| (problem.line, problem.column));
        self.problems
    }
}

/// A text as messages show it: quoted, escaped, cut to a length that can be read.
pub fn shown(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// The word that was probably meant: the nearest one, if it is near at all.
pub fn one_of<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.8;
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', '.', ' '], "");
    let wanted = plain(text);
    words
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&wanted, &plain(word)), word))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, word)| word)
}
