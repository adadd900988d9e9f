//! The identities of steps: made and read here, and nowhere else.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::step_kind::StepKind;
use crate::model::{
    FileName, NodeId, PARTS_DIR, PartName, PositionRef, PushTarget, SchematicId, StorageTarget,
    TemplateName, VmId,
};

/// The identity of a step, the same in every run: what is remembered of earlier runs
/// hangs on it.
///
/// `KIND/SUBJECT`. A step on a node names node and path (`push/pve-01/var/lib/vz/a.iso`),
/// one in the cache its file (`fetch/a.iso`). What cannot be read, because a later
/// version wrote it, is kept as it is and belongs to no step. It is for programs:
/// people are told its text.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// Of a position that could not be resolved.
    pub fn resolve(position: &PositionRef) -> Self {
        Self::of(StepKind::Resolve, position)
    }

    /// Of finding out what is to go from a directory.
    pub fn record(target: &PushTarget) -> Self {
        let subject = [target.node.as_str(), target.dir.as_str()].concat();
        Self::of(StepKind::Record, &subject)
    }

    /// Of finding the directory of a storage.
    pub fn storage(target: &StorageTarget) -> Self {
        let (storage, content) = (target.storage.as_str(), target.content.name());
        let subject = [target.node.as_str(), storage, content].join("/");
        Self::of(StepKind::Storage, &subject)
    }

    /// Of making a schematic known.
    pub fn register(schematic: &SchematicId) -> Self {
        Self::of(StepKind::Register, schematic)
    }

    /// Of a download into the cache, by the name of the file there.
    pub fn fetch(file: &FileName) -> Self {
        Self::of(StepKind::Fetch, file)
    }

    /// Of unpacking a cached file, by the name that the result has in the cache.
    pub fn unpack(file: &FileName) -> Self {
        Self::of(StepKind::Unpack, file)
    }

    /// Of a delivery to a path of a node.
    pub fn push(target: &PushTarget, file: &FileName) -> Self {
        Self::on(StepKind::Push, target, file.as_str())
    }

    /// Of removing a file from the cache.
    pub fn prune_cache(file: &FileName) -> Self {
        Self::of(StepKind::PruneCache, file)
    }

    /// Of removing a partial download, by the name that the whole file would have.
    pub fn clear_partial(file: &FileName) -> Self {
        Self::of(StepKind::ClearPartial, file)
    }

    /// Of removing a file from a node.
    pub fn prune_node(target: &PushTarget, file: &FileName) -> Self {
        Self::on(StepKind::PruneNode, target, file.as_str())
    }

    /// Of removing what an interrupted delivery left on a node.
    pub fn clear_part(target: &PushTarget, part: &PartName) -> Self {
        Self::on(StepKind::ClearPart, target, &part.to_string())
    }

    /// Of reading back a file on a node.
    pub fn verify_node(target: &PushTarget, file: &FileName) -> Self {
        Self::on(StepKind::VerifyNode, target, file.as_str())
    }

    /// Of reading back a file in the cache.
    pub fn verify_cache(file: &FileName) -> Self {
        Self::of(StepKind::VerifyCache, file)
    }

    /// Of making a template, which is found under a name on a node.
    pub fn create_template(node: &NodeId, name: &TemplateName) -> Self {
        Self::of_template(StepKind::CreateTemplate, node, name)
    }

    /// Of giving a template its name, and taking it from the one before.
    pub fn switch_template(node: &NodeId, name: &TemplateName) -> Self {
        Self::of_template(StepKind::SwitchTemplate, node, name)
    }

    /// Of removing a template, by its number.
    pub fn remove_template(node: &NodeId, vmid: VmId) -> Self {
        Self::of_template(StepKind::RemoveTemplate, node, &vmid)
    }

    fn of_template(kind: StepKind, node: &NodeId, subject: &dyn fmt::Display) -> Self {
        Self(format!("{}/{node}/{subject}", kind.as_str()))
    }

    /// The template that a step makes or switches, by its name.
    pub fn template(&self) -> Option<TemplateName> {
        match self.kind()? {
            StepKind::CreateTemplate | StepKind::SwitchTemplate => {
                self.on_node()?.1[1..].parse().ok()
            }
            _ => None,
        }
    }

    /// The template that a step removes.
    pub fn vmid(&self) -> Option<VmId> {
        match self.kind()? {
            StepKind::RemoveTemplate => self.on_node()?.1[1..].parse().ok(),
            _ => None,
        }
    }

    fn of(kind: StepKind, subject: &dyn fmt::Display) -> Self {
        Self(format!("{}/{subject}", kind.as_str()))
    }

    /// Made for every file of every node in every run, so the text is put together in
    /// one piece.
    fn on(kind: StepKind, target: &PushTarget, name: &str) -> Self {
        // Only the root ends with a slash.
        let dir = target.dir.as_str().trim_end_matches('/');
        Self([kind.as_str(), "/", target.node.as_str(), dir, "/", name].concat())
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What kind of step it is; `None` if it is none of this version's.
    pub fn kind(&self) -> Option<StepKind> {
        let (kind, _) = self.0.split_once('/')?;
        StepKind::ALL.into_iter().find(|word| word.as_str() == kind)
    }

    /// The node that the step is done on; `None` for steps of this machine.
    pub fn node(&self) -> Option<NodeId> {
        let (node, _) = self.on_node()?;
        node.parse().ok()
    }

    /// The path on a node that the step is for: directory and name of a file. A part of
    /// a file is none.
    pub fn path(&self) -> Option<(PushTarget, FileName)> {
        let is_file = matches!(
            self.kind()?,
            StepKind::Push | StepKind::PruneNode | StepKind::VerifyNode
        );
        let (node, path) = self.on_node().filter(|_| is_file)?;
        let (dir, file) = path.rsplit_once('/')?;
        Some((place(node, dir)?, file.parse().ok()?))
    }

    /// The part of a file on a node that is removed.
    pub(super) fn part(&self) -> Option<PartName> {
        let (_, path) = self
            .on_node()
            .filter(|_| self.kind() == Some(StepKind::ClearPart))?;
        let inside = path.rfind(&format!("/{PARTS_DIR}/"));
        let at = inside.or_else(|| path.rfind('/'))?;
        path[at + 1..].parse().ok()
    }

    /// The directory on a node in which something is done.
    pub fn target(&self) -> Option<PushTarget> {
        let (node, path) = self.on_node()?;
        let dir = match self.kind()? {
            StepKind::Record => path,
            StepKind::Storage
            | StepKind::CreateTemplate
            | StepKind::SwitchTemplate
            | StepKind::RemoveTemplate => return None,
            // A part is beside its file, or in a directory that is beside it.
            StepKind::ClearPart => {
                let inside = format!("/{PARTS_DIR}/");
                let (dir, _) = path
                    .rsplit_once(inside.as_str())
                    .or_else(|| path.rsplit_once('/'))?;
                dir
            }
            _ => path.rsplit_once('/')?.0,
        };
        place(node, dir)
    }

    /// The file in the cache that the step is for.
    pub fn cached(&self) -> Option<FileName> {
        if self.kind()?.is_on_node() {
            return None;
        }
        let (_, file) = self.0.split_once('/')?;
        file.parse().ok()
    }

    /// True if the step removes something from a node.
    pub fn removes_from_node(&self) -> bool {
        matches!(
            self.kind(),
            Some(StepKind::PruneNode | StepKind::ClearPart | StepKind::RemoveTemplate)
        )
    }

    /// The node, which has no slash in its name, and the path there.
    fn on_node(&self) -> Option<(&str, &str)> {
        if !self.kind()?.is_on_node() {
            return None;
        }
        let (_, subject) = self.0.split_once('/')?;
        let slash = subject.find('/')?;
        Some(subject.split_at(slash))
    }
}

