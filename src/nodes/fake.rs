//! Nodes in memory, for the tests of other rooms.
//!
//! A hand-written twin of [`SystemNodes`](super::SystemNodes) with the same
//! rules: the same file is adopted and not copied, room is checked first, the
//! record describes what was placed and whose it is. Bytes are not kept, only
//! their size and digest, and the source of a delivery is not opened. Failures
//! are scripted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Cleared, Delivered, Delivery, Leftover, NodeError, Nodes, Removal, Removed, Verified};
use crate::facts::{DirState, NodeState, Part, RecordEntry, References, RemoteFile};
use crate::model::{Dir, FileName, Node, NodeId, PartName, Sha256};

/// Nodes in memory. A node that nothing was said about is up and empty, and no
/// virtual machine refers to anything.
#[derive(Debug, Default)]
pub struct FakeNodes {
    world: Mutex<World>,
}

/// Who works here unless another is named.
const OWNER: &str = "homelab";

#[derive(Debug)]
struct World {
    owner: String,
    nodes: BTreeMap<NodeId, FakeNode>,
    calls: Vec<Call>,
    last_inode: u64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            owner: OWNER.to_owned(),
            nodes: BTreeMap::new(),
            calls: Vec::new(),
            last_inode: 0,
        }
    }
}

#[derive(Debug, Default)]
struct FakeNode {
    down: Option<String>,
    free: Option<u64>,
    dirs: BTreeMap<Dir, FakeDir>,
    failures: VecDeque<NodeError>,
    references: Option<References>,
    mounts: BTreeMap<Dir, String>,
}

#[derive(Debug, Default)]
struct FakeDir {
    files: BTreeMap<String, (RemoteFile, Sha256)>,
    parts: BTreeMap<PartName, Part>,
    record: BTreeMap<FileName, RecordEntry>,
}

/// What was asked of the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A node was looked at.
    Observe(NodeId),
    /// A file was to be delivered.
    Deliver {
        /// Where to.
        node: NodeId,
        /// The directory there.
        dir: Dir,
        /// The name there.
        file: FileName,
    },
    /// A file was to be removed.
    Remove {
        /// Where.
        node: NodeId,
        /// The directory there.
        dir: Dir,
        /// The name there.
        file: FileName,
    },
    /// What arrived so far of a file was to be removed.
    Clear {
        /// Where.
        node: NodeId,
        /// The directory there.
        dir: Dir,
        /// The name there.
        part: PartName,
    },
    /// A file was to be read back.
    Verify {
        /// Where.
        node: NodeId,
        /// The directory there.
        dir: Dir,
        /// The name there.
        file: FileName,
    },
}

impl FakeNodes {
    /// A world in which nothing was said about any node.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on the node does not answer, and this is why.
    pub fn set_down(&self, node: &NodeId, why: &str) {
        self.with(node, |node| node.down = Some(why.to_owned()));
    }

    /// From now on the node answers.
    pub fn set_up(&self, node: &NodeId) {
        self.with(node, |node| node.down = None);
    }

    /// So many bytes are free on the node, and become fewer with each delivery.
    pub fn set_free(&self, node: &NodeId, bytes: u64) {
        self.with(node, |node| node.free = Some(bytes));
    }

    /// What is done from now on is done by this controller.
    pub fn set_owner(&self, owner: &str) {
        self.world().owner = owner.to_owned();
    }

    /// What the virtual machines that the node can see refer to.
    pub fn set_references(&self, node: &NodeId, references: References) {
        self.with(node, |node| node.references = Some(references));
    }

    /// The directory is on the file system that is mounted there; `/` otherwise.
    pub fn set_mount_point(&self, node: &NodeId, dir: &Dir, mount_point: &str) {
        self.with(node, |node| {
            node.mounts.insert(dir.clone(), mount_point.to_owned());
        });
    }

    /// The next change on the node fails like this; called again, the one after
    /// it.
    pub fn fail_next(&self, node: &NodeId, error: NodeError) {
        self.with(node, |node| node.failures.push_back(error));
    }

    /// Puts a file there that was not delivered, or changes one behind the
    /// record's back.
    pub fn put(&self, node: &NodeId, dir: &Dir, name: &str, size: u64, sha256: Sha256) {
        let mut world = self.world();
        let file = world.file(size, 0);
        let dir = world.node(node).dirs.entry(dir.clone()).or_default();
        dir.files.insert(name.to_owned(), (file, sha256));
    }

    /// An interrupted delivery left this there.
    pub fn put_part(&self, node: &NodeId, dir: &Dir, name: &PartName, part: Part) {
        self.with(node, |node| {
            let dir = node.dirs.entry(dir.clone()).or_default();
            dir.parts.insert(name.clone(), part);
        });
    }

