//! What a step is called: the one text for it, wherever people read of it.
//!
//! It follows from the identity alone. So the plan, the log and the progress of a run,
//! the events and the history on disk, failure messages and manifests all say the same,
//! and what an older run wrote down reads like what runs now.

use std::fmt;

use super::step_id::StepId;
use super::step_kind::StepKind;

/// As many digits of a schematic's id as names of files have.
const SCHEMATIC_DIGITS: usize = 12;

/// A step in words: `push a.iso to pve-01`.
///
/// The directory on the node is left out: it is in the identity, and lists that have
/// room for it add it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepText {
    /// `push`; empty for a step of a later version.
    pub verb: &'static str,
    /// `a.iso to pve-01`; the identity for a step of a later version.
    pub object: String,
}

impl StepId {
    /// The step in words.
    pub fn text(&self) -> StepText {
        let known = self
            .kind()
            .and_then(|kind| Some((kind, self.object(kind)?)));
        match known {
            Some((kind, object)) => StepText {
                verb: verb(kind),
                object,
            },
            None => StepText {
                verb: "",
                object: self.as_str().to_owned(),
            },
        }
    }

    fn object(&self, kind: StepKind) -> Option<String> {
        let (_, subject) = self.as_str().split_once('/')?;
        let on_node = || {
            let (node, path) = subject.split_once('/')?;
            Some((node, path.rsplit_once('/').map_or(path, |(_, file)| file)))
        };
        Some(match kind {
            StepKind::Resolve | StepKind::Fetch | StepKind::Unpack => subject.to_owned(),
            StepKind::Record => format!("files from {}", subject.split_once('/')?.0),
            StepKind::Storage => {
                let (node, storage) = subject.split_once('/')?;
                let (storage, content) = storage.split_once('/')?;
                format!("to {content} storage {storage} of {node}")
            }
            StepKind::Register => {
                let digits = subject.get(..SCHEMATIC_DIGITS).unwrap_or(subject);
                format!("schematic {digits}")
            }
            StepKind::Push => {
                let (node, file) = on_node()?;
                format!("{file} to {node}")
            }
            StepKind::PruneCache => format!("{subject} from the cache"),
            StepKind::ClearPartial => format!("part of {subject} from the cache"),
            StepKind::PruneNode => {
                let (node, file) = on_node()?;
                format!("{file} from {node}")
            }
            StepKind::ClearPart => {
                let (node, _) = on_node()?;
                format!("part of {} from {node}", self.part()?.file())
            }
            StepKind::VerifyNode => {
                let (node, file) = on_node()?;
                format!("{file} on {node}")
            }
            StepKind::VerifyCache => format!("{subject} in the cache"),
            StepKind::CreateTemplate | StepKind::SwitchTemplate => {
                let (node, name) = subject.split_once('/')?;
                format!("template {name} on {node}")
            }
            StepKind::RemoveTemplate => {
                let (node, vmid) = subject.split_once('/')?;
                format!("template {vmid} from {node}")
            }
        })
    }
}

const fn verb(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Resolve => "resolve",
        StepKind::Register => "register",
        StepKind::Fetch => "fetch",
        StepKind::Unpack => "unpack",
        StepKind::Push | StepKind::Storage => "push",
        StepKind::Record
        | StepKind::PruneCache
        | StepKind::ClearPartial
        | StepKind::PruneNode
        | StepKind::ClearPart
        | StepKind::RemoveTemplate => "prune",
        StepKind::CreateTemplate => "create",
        StepKind::SwitchTemplate => "switch",
        StepKind::VerifyNode | StepKind::VerifyCache => "verify",
    }
}

impl fmt::Display for StepText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verb {
            "" => f.write_str(&self.object),
            verb => write!(f, "{verb} {}", self.object),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileName, PartName, PushTarget, SchematicId, Sha256};

    #[test]
    fn every_kind_of_step_has_its_words() {
        let file: FileName = "a.iso".parse().unwrap();
        let schematic: SchematicId = "0123456789ab".repeat(6)[..64].parse().unwrap();
        let part = PartName::new(&file, &Sha256::from_bytes([1; 32]));
        let old: PartName = ".talos-order.a.iso.part".parse().unwrap();
        for dir in ["/", "/var/lib/vz/template/iso"] {
            let target = PushTarget {
                node: "pve-01".parse().unwrap(),
                dir: dir.parse().unwrap(),
            };
            for (id, text) in [
                (StepId::record(&target), "prune files from pve-01"),
                (StepId::push(&target, &file), "push a.iso to pve-01"),
                (
                    StepId::prune_node(&target, &file),
                    "prune a.iso from pve-01",
                ),
                (
                    StepId::clear_part(&target, &part),
                    "prune part of a.iso from pve-01",
                ),
                (
                    StepId::clear_part(&target, &old),
                    "prune part of a.iso from pve-01",
                ),
                (
                    StepId::verify_node(&target, &file),
                    "verify a.iso on pve-01",
                ),
                (
                    StepId::register(&schematic),
                    "register schematic 0123456789ab",
                ),
                (StepId::fetch(&file), "fetch a.iso"),
                (StepId::unpack(&file), "unpack a.iso"),
                (StepId::prune_cache(&file), "prune a.iso from the cache"),
                (
                    StepId::clear_partial(&file),
                    "prune part of a.iso from the cache",
                ),
                (StepId::verify_cache(&file), "verify a.iso in the cache"),
                (
                    StepId::create_template(&target.node, &"talos".parse().unwrap()),
                    "create template talos on pve-01",
                ),
                (
                    StepId::switch_template(&target.node, &"talos".parse().unwrap()),
                    "switch template talos on pve-01",
                ),
                (
                    StepId::remove_template(&target.node, "9000".parse().unwrap()),
                    "prune template 9000 from pve-01",
                ),
            ] {
                assert_eq!(id.text().to_string(), text);
            }
        }
    }

    #[test]
    fn a_step_of_a_later_version_is_called_by_its_identity() {
        for id in ["clone/pve-01/9000", "push/pve-01", "nonsense", ""] {
            let read: StepId = serde_json::from_str(&format!("{id:?}")).unwrap();
            assert_eq!(read.text().to_string(), id);
        }
    }
}