fn place(node: &str, dir: &str) -> Option<PushTarget> {
    let dir = if dir.is_empty() { "/" } else { dir };
    Some(PushTarget {
        node: node.parse().ok()?,
        dir: dir.parse().ok()?,
    })
}

/// What a user approves: exactly this list of removals on this node. Another
/// file on the list makes another id.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ApprovalId(pub String);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sha256;

    fn target(dir: &str) -> PushTarget {
        PushTarget {
            node: "pve-01".parse().unwrap(),
            dir: dir.parse().unwrap(),
        }
    }

    #[test]
    fn what_is_made_can_be_read_back() {
        let file: FileName = "a.iso".parse().unwrap();
        for dir in ["/", "/var/lib/vz/template/iso"] {
            let target = target(dir);
            for (id, kind) in [
                (StepId::push(&target, &file), StepKind::Push),
                (StepId::prune_node(&target, &file), StepKind::PruneNode),
                (StepId::verify_node(&target, &file), StepKind::VerifyNode),
            ] {
                assert_eq!(id.kind(), Some(kind), "{id:?}");
                assert_eq!(id.path(), Some((target.clone(), file.clone())), "{id:?}");
                assert_eq!(id.target(), Some(target.clone()), "{id:?}");
                assert_eq!((id.node(), id.cached()), (Some(target.node.clone()), None));
            }
            let record = StepId::record(&target);
            assert_eq!(
                (record.target(), record.path()),
                (Some(target.clone()), None)
            );
            let new = PartName::new(&file, &Sha256::from_bytes([1; 32]));
            for part in [new, ".talos-order.a.iso.part".parse().unwrap()] {
                let id = StepId::clear_part(&target, &part);
                assert_eq!(
                    (id.target(), id.path()),
                    (Some(target.clone()), None),
                    "{id:?}"
                );
                assert!(id.removes_from_node());
            }
        }
        let (node, name) = ("pve-01".parse().unwrap(), "talos".parse().unwrap());
        for (id, kind) in [
            (
                StepId::create_template(&node, &name),
                StepKind::CreateTemplate,
            ),
            (
                StepId::switch_template(&node, &name),
                StepKind::SwitchTemplate,
            ),
        ] {
            assert_eq!((id.kind(), id.node()), (Some(kind), Some(node.clone())));
            assert_eq!(id.template(), Some(name.clone()));
            assert_eq!((id.target(), id.path(), id.cached()), (None, None, None));
        }
        let id = StepId::remove_template(&node, "9000".parse().unwrap());
        assert_eq!(id.vmid(), Some("9000".parse().unwrap()));
        assert!(id.removes_from_node());
        for (id, kind) in [
            (StepId::fetch(&file), StepKind::Fetch),
            (StepId::unpack(&file), StepKind::Unpack),
            (StepId::prune_cache(&file), StepKind::PruneCache),
            (StepId::clear_partial(&file), StepKind::ClearPartial),
            (StepId::verify_cache(&file), StepKind::VerifyCache),
        ] {
            assert_eq!(id.kind(), Some(kind), "{id:?}");
            assert_eq!(id.cached(), Some(file.clone()), "{id:?}");
            assert_eq!((id.node(), id.path()), (None, None));
        }
        let push = StepId::push(&target("/iso"), &file);
        assert_eq!(push.as_str(), "push/pve-01/iso/a.iso");
        assert_eq!(StepId::fetch(&file).as_str(), "fetch/a.iso");
    }

    #[test]
    fn what_a_later_version_wrote_belongs_to_no_step() {
        for text in [
            "",
            "push",
            "push/pve-01",
            "clone/pve-01/9000",
            "push//a",
            "fetch/a/b",
        ] {
            let id: StepId = serde_json::from_str(&format!("{text:?}")).unwrap();
            assert_eq!((id.path(), id.cached()), (None, None), "{text}");
            assert_eq!(serde_json::to_string(&id).unwrap(), format!("{text:?}"));
        }
    }
}
