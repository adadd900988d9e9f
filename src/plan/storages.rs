//! Places that several nodes see: shared storages.
//!
//! The same file is seen by every node of a shared storage, so it is delivered and
//! removed once, through whichever of them is up and has it mounted. A share that
//! is not mounted is never written to: the bytes would fill the root disk.

use std::collections::BTreeMap;

use super::blocked::BlockedReason;
use super::mounts;
use super::policy::SharedStorages;
use crate::facts::{DirState, NodeState, Observed};
use crate::model::{Dir, NodeId};

impl SharedStorages {
    /// Where a directory is, equal for nodes that see the same one.
    pub(super) fn key<'a>(&'a self, node: &'a NodeId, dir: &'a Dir) -> DirKey<'a> {
        let owner = match self.of(node, dir) {
            Some(storage) => Owner::Storage(storage),
            None => Owner::Node(node),
        };
        DirKey { owner, dir }
    }

    /// The shared storage that a directory is on. What the configuration says of a node
    /// is for all of its directories, and counts more than what the node says.
    pub(super) fn of<'a>(&'a self, node: &NodeId, dir: &Dir) -> Option<&'a str> {
        let of_node = self.of_nodes.get(node);
        let of_dir = || self.of_dirs.get(node)?.get(dir);
        of_node.or_else(of_dir).map(String::as_str)
    }

    /// The same with the directories that nodes say are on shared storages.
    #[must_use]
    pub(super) fn with(&self, dirs: &BTreeMap<NodeId, BTreeMap<Dir, String>>) -> Self {
        let mut all = self.clone();
        all.of_dirs
            .extend(dirs.iter().map(|(node, dirs)| (node.clone(), dirs.clone())));
        all
    }

    /// Why nothing may be read from or written to a directory that is on a node, or
    /// would be made there: its storage is not where it should be.
    pub(super) fn absent(
        &self,
        node: &NodeId,
        dir: &Dir,
        state: &DirState,
    ) -> Option<BlockedReason> {
        let place = || format!("{node}:{dir}");
        if state.is_silent {
            return Some(match &state.unread {
                // A storage that is asked for by its name may say why it cannot be used.
                Some(why) => BlockedReason::NotMounted {
                    place: place(),
                    why: Some(why.clone()),
                },
                None => BlockedReason::DirSilent { place: place() },
            });
        }
        let why = match mounts::absent(dir, state) {
            Some(why) => Some(why),
            None if self.is_unmounted(node, dir, state) => None,
            None => return None,
        };
        Some(BlockedReason::NotMounted {
            place: place(),
            why,
        })
    }

    /// True if a directory that is shared is there only as an empty mount point.
    fn is_unmounted(&self, node: &NodeId, dir: &Dir, state: &DirState) -> bool {
        let Some(storage) = self.of(node, dir) else {
            return false;
        };
        let storage = storage.rsplit('/').next().unwrap_or(storage);
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

    fn is_fit(&self, node: &NodeId, observed: &Observed) -> bool {
        match observed.nodes.get(node) {
            Some(NodeState::Listed { dirs, .. }) => {
                let mut dirs = dirs.iter();
                dirs.all(|(dir, state)| self.absent(node, dir, state).is_none())
            }
            Some(NodeState::Unreachable { .. }) | None => false,
        }
    }

    /// Who acts for each storage: the first by name that answers and has it mounted.
    pub(super) fn leaders<'a>(&'a self, observed: &Observed) -> StorageLeaders<'a> {
        let mut of_dirs = BTreeMap::new();
        for (node, dirs) in &self.of_dirs {
            let Some(NodeState::Listed { dirs: listed, .. }) = observed.nodes.get(node) else {
                continue;
            };
            for (dir, storage) in dirs {
                let is_own = !self.of_nodes.contains_key(node);
                let is_fit = |state| self.absent(node, dir, state).is_none();
                if is_own && listed.get(dir).is_some_and(is_fit) {
                    of_dirs.entry((storage.as_str(), dir)).or_insert(node);
                }
            }
        }
        let mut first = BTreeMap::new();
        for (node, storage) in &self.of_nodes {
            if !first.contains_key(storage.as_str()) && self.is_fit(node, observed) {
                first.insert(storage.as_str(), node);
            }
        }
        StorageLeaders {
            storages: self,
            first,
            of_dirs,
        }
    }
}

/// A directory, by who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DirKey<'a> {
    owner: Owner<'a>,
    dir: &'a Dir,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner<'a> {
    Storage(&'a str),
    Node(&'a NodeId),
}

/// Who acts for whom in a run.
pub(super) struct StorageLeaders<'a> {
    storages: &'a SharedStorages,
    /// Of storages that the configuration names, for all directories.
    first: BTreeMap<&'a str, &'a NodeId>,
    /// Of storages that nodes describe, by directory.
    of_dirs: BTreeMap<(&'a str, &'a Dir), &'a NodeId>,
}

impl<'a> StorageLeaders<'a> {
    /// True if this node is the one to act for a directory. On no shared storage every
    /// node speaks for itself.
    pub(super) fn leads(&self, node: &NodeId, dir: &Dir) -> bool {
        match self.storages.of(node, dir) {
            Some(storage) => self.first_of(storage, node, dir) == Some(node),
            None => true,
        }
    }

    fn first_of(&self, storage: &str, node: &NodeId, dir: &Dir) -> Option<&'a NodeId> {
        match self.storages.of_nodes.contains_key(node) {
            true => self.first.get(storage).copied(),
            false => self.of_dirs.get(&(storage, dir)).copied(),
        }
    }

    /// Another node that acts in the place of this one, if any does: where none is
    /// fit, each speaks for itself.
    pub(super) fn leader_for(&self, node: &NodeId, dir: &Dir) -> Option<&'a NodeId> {
        let storage = self.storages.of(node, dir)?;
        let speaker = self.first_of(storage, node, dir)?;
        (speaker != node).then_some(speaker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_unknown_says_why_where_that_is_told() {
        let shown = |unread: Option<&str>| {
            let state = DirState {
                is_silent: true,
                unread: unread.map(str::to_owned),
                ..DirState::default()
            };
            let (node, dir) = ("pve-01".parse().unwrap(), "/srv/iso".parse().unwrap());
            let absent = SharedStorages::default().absent(&node, &dir, &state);
            absent.unwrap().to_string()
        };
        assert!(shown(None).starts_with("pve-01:/srv/iso did not answer"));
        assert_eq!(
            shown(Some("the storage local is not active")),
            "pve-01:/srv/iso: the storage local is not active"
        );
    }
}
