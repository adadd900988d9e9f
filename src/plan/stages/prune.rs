//! What may go from nodes.
//!
//! A file is pruned only if all conditions are met: our record says that we placed
//! it, it still looks as we left it, no virtual machine refers to it, nobody wants
//! it and everything that might want it is known, its time of grace is over, the plan
//! that the run began with prunes it as well, and no more goes at once than may go without approval. Each refusal is part
//! of the plan, with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use sha2::{Digest, Sha256 as Hasher};

use super::walk::SortedWalk;
use crate::facts::{ApprovalId, DirState, NodeState, RecordEntry, References, StepId};
use crate::model::{ArtifactId, Dir, Family, FileName, NodeId, PushTarget, TalosVersion, visible};
use crate::plan::blocked::BlockedReason;
use crate::plan::desired::{Desired, Placed};
use crate::plan::policy::{PrunePolicy, SharedStorages};
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Step, Why};
use crate::plan::storages::DirKey;

/// Types of storages, and of file systems in `/etc/fstab`, that several nodes can see.
const NETWORK: [&str; 8] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "ceph",
    "cephfs",
    "glusterfs",
    "fuse.glusterfs",
];

/// Plans what goes from nodes; the deliveries, which come first, are planned already.
pub(in crate::plan) fn prune(input: &StageInput<'_>, draft: &mut PlanDraft) {
    // What is read of the draft is not changed meanwhile.
    let mut removals = PlanDraft::default();
    let (observed, shared) = (input.observed, input.shared);
    let steps = &draft.plan.steps;
    let pruner = Pruner {
        input,
        policy: &input.policy.prune,
        wanted: wanted(input.desired, shared),
        arriving: arriving(steps, shared),
    };
    let pushes = pushes(steps);
    for (node, state) in &observed.nodes {
        let NodeState::Listed {
            dirs, references, ..
        } = state
        else {
            continue;
        };
        let leads = |dir: &Dir| input.leaders.leads(node, dir);
        let mut going = Vec::new();
        for (dir, listed) in dirs {
            // What is in the mount point of a storage is not the storage's.
            if !leads(dir) || shared.absent(node, dir, listed).is_some() {
                continue;
            }
            let target = PushTarget {
                node: node.clone(),
                dir: dir.clone(),
            };
            if let Some(why) = &listed.unread {
                removals.block_removal(StepId::record(&target), unread(&target, why));
            }
            let key = shared.key(node, dir);
            for entry in pruner.unwanted(node, key, listed) {
                let elsewhere = || pruner.wanted_elsewhere(&target, entry, listed);
                let refusal = pruner.refusal(&target, entry, listed, references);
                match refusal.or_else(elsewhere) {
                    Some(reason) => removals.block_removal(id(&target, entry), reason),
                    None => going.push((target.clone(), entry)),
                }
            }
        }
        if going.is_empty() {
            continue;
        }
        let pushes = pushes.get(node).map_or(&[][..], Vec::as_slice);
        let led = dirs.iter().filter(|(dir, _)| leads(dir));
        let recorded: usize = led.map(|(_, dir)| dir.record.len()).sum();
        let placed = recorded + new_files(dirs, pushes);
        pruner.within_budget(node, going, placed, pushes, &mut removals);
    }
    draft.plan.steps.extend(removals.plan.steps);
    draft.plan.blocked.extend(removals.plan.blocked);
}

/// The lists of files that are wanted at each place: one for each node that sees it.
type Wanted<'a> = BTreeMap<DirKey<'a>, Vec<&'a BTreeMap<FileName, Placed>>>;

fn wanted<'a>(desired: &'a Desired, shared: &'a SharedStorages) -> Wanted<'a> {
    let mut wanted = Wanted::new();
    for (target, files) in &desired.placed {
        let key = shared.key(&target.node, &target.dir);
        wanted.entry(key).or_default().push(files);
    }
    wanted
}

/// The images on their way to each place: they count as there, because a removal
/// waits for them.
fn arriving<'a>(
    steps: &'a [Step],
    shared: &'a SharedStorages,
) -> BTreeMap<DirKey<'a>, Vec<&'a ArtifactId>> {
    let mut arriving: BTreeMap<DirKey<'_>, Vec<&ArtifactId>> = BTreeMap::new();
    for step in steps {
        if let Action::Push {
            target, artifact, ..
        } = &step.action
        {
            let key = shared.key(&target.node, &target.dir);
            arriving.entry(key).or_default().push(artifact);
        }
    }
    arriving
}

