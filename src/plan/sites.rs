//! Places that several nodes see: shared storages.
//!
//! The same file is seen by every node of a shared storage, so it is delivered and
//! removed once, through whichever of them is up and has it mounted. A share that
//! is not mounted is never written to: the bytes would fill the root disk.

use std::collections::BTreeMap;

use super::observed::{DirState, NodeState, Observed};
use crate::model::{Dir, NodeId};

/// Which nodes see which shared storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sites {
    /// The shared storage of a node, by the node.
    pub storages: BTreeMap<NodeId, String>,
}

impl Sites {
    /// Where a directory is, equal for nodes that see the same one.
    pub(super) fn place(&self, node: &NodeId, dir: &Dir) -> (String, Dir) {
        let owner = match self.storages.get(node) {
            Some(storage) => format!("storage {storage}"),
            None => format!("node {node}"),
        };
        (owner, dir.clone())
    }

    /// True if a directory that is shared is there only as an empty mount point.
    pub(super) fn is_unmounted(&self, node: &NodeId, dir: &Dir, state: &DirState) -> bool {
        let Some(storage) = self.storages.get(node) else {
            return false;
        };
        // Proxmox mounts a network storage under its own name.
        let usual = format!("/mnt/pve/{storage}");
        let is_usual = dir.as_str() == usual || dir.as_str().starts_with(&format!("{usual}/"));
        match state.mount_point.as_deref() {
            Some(mount) if is_usual => mount != usual,
            Some(mount) => mount == "/",
            // Unknown is not mounted.
            None => true,
        }
    }

    /// True if this node is the one to act for its shared storage: the first by
    /// name that answers and has it mounted. Every other node speaks for itself.
    pub(super) fn speaks_for(&self, node: &NodeId, observed: &Observed) -> bool {
        let Some(storage) = self.storages.get(node) else {
            return true;
        };
        let of_storage = self.storages.iter().filter(|(_, other)| *other == storage);
        of_storage
            .map(|(node, _)| node)
            .find(|node| self.is_fit(node, observed))
            == Some(node)
    }

    fn is_fit(&self, node: &NodeId, observed: &Observed) -> bool {
        match observed.nodes.get(node) {
            Some(NodeState::Listed { dirs, .. }) => {
                let mut dirs = dirs.iter();
                dirs.all(|(dir, state)| !self.is_unmounted(node, dir, state))
            }
            Some(NodeState::Unreachable { .. }) | None => false,
        }
    }

    /// The node that acts in the place of this one; itself where none is fit.
    pub(super) fn speaker<'a>(&'a self, node: &'a NodeId, observed: &Observed) -> &'a NodeId {
        let Some(storage) = self.storages.get(node) else {
            return node;
        };
        let of_storage = self.storages.iter().filter(|(_, other)| *other == storage);
        of_storage
            .map(|(node, _)| node)
            .find(|node| self.is_fit(node, observed))
            .unwrap_or(node)
    }
}
