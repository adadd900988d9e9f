//! What goes to the nodes: each wanted path is a step, held, in sync, or made by
//! another node of the same storage.

use std::collections::{BTreeMap, BTreeSet};

use super::method::{self, MethodChoice};
use super::walk::SortedWalk;
use crate::facts::{DirState, FailureKind, NodeState, Observed, RecordEntry, RemoteFile, StepId};
use crate::model::{ArtifactId, FileName, NodeId, PushTarget, Sha256, StoredForm, visible};
use crate::plan::blocked::BlockedReason;
use crate::plan::desired::{Desired, Placed};
use crate::plan::policy::Policy;
use crate::plan::size::Size;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, AdoptCondition, Otherwise, Why};

/// The files wanted in a directory.
type Files = BTreeMap<FileName, Placed>;

/// What is under a wanted name, and what our record says of it.
#[derive(Clone, Copy)]
struct There<'a> {
    file: Option<&'a RemoteFile>,
    entry: Option<&'a RecordEntry>,
}

/// Plans what goes to the nodes.
pub(in crate::plan) fn deliver(input: &StageInput<'_>, draft: &mut PlanDraft) {
    let mut deliveries = Deliveries {
        pins: pins(input.desired),
        refuted: refuted(input.observed),
        input,
        draft,
    };
    deliveries.plan();
}

/// Plans the deliveries one after the other.
struct Deliveries<'a, 'd> {
    input: &'a StageInput<'a>,
    draft: &'d mut PlanDraft,
    /// The digests that orders pin.
    pins: BTreeMap<&'a ArtifactId, Sha256>,
    /// The digests of files that are known not to be whole images.
    refuted: BTreeSet<Sha256>,
}

