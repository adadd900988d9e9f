//! Collecting what is wrong with one part of a document.

use std::collections::HashSet;
use std::str::FromStr;

use super::at::At;
use super::blanks;
use super::tree::{Document, NodeRef, YamlEntry};
use super::words::{did_you_mean, one_of, shown};
use crate::model::{Dir, Invalid, Minor, Problem};

/// The longest text that is taken for a value of one line, in bytes: nothing
/// that people name is longer, and messages repeat it.
const TEXT_MAX: usize = 4096;

/// The problems of one part of a document, collected while it is read.
#[derive(Debug)]
pub(crate) struct ProblemReport<'d> {
    doc: &'d Document,
    problems: Vec<Problem>,
    refused: HashSet<NodeRef>,
}

impl<'d> ProblemReport<'d> {
    /// A report on parts of `doc`, empty so far.
    pub(crate) fn new(doc: &'d Document) -> Self {
        Self {
            doc,
            problems: Vec::new(),
            refused: HashSet::new(),
        }
    }

    pub(crate) fn document(&self) -> &'d Document {
        self.doc
    }

    /// What is wrong so far.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }

    /// True if nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds the problem of an entry that [`read`](super::read) is then to pass
    /// over, for a key about which there is more to say than that it is unknown.
    pub(crate) fn refuse(&mut self, entry: &YamlEntry, problem: Problem) {
        self.refused.insert(entry.value.id);
        self.push(problem);
    }

    /// The nodes to pass over.
    pub(super) fn refused(&self) -> &HashSet<NodeRef> {
        &self.refused
    }

    /// Adds a problem at a place.
    pub(crate) fn at(&mut self, place: NodeRef, message: impl Into<String>) {
        self.push(self.doc.problem(place, message));
    }

    /// Adds a problem at a place, with what can be done about it.
    pub(crate) fn at_with_hint(
        &mut self,
        place: NodeRef,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(self.doc.problem(place, message).hint(hint));
    }

    /// Adds the refusal of a text.
    pub(crate) fn invalid(&mut self, place: NodeRef, invalid: Invalid) {
        let mut problem = self.doc.problem(place, invalid.message);
        problem.hint = invalid.hint;
        self.push(problem);
    }

    /// Adds that a key is missing from the map at `place`, unless something is
    /// wrong with that very key already: then it was written, only not well.
    pub(crate) fn missing(&mut self, place: NodeRef, key: &str, hint: impl Into<String>) {
        if !self.told(place, key) {
            self.at_with_hint(place, format!("`{key}` is missing"), hint);
        }
    }

    /// True if a problem with a key of the map at `place` is reported already:
    /// at the key, below it, or as an unknown key that was probably meant for it.
    pub(crate) fn told(&self, place: NodeRef, key: &str) -> bool {
        let map = self.doc.path(place);
        let meant = did_you_mean(key);
        self.problems.iter().any(|problem| {
            let below = problem.path.strip_prefix(&map);
            let Some(below) = below.map(|path| path.trim_start_matches('.')) else {
                return false;
            };
            let at_key = below
                .strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
            at_key || (!below.contains(['.', '[']) && problem.hint.as_ref() == Some(&meant))
        })
    }

    /// The value of a text; a refusal is reported.
    pub(crate) fn parse<T: FromStr<Err = Invalid>>(&mut self, text: &At<String>) -> Option<T> {
        self.parse_among(text, [])
    }

    /// The same, for a text that is one of a few words: the nearest is suggested.
    pub(crate) fn parse_among<'a, T: FromStr<Err = Invalid>>(
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
                if let Some(hint) = blanks::hint_for(&text.value) {
                    invalid = invalid.hint(hint);
                } else if let Some(near) = one_of(&text.value, words) {
                    invalid = invalid.hint(did_you_mean(near));
                }
                self.invalid(text.place, invalid);
                None
            }
        }
    }

    /// A directory that images are delivered to; a refusal is reported.
    pub(crate) fn image_dir(&mut self, text: &At<String>) -> Option<Dir> {
        match self.parse::<Dir>(text)?.for_images() {
            Ok(dir) => Some(dir),
            Err(invalid) => {
                self.invalid(text.place, invalid);
                None
            }
        }
    }

    /// True for a text of one line and a sensible length; otherwise reported.
    pub(crate) fn fits_a_line(&mut self, text: &At<String>) -> bool {
        if text.value.len() > TEXT_MAX {
            let length = text.value.len();
            self.at(
                text.place,
                format!("the text is {length} bytes long; expected at most {TEXT_MAX}"),
            );
            return false;
        }
        if let Some(bad) = text.value.chars().find(|c| c.is_control()) {
            self.at(
                text.place,
                format!(
                    "{} contains the control character {bad:?}; expected one line of plain text",
                    shown(&text.value)
                ),
            );
            return false;
        }
        true
    }

    /// True for such a text without anything that looks like a blank or cannot be
    /// seen, and without blanks around it; otherwise reported. For names that somebody
    /// else compares byte for byte.
    pub(crate) fn is_exact(&mut self, text: &At<String>) -> bool {
        if !self.fits_a_line(text) {
            return false;
        }
        let message = if let Some((c, name)) = blanks::first_in(&text.value) {
            format!(
                "{} contains {name} (U+{:04X})",
                shown(&text.value),
                u32::from(c)
            )
        } else if text.value.trim() != text.value {
            format!("{} has leading or trailing whitespace", shown(&text.value))
        } else {
            return true;
        };
        self.at_with_hint(
            text.place,
            message,
            "the factory does not trim it; remove the whitespace",
        );
        false
    }

    /// Refuses a number where a version is meant: YAML reads 1.10 as 1.1.
    pub(crate) fn is_quoted(&mut self, text: &At<String>, key: &str) -> bool {
        if !self.doc.is_number(text.place) {
            return true;
        }
        let written = &text.value;
        let hint = if key == "minor" || written.parse::<Minor>().is_err() {
            format!(
                "put it in quotes, `{key}: \"{written}\"`; YAML reads 1.10 and 1.1 as the same number"
            )
        } else {
            format!(
                "{written} is a minor line; name a patch release, such as `{key}: \"{written}.0\"`"
            )
        };
        let message = format!("expected a version as text, found the number {written}");
        self.at_with_hint(text.place, message, hint);
        false
    }

    /// The problems, in the order of their places.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        self.problems
            .sort_by_key(|problem| (problem.line, problem.column));
        self.problems
    }
}