    /// Takes a file away behind the record's back.
    pub fn lose(&self, node: &NodeId, dir: &Dir, name: &str) {
        self.with(node, |node| {
            if let Some(dir) = node.dirs.get_mut(dir) {
                dir.files.remove(name);
            }
        });
    }

    /// The digest of a file that is there.
    pub fn digest(&self, node: &NodeId, dir: &Dir, name: &str) -> Option<Sha256> {
        self.with(node, |node| {
            let (_, sha256) = node.dirs.get(dir)?.files.get(name)?;
            Some(*sha256)
        })
    }

    /// What was asked so far, in order; forgets it.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.world().calls)
    }

    fn with<T>(&self, node: &NodeId, change: impl FnOnce(&mut FakeNode) -> T) -> T {
        change(self.world().node(node))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // A test that failed elsewhere while it held the lock has said why.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, node: &Node, delivery: &Delivery) -> Result<Delivered, NodeError> {
        let mut world = self.world();
        world.calls.push(Call::Deliver {
            node: node.id.clone(),
            dir: delivery.dir.clone(),
            file: delivery.file.clone(),
        });
        let fresh = world.file(delivery.size, delivery.now.as_second());
        let owner = world.owner.clone();
        let state = world.node(&node.id);
        state.change()?;
        let dir = state.dirs.entry(delivery.dir.clone()).or_default();
        let there = dir
            .files
            .get(delivery.file.as_str())
            .filter(|(file, sha256)| file.size == delivery.size && *sha256 == delivery.sha256);
        let (file, copied) = match there {
            Some((file, _)) => {
                if let Some(entry) = dir.theirs(&delivery.file, &owner) {
                    return Ok(Delivered {
                        copied: false,
                        wire_bytes: None,
                        took: Duration::ZERO,
                        entry: entry.clone(),
                    });
                }
                (*file, false)
            }
            None => {
                let place = || format!("{}:{}", node.id, delivery.dir.join(&delivery.file));
                if dir.files.contains_key(delivery.file.as_str()) {
                    dir.refuse_theirs(&delivery.file, &owner, place)?;
                    if !delivery.replace && !dir.record.contains_key(&delivery.file) {
                        return Err(NodeError::Foreign { place: place() });
                    }
                }
                if let Some(free) = &mut state.free {
                    *free = free
                        .checked_sub(delivery.size)
                        .ok_or_else(|| NodeError::NoSpace {
                            place: format!("{}:{}", node.id, delivery.dir),
                            need: delivery.size,
                            free: *free,
                            stderr: String::new(),
                        })?;
                }
                let name = delivery.file.as_str().to_owned();
                dir.files.insert(name, (fresh, delivery.sha256));
                (fresh, true)
            }
        };
        delivery.meter.set_total(delivery.size);
        delivery.meter.set_done(delivery.size);
        dir.parts.retain(|part, _| *part.file() != delivery.file);
        let entry = super::push::entry(delivery, &owner, file.mtime, file.inode);
        dir.record.insert(delivery.file.clone(), entry.clone());
        Ok(Delivered {
            copied,
            wire_bytes: copied.then_some(delivery.size),
            took: Duration::ZERO,
            entry,
        })
    }

    fn take_away(&self, node: &Node, removal: &Removal) -> Result<Removed, NodeError> {
        let mut world = self.world();
        world.calls.push(Call::Remove {
            node: node.id.clone(),
            dir: removal.dir.clone(),
            file: removal.file.clone(),
        });
        let owner = world.owner.clone();
        let state = world.node(&node.id);
        state.change()?;
        let place = || format!("{}:{}", node.id, removal.dir.join(&removal.file));
        let Some(dir) = state.dirs.get_mut(&removal.dir) else {
            return Ok(Removed::Gone);
        };
        dir.refuse_theirs(&removal.file, &owner, place)?;
        if let Some((file, sha256)) = dir.files.get(removal.file.as_str()) {
            if !dir.record.contains_key(&removal.file) {
                return Err(NodeError::Foreign { place: place() });
            }
            if *sha256 != removal.sha256 {
                return Ok(Removed::Differs(*sha256));
            }
            if let Some(free) = &mut state.free {
                *free += file.size;
            }
            dir.files.remove(removal.file.as_str());
        }
        dir.record.remove(&removal.file);
        Ok(Removed::Gone)
    }

    fn clear_away(&self, node: &Node, leftover: &Leftover) -> Result<Cleared, NodeError> {
        let mut world = self.world();
        world.calls.push(Call::Clear {
            node: node.id.clone(),
            dir: leftover.dir.clone(),
            part: leftover.part.clone(),
        });
        let state = world.node(&node.id);
        state.change()?;
        let Some(dir) = state.dirs.get_mut(&leftover.dir) else {
            return Ok(Cleared::Gone);
        };
        match dir.parts.get(&leftover.part) {
            Some(part) if part.idle_seconds < leftover.idle.as_secs() => Ok(Cleared::Unfinished),
            _ => {
                dir.parts.remove(&leftover.part);
                Ok(Cleared::Gone)
            }
        }
    }

    fn read_back(&self, node: &Node, check: &Removal) -> Result<Verified, NodeError> {
        let mut world = self.world();
        world.calls.push(Call::Verify {
            node: node.id.clone(),
            dir: check.dir.clone(),
            file: check.file.clone(),
        });
        let owner = world.owner.clone();
        let state = world.node(&node.id);
        state.change()?;
        let Some(dir) = state.dirs.get_mut(&check.dir) else {
            return Ok(Verified::Missing);
        };
        dir.refuse_theirs(&check.file, &owner, || {
            format!("{}:{}", node.id, check.dir.join(&check.file))
        })?;
        match dir.files.get(check.file.as_str()) {
            None => {
                dir.record.remove(&check.file);
                Ok(Verified::Missing)
            }
            Some((_, sha256)) if *sha256 == check.sha256 => Ok(Verified::Same),
            Some((_, sha256)) => {
                if let Some(entry) = dir.record.get_mut(&check.file) {
                    (entry.mtime, entry.inode) = (0, 0);
                }
                Ok(Verified::Differs(*sha256))
            }
        }
    }
}