impl<'a> Deliveries<'a, '_> {
    /// What each directory shares is found once, before its files: most of them are in
    /// sync and cost no more than a look.
    fn plan(&mut self) {
        // By file system: directories on one share its room.
        let mut free: BTreeMap<(&NodeId, Option<&str>), Option<u64>> = BTreeMap::new();
        let unlisted = DirState::default();
        for (target, files) in &self.input.desired.placed {
            let state = self.input.observed.nodes.get(&target.node);
            let elsewhere = self.elsewhere(target);
            let (dir, why) = match state {
                Some(NodeState::Listed { dirs, .. }) => {
                    (dirs.get(&target.dir).unwrap_or(&unlisted), None)
                }
                Some(NodeState::Unreachable { why, lasting }) => {
                    (&unlisted, Some((why.as_str(), *lasting)))
                }
                None => (&unlisted, Some(("not queried", None))),
            };
            let Policy { shared, create, .. } = self.input.policy;
            let absent = shared.absent(&target.node, &target.dir, dir).or_else(|| {
                let forbids = create.forbids(&target.node, &target.dir, dir);
                forbids.then(|| BlockedReason::DirMissing {
                    place: format!("{}:{}", target.node, target.dir),
                    dir: target.dir.clone(),
                })
            });
            let mut listed = SortedWalk::new(&dir.files, String::as_str);
            let mut recorded = SortedWalk::new(&dir.record, FileName::as_str);
            for (file, placed) in files {
                if let Some((other, wanted)) = &elsewhere
                    && wanted.contains_key(file)
                {
                    let (own, other) = (StepId::push(target, file), StepId::push(other, file));
                    self.draft.plan.shared.insert(own, other);
                } else if let Some(why) = why {
                    self.unreachable(target, file, placed, why);
                } else if let Some(reason) = &absent {
                    let id = StepId::push(target, file);
                    self.draft
                        .block(id, reason.clone(), placed.wanted_by.clone());
                } else {
                    let there = There {
                        file: listed.find(file.as_str()),
                        entry: recorded.find(file.as_str()),
                    };
                    let disk = (&target.node, dir.mount_point.as_deref());
                    let free = free.entry(disk).or_insert(dir.free_bytes);
                    self.place(target, file, placed, there, free, dir);
                }
            }
        }
    }

    fn push_action(&self, target: &PushTarget, file: &FileName, placed: &Placed) -> Action {
        let cache_file = &self.input.desired.artifacts[&placed.artifact].file;
        let cached = self.input.cached(cache_file);
        let present = !self.draft.incoming.contains_key(&placed.artifact);
        let transport = method::choose(&MethodChoice {
            input: self.input,
            incoming: &self.draft.incoming,
            target,
            file,
            placed,
        });
        Action::Push {
            target: target.clone(),
            artifact: placed.artifact.clone(),
            cache_file: cache_file.clone(),
            file: file.clone(),
            bytes: match cached.filter(|_| present) {
                // It is made when it is sent, and as large as the data of the image.
                _ if placed.form == StoredForm::Qcow2 => Size::from(transport.wire_bytes),
                Some(cached) => Size::Known(cached.meta.size),
                None => Size::from(
                    self.input
                        .observed
                        .catalog
                        .sizes
                        .get(&placed.artifact)
                        .copied(),
                ),
            },
            form: placed.form,
            replace: placed.is_our_name,
            deletion: placed.deletion,
            transport,
        }
    }

    /// The directory through which another node fills this one, because both see the
    /// storage, with what is wanted there.
    fn elsewhere(&self, target: &PushTarget) -> Option<(PushTarget, &'a Files)> {
        let other = PushTarget {
            node: self
                .input
                .leaders
                .leader_for(&target.node, &target.dir)?
                .clone(),
            dir: target.dir.clone(),
        };
        let wanted = self.input.desired.placed.get(&other)?;
        Some((other, wanted))
    }

    fn unreachable(
        &mut self,
        target: &PushTarget,
        file: &FileName,
        placed: &Placed,
        (why, lasting): (&str, Option<FailureKind>),
    ) {
        let id = StepId::push(target, file);
        let reason = BlockedReason::NodeUnreachable {
            node: target.node.clone(),
            why: why.to_owned(),
            lasting,
        };
        self.draft.block(id, reason, placed.wanted_by.clone());
    }

    fn place(
        &mut self,
        target: &PushTarget,
        file: &FileName,
        placed: &Placed,
        there: There<'_>,
        free: &mut Option<u64>,
        dir: &DirState,
    ) {
        let id = StepId::push(target, file);
        let Some(why) = self.misplaced(placed, there) else {
            return self.draft.plan.in_sync.push(id);
        };
        let mut action = self.push_action(target, file, placed);
        if let Some(owner) = self.other_owner(there) {
            // It stands in a record on the node, and this is shown to people.
            let owner = visible(&owner).into_owned();
            let reason = BlockedReason::NotOurs { owner };
            return self.draft.block(id, reason, placed.wanted_by.clone());
        }
        if let Some(source) = self.draft.blocked_sources.get(&placed.artifact).cloned() {
            let reason = BlockedReason::SourceBlocked { source };
            return self.draft.block(id, reason, placed.wanted_by.clone());
        }
        if dir.inodes_full && !why.is_unrecorded() {
            let place = format!("{}:{}", target.node, target.dir);
            return self.draft.block(
                id,
                BlockedReason::NoInodes { place },
                placed.wanted_by.clone(),
            );
        }
        if let (Action::Push { bytes, .. }, Some(left)) = (&action, &mut *free)
            && let Some(bytes) = bytes.bytes()
            && !why.is_unrecorded()
        {
            // What arrived of it before is room that it has already.
            let (own, parts) = parts(dir, file);
            let bytes = bytes.saturating_sub(own);
            let need = bytes + self.input.policy.node_reserve;
            if need > *left {
                let reason = BlockedReason::NoSpace {
                    place: format!("{}:{}", target.node, target.dir),
                    need,
                    free: *left,
                    parts,
                };
                return self.draft.block(id, reason, placed.wanted_by.clone());
            }
            if self.input.is_selected(&placed.wanted_by) {
                *left -= bytes;
            }
        }
        // A file under a name that the user chose, without our record, may be theirs.
        if let Action::Push { replace, .. } = &mut action {
            *replace = placed.is_our_name || !why.is_unrecorded();
        }
        let needs = self
            .draft
            .incoming
            .get(&placed.artifact)
            .cloned()
            .into_iter()
            .collect();
        self.draft
            .step(action, why, needs, placed.wanted_by.clone());
    }

    /// Who placed what is there, if it was not us. An entry without an owner is
    /// anybody's.
    fn other_owner(&self, there: There<'_>) -> Option<String> {
        there.file?;
        let owner = &there.entry?.owner;
        (!owner.is_empty() && *owner != self.input.policy.prune.owner).then(|| owner.clone())
    }

    /// Why a file on a node is not the wanted one; `None` if it is.
    ///
    /// The digest on record is compared only where an order pins one: images
    /// before Talos 1.13 are not bit-reproducible, so a cache filled anew may hold
    /// other bytes, which is no reason to replace what is already delivered. That it is
    /// a copy of a file that was found not to be a whole image is one.
    fn misplaced(&self, placed: &Placed, there: There<'_>) -> Option<Why> {
        let Some(found) = there.file else {
            return Some(Why::Missing);
        };
        let Some(entry) = there.entry else {
            return Some(Why::Unrecorded {
                condition: AdoptCondition::AdoptIfDigestMatches,
                otherwise: match placed.is_our_name {
                    true => Otherwise::Replace,
                    false => Otherwise::Fail,
                },
            });
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
        if self.refuted.contains(&entry.source_sha256()) {
            let what = "it was delivered from a source that turned out to be truncated";
            return Some(Why::NotWhole {
                what: what.to_owned(),
            });
        }
        match self.pins.get(&placed.artifact) {
            Some(&expected) if expected != entry.source_sha256() => Some(Why::DigestDiffers {
                expected,
                found: entry.source_sha256(),
            }),
            _ => None,
        }
    }
}

/// The space that interrupted deliveries of a file take, and those of others, in bytes.
fn parts(dir: &DirState, file: &FileName) -> (u64, u64) {
    let mut space = (0, 0);
    for (name, part) in &dir.parts {
        let sum = match name.file() == file {
            true => &mut space.0,
            false => &mut space.1,
        };
        *sum += part.bytes;
    }
    space
}

fn pins(desired: &Desired) -> BTreeMap<&ArtifactId, Sha256> {
    let artifacts = desired.artifacts.iter();
    artifacts
        .filter_map(|(artifact, want)| Some((artifact, want.pinned?)))
        .collect()
}

/// The digests of files that are known not to be whole images.
fn refuted(observed: &Observed) -> BTreeSet<Sha256> {
    let cached = observed.cache.files.values();
    cached
        .flat_map(|cached| {
            let now = cached.fault.is_some().then_some(cached.meta.sha256);
            cached.meta.refuted.iter().copied().chain(now)
        })
        .collect()
}
