//! From raw values to the tree: the text of numbers and words is looked up, and what is
//! wrong with keys is noted. Repeated keys do not stop the reading: the first one stays,
//! the others become bad keys of their map, so that they cost one position and not the
//! whole file.

use std::collections::HashMap;

use serde_yaml::Spanned;

use super::raw::Raw;
use super::source::{SourceText, Span};
use super::style::{STRING_TAG, style};
use super::syntax::{self, MAX_TEXT};
use super::tree::{Document, NodePlace, NodeRef, PathStep, YamlEntry, YamlKind, YamlNode};
use super::words::shown;
use crate::model::Problem;

impl Document {
    /// Parses a text.
    ///
    /// # Errors
    /// The one problem that ended the parsing; a text that is not YAML has no
    /// parts to be saved.
    pub(crate) fn parse(source: SourceText) -> Result<Self, Box<Problem>> {
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
        let root = build.node(syntax::parse(&source, &text)?, None, PathStep::Root)?;
        let places = build.places;
        Ok(Self {
            source,
            root,
            places,
        })
    }
}

/// The longest key, in bytes.
const KEY_MAX: usize = 256;

/// The walk that turns raw values into nodes with places.
struct Build<'a> {
    source: &'a SourceText,
    places: Vec<NodePlace>,
    text_bytes: usize,
    /// There may be tags; most files have none, and need no search for them.
    has_tags: bool,
}

impl<'a> Build<'a> {
    fn node(
        &mut self,
        raw: Spanned<Raw<'_>>,
        parent: Option<NodeRef>,
        step: PathStep,
    ) -> Result<YamlNode, Box<Problem>> {
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
            Raw::Null => YamlKind::Null,
            Raw::Bool(value) if is_yaml_1_1_bool(written) => YamlKind::Bool {
                value,
                text: written.to_owned(),
            },
            // A lone `y` or `n`, which neither YAML 1.2 nor the usual 1.1
            // readers take for a boolean.
            Raw::Bool(_) => YamlKind::Text(written.to_owned()),
            Raw::Number => YamlKind::Number {
                text: written.to_owned(),
            },
            Raw::Text(text) => {
                self.text_bytes += text.len();
                if self.text_bytes > MAX_TEXT {
                    let message = syntax::too_much_text();
                    return Err(Box::new(self.source.problem(span, "", message)));
                }
                YamlKind::Text(text.into_owned())
            }
            Raw::List(elements) => YamlKind::List(
                elements
                    .into_iter()
                    .enumerate()
                    .map(|(index, element)| self.node(element, Some(id), PathStep::Index(index)))
                    .collect::<Result<_, _>>()?,
            ),
            Raw::Map(entries) => self.map(entries, id)?,
        };
        Ok(YamlNode { id, kind })
    }

    fn place(
        &mut self,
        span: Span,
        parent: Option<NodeRef>,
        step: PathStep,
        number: bool,
    ) -> NodeRef {
        self.places.push(NodePlace {
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
    ) -> Result<YamlKind, Box<Problem>> {
        let mut entries: Vec<YamlEntry> = Vec::with_capacity(raw.len());
        let mut lines: HashMap<String, u64> = HashMap::with_capacity(raw.len());
        let mut bad_keys = Vec::new();
        for (raw_key, raw_value) in raw {
            let (key_span, written) = self.span(&raw_key);
            let key_offset = offset(&raw_key);
            let key = match raw_key.value {
                Raw::Text(text) => text.into_owned(),
                Raw::Bool(_) | Raw::Number => written.to_owned(),
                Raw::Null | Raw::List(_) | Raw::Map(_) => {
                    let message = "a key must be a scalar, not a list, a map or null";
                    let at = self.place(key_span, Some(id), PathStep::Root, false);
                    bad_keys.push((at, message.to_owned()));
                    continue;
                }
            };
            if key.len() > KEY_MAX {
                let message = format!("this key is longer than {KEY_MAX} bytes");
                let at = self.place(key_span, Some(id), PathStep::Root, false);
                bad_keys.push((at, message));
                continue;
            }
            if let Some(first) = lines.get(&key) {
                let message = format!(
                    "key {} is given twice; the first is on line {first}",
                    shown(&key)
                );
                let at = self.place(key_span, Some(id), PathStep::Key(key), false);
                bad_keys.push((at, message));
                continue;
            }
            lines.insert(key.clone(), key_span.line);
            let value = self.node(raw_value, Some(id), PathStep::Key(key.clone()))?;
            entries.push(YamlEntry {
                key,
                key_span,
                key_offset,
                value,
            });
        }
        Ok(YamlKind::Map { entries, bad_keys })
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

/// True for the spellings that YAML 1.1 readers take for booleans.
fn is_yaml_1_1_bool(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text))
}
