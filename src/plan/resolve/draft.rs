//! A position that was resolved, before it is merged with the others.

use crate::model::{ArtifactId, Deletion, FileName, Position, PositionRef};
use crate::plan::desired::{Resolved, Unresolved};

/// A position with what it comes to, before it is known whether others agree.
pub(super) struct DraftPosition<'a> {
    pub reference: PositionRef,
    pub position: &'a Position,
    /// What its order says becomes of its files.
    pub deletion: Option<Deletion>,
    pub outcome: Result<NamedFiles, Unresolved>,
}

/// A resolved position with the names of its files, each made once.
pub(super) struct NamedFiles {
    pub resolved: Resolved,
    /// In the cache.
    pub download: FileName,
    /// In the cache, of the unpacked form.
    pub unpacked: Option<FileName>,
    /// On every node that stores what the cache has.
    pub placed: FileName,
    /// On nodes that store it as a qcow2, where it can be.
    pub converted: Option<FileName>,
}

impl NamedFiles {
    /// Its names on nodes, each once.
    pub(super) fn on_nodes(&self) -> impl Iterator<Item = &FileName> {
        let other = self.converted.as_ref().filter(|name| **name != self.placed);
        std::iter::once(&self.placed).chain(other)
    }

    /// The files in the cache, with their names.
    pub(super) fn cached(&self) -> impl Iterator<Item = (&ArtifactId, &FileName)> {
        let unpacked = self.resolved.unpacked.as_ref().zip(self.unpacked.as_ref());
        std::iter::once((&self.resolved.download, &self.download)).chain(unpacked)
    }
}
