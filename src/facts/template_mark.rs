//! The mark in the notes of a template: by it we know our own.
//!
//! It is one line, an HTML comment with a JSON object, which the web interface of
//! Proxmox VE does not show. What people write around it stays. A virtual machine without
//! it is somebody else's, whatever its name, its number and its tags.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ArtifactId, Deletion, OrderId, Sha256, TemplateName, VmId};

const START: &str = "<!-- talos-order ";
const END: &str = " -->";

/// What is recorded in the notes of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateMark {
    /// The controller that made it; no other touches it.
    pub owner: String,
    /// Its number: a copy of a template, which has its notes, has another one.
    pub vmid: VmId,
    /// Under which name it is wanted.
    pub template: TemplateName,
    /// The orders that wanted it when it was made.
    pub orders: BTreeSet<OrderId>,
    /// What its disk was made from.
    pub artifact: ArtifactId,
    /// The digest of that file.
    pub sha256: Sha256,
    /// What becomes of it when no order wants it any more, where an order said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// How far it is.
    pub state: TemplateState,
    /// When it was made.
    pub made_at: Timestamp,
}

/// How far a template is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemplateState {
    /// It is being made, or is complete and not yet found under its name.
    New,
    /// It is the one that is found under its name.
    Current,
    /// Another one has taken its place.
    Retired,
}

impl TemplateMark {
    /// The mark in some notes, with the line that it is. Two marks are none: a template
    /// that somebody copied is not ours.
    pub fn find(notes: &str) -> Option<(Self, &str)> {
        let mut lines = notes.lines().filter(|line| line.starts_with(START));
        let line = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        let json = line.strip_prefix(START)?.trim_end().strip_suffix(END)?;
        let mark = serde_json::from_str(json).ok()?;
        Some((mark, line))
    }

    /// The line.
    pub fn line(&self) -> String {
        // No part of it can hold what would end the comment: names have no `>`.
        let json = serde_json::to_string(self).unwrap_or_default();
        let json = json.replace("-->", r"--\u003e");
        format!("{START}{json}{END}")
    }

    /// Notes for a new template.
    pub fn notes(&self) -> String {
        format!(
            "Talos {} ({}), maintained by talos-order.\n\n{}",
            self.artifact.version,
            self.artifact.factory_file(),
            self.line()
        )
    }

    /// Some notes with this mark in the place of theirs.
    pub fn in_place_of(&self, notes: &str) -> String {
        let Some((_, line)) = Self::find(notes) else {
            return self.notes();
        };
        let own = self.line();
        // Only where it begins a line: other lines may quote it.
        let lines = notes.split_inclusive('\n');
        let lines = lines.map(|text| match text.strip_prefix(line) {
            Some(end) => own.clone() + end,
            None => text.to_owned(),
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Arch, Format, Platform, SchematicId};

    fn mark() -> TemplateMark {
        TemplateMark {
            owner: "a --> b".to_owned(),
            vmid: "9000".parse().unwrap(),
            template: "talos".parse().unwrap(),
            orders: BTreeSet::from(["lab".parse().unwrap()]),
            artifact: ArtifactId {
                version: "1.11.3".parse().unwrap(),
                platform: Platform::Nocloud,
                arch: Arch::Amd64,
                secureboot: true,
                schematic: SchematicId::from_bytes([7; 32]),
                format: Format::Raw,
            },
            sha256: Sha256::from_bytes([1; 32]),
            deletion: None,
            state: TemplateState::New,
            made_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_mark_is_found_in_the_notes_it_was_put_in() {
        let mark = mark();
        assert_eq!(mark.line().matches("-->").count(), 1);
        for notes in [
            mark.notes(),
            format!("My own text.\r\n{}\r\nmore", mark.line()),
        ] {
            let (found, line) = TemplateMark::find(&notes).unwrap();
            assert_eq!(found, mark);
            assert_eq!(line, mark.line());
        }
    }

    #[test]
    fn what_people_wrote_stays() {
        let mut later = mark();
        later.state = TemplateState::Retired;
        let notes = later.in_place_of(&format!("mine\n{}\nalso mine", mark().line()));
        assert_eq!(notes, format!("mine\n{}\nalso mine", later.line()));
        let quoted = format!("was: {}\r\n", mark().line());
        let notes = later.in_place_of(&format!("{quoted}{}\r\nmine", mark().line()));
        assert_eq!(notes, format!("{quoted}{}\r\nmine", later.line()));
    }

    #[test]
    fn other_notes_hold_no_mark() {
        let line = mark().line();
        for notes in [
            String::new(),
            "talos-order".to_owned(),
            format!("text before {line}"),
            line[..line.len() - 2].to_owned(),
            line.replace("sha256", "sha255"),
            format!("{line}\n{line}"),
        ] {
            assert_eq!(TemplateMark::find(&notes), None, "{notes}");
        }
    }
}