/// The deliveries of each node.
fn pushes(steps: &[Step]) -> BTreeMap<&NodeId, Vec<&Step>> {
    let mut pushes: BTreeMap<&NodeId, Vec<&Step>> = BTreeMap::new();
    for step in steps {
        if let Action::Push { target, .. } = &step.action {
            pushes.entry(&target.node).or_default().push(step);
        }
    }
    pushes
}

/// How many deliveries bring their node a file that its records do not name yet.
fn new_files(dirs: &BTreeMap<Dir, DirState>, pushes: &[&Step]) -> usize {
    let is_new = |target: &PushTarget, file: &FileName| {
        let dir = dirs.get(&target.dir);
        !dir.is_some_and(|dir| dir.record.contains_key(file))
    };
    let new = pushes.iter().filter(
        |step| matches!(&step.action, Action::Push { target, file, .. } if is_new(target, file)),
    );
    new.count()
}

struct Pruner<'a> {
    input: &'a StageInput<'a>,
    policy: &'a PrunePolicy,
    wanted: Wanted<'a>,
    arriving: BTreeMap<DirKey<'a>, Vec<&'a ArtifactId>>,
}

impl Pruner<'_> {
    /// The entries of a directory whose files nobody wants, that are meant to go
    /// one day, and that are not among the newest of a family still in use.
    ///
    /// In most directories everything is wanted. Families are counted only where
    /// something is not.
    fn unwanted<'d>(
        &self,
        node: &NodeId,
        key: DirKey<'_>,
        dir: &'d DirState,
    ) -> Vec<&'d RecordEntry> {
        let wanted = self.wanted.get(&key).map_or(&[][..], Vec::as_slice);
        let lists = wanted
            .iter()
            .map(|files| SortedWalk::new(files, FileName::as_str));
        let mut lists: Vec<_> = lists.collect();
        let present = |entry: &&RecordEntry| dir.files.contains_key(entry.name.as_str());
        let mut missed: Vec<&RecordEntry> = dir.record.values().collect();
        missed.retain(|entry| {
            let name = entry.name.as_str();
            !lists.iter_mut().any(|list| list.find(name).is_some())
        });
        missed.retain(|entry| present(entry) && self.policy.removes(node, entry.deletion));
        if missed.is_empty() {
            return missed;
        }
        let of_wanted = wanted.iter().flat_map(|files| files.values());
        let families: BTreeSet<Family> = of_wanted.map(|placed| placed.artifact.family()).collect();
        let mut versions: BTreeMap<Family, BTreeSet<&TalosVersion>> = BTreeMap::new();
        let there = dir.record.values().filter(present);
        let there = there.map(|entry| &entry.artifact);
        let arriving = self.arriving.get(&key).into_iter().flatten().copied();
        for artifact in there.chain(arriving) {
            let family = versions.entry(artifact.family()).or_default();
            family.insert(&artifact.version);
        }
        let keep = self.policy.keep_versions as usize;
        missed.retain(|entry| {
            let family = entry.artifact.family();
            let after = (Bound::Excluded(&entry.artifact.version), Bound::Unbounded);
            let newer = versions[&family].range::<&TalosVersion, _>(after);
            !families.contains(&family) || newer.take(keep).count() >= keep
        });
        missed
    }

    fn refusal(
        &self,
        target: &PushTarget,
        entry: &RecordEntry,
        dir: &DirState,
        references: &References,
    ) -> Option<BlockedReason> {
        let (node, dir_of) = (&target.node, &target.dir);
        if let Some(why) = self.input.removals_blocked_in(node, dir_of) {
            return Some(BlockedReason::PruneBlocked { why });
        }
        if entry.owner != self.policy.owner {
            return Some(BlockedReason::NotOurs {
                owner: visible(&entry.owner).into_owned(),
            });
        }
        if !entry.describes(&dir.files[entry.name.as_str()]) {
            return Some(BlockedReason::Changed);
        }
        match references {
            References::Unknown { why } => {
                return Some(BlockedReason::UseUnknown { why: why.clone() });
            }
            References::Known(files) => {
                if let Some(vms) = files.get(entry.name.as_str()).filter(|vms| !vms.is_empty()) {
                    return Some(BlockedReason::InUse { vms: vms.clone() });
                }
            }
        }
        let observed = self.input.observed;
        let missed = observed.memory.unwanted_since.get(&id(target, entry));
        match self.policy.grace(missed.copied(), observed.now) {
            Some(until) => Some(BlockedReason::InGrace { until }),
            None => self.input.not_planned(&id(target, entry)),
        }
    }

    /// Another node wants it in a directory of this path, and this one is on a network
    /// storage that nobody called shared: it may be the same file.
    fn wanted_elsewhere(
        &self,
        target: &PushTarget,
        entry: &RecordEntry,
        dir: &DirState,
    ) -> Option<BlockedReason> {
        let root = dir.root.as_ref()?;
        if !NETWORK.contains(&root.kind.as_str()) {
            return None;
        }
        let mut placed = self.input.desired.placed.iter();
        let (other, _) = placed.find(|(other, files)| {
            other.node != target.node && other.dir == target.dir && files.contains_key(&entry.name)
        })?;
        let other = &other.node;
        Some(BlockedReason::PruneBlocked {
            why: format!(
                "{other} wants {} in the same directory, and {} may be the same storage; hint: \
                 name the storage on both nodes, or set `shared: true` for both",
                entry.name, root.name
            ),
        })
    }

    /// All of a node's removals, or none of them until an operator approves: which of
    /// too many are the wrong ones cannot be known.
    fn within_budget(
        &self,
        node: &NodeId,
        going: Vec<(PushTarget, &RecordEntry)>,
        placed: usize,
        pushes: &[&Step],
        removals: &mut PlanDraft,
    ) {
        let share = placed * self.policy.max_percent as usize / 100;
        // Orders of one site may be missing, as in a directory that is not mounted.
        let limit = match self.input.wants_nothing() {
            true => 0,
            false => self.policy.max_files.max(share),
        };
        let approval = approval(node, &going);
        let agreed = self.input.observed.memory.approved.contains(&approval);
        let files = going.len();
        for (target, entry) in going {
            if files > limit && !agreed {
                let reason = BlockedReason::OverBudget {
                    files,
                    limit,
                    approval: approval.clone(),
                };
                removals.block_removal(id(&target, entry), reason);
                continue;
            }
            let missed = &self.input.observed.memory.unwanted_since[&id(&target, entry)];
            let seconds = self.input.observed.now.as_second() - missed.as_second();
            let hours = u64::try_from(seconds / 3600).unwrap_or(0);
            let needs = pushes.iter().map(|push| push.id.clone()).collect();
            removals.removal(action(&target, entry), Why::NotWanted { hours }, needs);
        }
    }
}