impl World {
    fn node(&mut self, id: &NodeId) -> &mut FakeNode {
        self.nodes.entry(id.clone()).or_default()
    }

    /// A file with an inode number that no other file has or had.
    fn file(&mut self, size: u64, mtime: i64) -> RemoteFile {
        self.last_inode += 1;
        RemoteFile {
            size,
            mtime,
            inode: self.last_inode,
        }
    }
}

impl FakeDir {
    fn theirs(&self, file: &FileName, owner: &str) -> Option<&RecordEntry> {
        self.record
            .get(file)
            .filter(|entry| !entry.owner.is_empty() && entry.owner != owner)
    }

    fn refuse_theirs(
        &self,
        file: &FileName,
        owner: &str,
        place: impl Fn() -> String,
    ) -> Result<(), NodeError> {
        match self.theirs(file, owner) {
            None => Ok(()),
            Some(entry) => Err(NodeError::NotOurs {
                place: place(),
                owner: entry.owner.clone(),
            }),
        }
    }
}

impl FakeNode {
    /// Whether the next change gets through to the node, and does not fail there.
    fn change(&mut self) -> Result<(), NodeError> {
        if let Some(why) = &self.down {
            return Err(NodeError::Unreachable {
                why: why.clone(),
                transient: true,
                hint: None,
                stderr: String::new(),
            });
        }
        self.failures.pop_front().map_or(Ok(()), Err)
    }

    fn dir_state(&self, dir: &Dir) -> DirState {
        let state = DirState {
            free_bytes: self.free,
            mount_point: Some(self.mounts.get(dir).map_or("/", String::as_str).to_owned()),
            ..DirState::default()
        };
        match self.dirs.get(dir) {
            None => state,
            Some(found) => DirState {
                exists: true,
                files: found
                    .files
                    .iter()
                    .map(|(name, (file, _))| (name.clone(), *file))
                    .collect(),
                record: found.record.clone(),
                parts: found.parts.clone(),
                ..state
            },
        }
    }
}

impl Nodes for FakeNodes {
    async fn observe(&self, node: &Node, dirs: &BTreeSet<Dir>) -> NodeState {
        let mut world = self.world();
        world.calls.push(Call::Observe(node.id.clone()));
        let state = world.node(&node.id);
        match &state.down {
            Some(why) => NodeState::Unreachable { why: why.clone() },
            None => NodeState::Listed {
                references: state
                    .references
                    .clone()
                    .unwrap_or_else(|| References::Known(BTreeMap::new())),
                dirs: dirs
                    .iter()
                    .map(|dir| (dir.clone(), state.dir_state(dir)))
                    .collect(),
                tools: ["flock", "rsync", "sha256sum", "xz", "zstd"]
                    .map(str::to_owned)
                    .into(),
            },
        }
    }

    async fn deliver(&self, node: &Node, delivery: &Delivery) -> Result<Delivered, NodeError> {
        self.place(node, delivery)
    }

    async fn remove(&self, node: &Node, removal: &Removal) -> Result<Removed, NodeError> {
        self.take_away(node, removal)
    }

    async fn verify(&self, node: &Node, check: &Removal) -> Result<Verified, NodeError> {
        self.read_back(node, check)
    }

    async fn clear(&self, node: &Node, leftover: &Leftover) -> Result<Cleared, NodeError> {
        self.clear_away(node, leftover)
    }
}

#[cfg(test)]
mod tests;
