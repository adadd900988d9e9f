//! What goes to the nodes: each wanted path is a step, held, in sync, or made by
//! another node of the same storage.

use std::collections::BTreeMap;

use super::desired::Placed;
use super::diff::Planner;
use super::id::push_step_id;
use super::observed::{DirState, NodeState};
use super::step::{Action, HeldReason, Why};
use crate::model::{FileName, NodeId, PushTarget};

impl Planner<'_> {
    /// What goes to the nodes.
    pub(super) fn nodes(&mut self) {
        let mut free: BTreeMap<&NodeId, Option<u64>> = BTreeMap::new();
        for (target, files) in &self.desired.placed {
            let state = self.observed.nodes.get(&target.node);
            for (file, placed) in files {
                if self.is_shared(target, file) {
                    continue;
                }
                match state {
                    Some(NodeState::Listed { dirs, .. }) => {
                        let unlisted = DirState::default();
                        let dir = dirs.get(&target.dir).unwrap_or(&unlisted);
                        if self
                            .policy
                            .sites
                            .is_unmounted(&target.node, &target.dir, dir)
                        {
                            self.unmounted(target, file, placed);
                            continue;
                        }
                        let free = free.entry(&target.node).or_insert(dir.free_bytes);
                        self.place(target, file, placed, dir, free);
                    }
                    Some(NodeState::Unreachable { why }) => {
                        self.unreachable(target, file, placed, why.clone());
                    }
                    None => self.unreachable(target, file, placed, "it was not asked".to_owned()),
                }
            }
        }
    }

    fn push_action(&self, target: &PushTarget, file: &FileName, placed: &Placed) -> Action {
        let cache_file = &self.desired.artifacts[&placed.artifact].file;
        let cached = self.cached(cache_file);
        let present = !self.incoming.contains_key(&placed.artifact);
        Action::Push {
            target: target.clone(),
            artifact: placed.artifact.clone(),
            cache_file: cache_file.clone(),
            file: file.clone(),
            bytes: match cached.filter(|_| present) {
                Some(cached) => Some(cached.meta.size),
                None => self.observed.catalog.sizes.get(&placed.artifact).copied(),
            },
            replace: placed.is_our_name,
            deletion: placed.deletion,
            way: self.way(target, file, placed),
        }
    }

    /// True if another node makes this delivery, because both see the storage and
    /// both want the file there.
    fn is_shared(&mut self, target: &PushTarget, file: &FileName) -> bool {
        let speaker = self.policy.sites.speaker(&target.node, self.observed);
        let other = PushTarget {
            node: speaker.clone(),
            dir: target.dir.clone(),
        };
        let wanted = self.desired.placed.get(&other);
        if speaker == &target.node || !wanted.is_some_and(|files| files.contains_key(file)) {
            return false;
        }
        let (own, other) = (push_step_id(target, file), push_step_id(&other, file));
        self.plan.shared.insert(own, other);
        true
    }

    fn unmounted(&mut self, target: &PushTarget, file: &FileName, placed: &Placed) {
        let reason = HeldReason::NotMounted {
            place: format!("{}:{}", target.node, target.dir),
        };
        let id = push_step_id(target, file);
        self.held(id, reason, placed.wanted_by.clone());
    }

    fn unreachable(&mut self, target: &PushTarget, file: &FileName, placed: &Placed, why: String) {
        let id = self.push_action(target, file, placed).step_id();
        let reason = HeldReason::NodeUnreachable {
            node: target.node.clone(),
            why,
        };
        self.held(id, reason, placed.wanted_by.clone());
    }

    fn place(
        &mut self,
        target: &PushTarget,
        file: &FileName,
        placed: &Placed,
        dir: &DirState,
        free: &mut Option<u64>,
    ) {
        let mut action = self.push_action(target, file, placed);
        let id = action.step_id();
        let Some(why) = self.misplaced(file, placed, dir) else {
            return self.plan.in_sync.push(id);
        };
        if let Some(owner) = self.other_owner(file, dir) {
            let reason = HeldReason::NotOurs { owner };
            return self.held(id, reason, placed.wanted_by.clone());
        }
        if let Some(source) = self.held_sources.get(&placed.artifact).cloned() {
            let reason = HeldReason::SourceHeld { source };
            return self.held(id, reason, placed.wanted_by.clone());
        }
        if let (
            Action::Push {
                bytes: Some(bytes), ..
            },
            Some(left),
        ) = (&action, &mut *free)
            && why != Why::Unrecorded
        {
            let need = bytes + self.policy.node_reserve;
            if need > *left {
                let reason = HeldReason::NoSpace {
                    place: format!("{}:{}", target.node, target.dir),
                    need,
                    free: *left,
                };
                return self.held(id, reason, placed.wanted_by.clone());
            }
            *left -= bytes;
        }
        // A file under a name that a person chose, without our record, may be theirs.
        if let Action::Push { replace, .. } = &mut action {
            *replace = placed.is_our_name || why != Why::Unrecorded;
        }
        let needs = self
            .incoming
            .get(&placed.artifact)
            .cloned()
            .into_iter()
            .collect();
        self.step(action, why, needs, placed.wanted_by.clone());
    }

    /// Who placed what lies there, if it was not us. An entry without an owner is
    /// anybody's.
    fn other_owner(&self, file: &FileName, dir: &DirState) -> Option<String> {
        dir.files.get(file.as_str())?;
        let owner = &dir.record.get(file)?.owner;
        (!owner.is_empty() && *owner != self.policy.prune.owner).then(|| owner.clone())
    }

    /// Why a file on a node is not the wanted one; `None` if it is.
    ///
    /// The digest on record is compared only where an order pins one: images
    /// before Talos 1.13 are not bit-reproducible, so a cache filled anew may hold
    /// other bytes, which is no reason to replace what is already delivered.
    fn misplaced(&self, file: &FileName, placed: &Placed, dir: &DirState) -> Option<Why> {
        let Some(found) = dir.files.get(file.as_str()) else {
            return Some(Why::Missing);
        };
        let Some(entry) = dir.record.get(file) else {
            return Some(Why::Unrecorded);
        };
        if entry.artifact != placed.artifact {
            return Some(Why::OtherImage {
                found: entry.artifact.clone(),
            });
        }
        if found.size != entry.size {
            return Some(Why::SizeDiffers {
                expected: entry.size,
                found: found.size,
            });
        }
        if !entry.describes(found) {
            return Some(Why::Touched);
        }
        let pinned = self.desired.artifacts[&placed.artifact].pinned;
        match pinned {
            Some(expected) if expected != entry.sha256 => Some(Why::DigestDiffers {
                expected,
                found: entry.sha256,
            }),
            _ => None,
        }
    }
}