fn action(target: &PushTarget, entry: &RecordEntry) -> Action {
    Action::PruneNode {
        target: target.clone(),
        file: entry.name.clone(),
        bytes: entry.size,
        sha256: entry.sha256,
    }
}

fn id(target: &PushTarget, entry: &RecordEntry) -> StepId {
    action(target, entry).step_id()
}

/// What is to go from a directory is not known.
fn unread(target: &PushTarget, why: &str) -> BlockedReason {
    BlockedReason::RecordUnread {
        place: format!("{}:{}", target.node, target.dir),
        why: why.to_owned(),
    }
}

fn approval(node: &NodeId, going: &[(PushTarget, &RecordEntry)]) -> ApprovalId {
    approval_of(
        node,
        going
            .iter()
            .map(|(target, entry)| target.dir.join(&entry.name)),
    )
}

/// The approvals that these removals would have needed over the budget: one for each node.
pub fn approvals_used<'a>(steps: impl Iterator<Item = &'a Step>) -> BTreeSet<ApprovalId> {
    let mut going: BTreeMap<&NodeId, BTreeMap<&PushTarget, BTreeSet<&FileName>>> = BTreeMap::new();
    for step in steps {
        if let (Action::PruneNode { target, file, .. }, Why::NotWanted { .. }) =
            (&step.action, &step.why)
        {
            let dirs = going.entry(&target.node).or_default();
            dirs.entry(target).or_default().insert(file);
        }
    }
    let lists = going.into_iter().map(|(node, dirs)| {
        let files = dirs
            .into_iter()
            .flat_map(|(target, files)| files.into_iter().map(|file| target.dir.join(file)));
        approval_of(node, files)
    });
    lists.collect()
}

/// The name of exactly this list of removals: twelve hex digits that a user can
/// copy.
fn approval_of(node: &NodeId, files: impl Iterator<Item = impl AsRef<[u8]>>) -> ApprovalId {
    let mut hasher = Hasher::new();
    hasher.update(node.as_str());
    for file in files {
        hasher.update("\n");
        hasher.update(file);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let hex = crate::model::Sha256::from_bytes(digest).to_string();
    ApprovalId(hex[..12].to_owned())
}
