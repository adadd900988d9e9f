//! What may go from nodes.
//!
//! A file goes only if everything speaks for it: our record says that we placed
//! it, it still looks as we left it, no virtual machine refers to it, nobody wants
//! it and everything that might want it is known, its time of grace is over, and
//! no more goes at once than may go without a person's word. Each refusal is part
//! of the plan, with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256 as Hasher};

use super::desired::{Desired, Placed};
use super::held::{Held, HeldReason};
use super::retain::{Removals, blocked};
use super::sites::{Place, Sites, Speakers};
use super::step::{Action, Step, Why};
use super::walk::Walk;
use super::wanted::WantedBy;
use crate::facts::{ApprovalId, DirState, NodeState, Observed, RecordEntry, References, StepId};
use crate::model::{
    ArtifactId, Deletion, Dir, Family, FileName, NodeId, PushTarget, TalosVersion, visible,
};

/// What may go from nodes, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunePolicy {
    /// Our name in the records on nodes.
    pub owner: String,
    /// Files that no order wants go, where neither order nor node says otherwise.
    pub default: bool,
    /// What nodes say.
    pub nodes: BTreeMap<NodeId, bool>,
    /// How many versions of a family stay in a directory.
    pub keep_versions: u32,
    /// How long, in seconds, a file stays after the pass that first missed it.
    pub grace_seconds: i64,
    /// How many files may go from a node in a pass.
    pub max_files: usize,
    /// The same as a share of what we have placed there, or are placing in the same
    /// pass; the larger of the two counts.
    pub max_percent: u32,
}

/// Plans what goes from nodes; `steps` are the deliveries, which come first.
pub(super) fn prune(
    desired: &Desired,
    observed: &Observed,
    policy: &PrunePolicy,
    sites: &Sites,
    speakers: &Speakers<'_>,
    steps: &[Step],
) -> Removals {
    let pruner = Pruner {
        observed,
        policy,
        blocked: blocked(desired),
        wanted: wanted(desired, sites),
        arriving: arriving(steps, sites),
    };
    let pushes = pushes(steps);
    let mut removals = Removals {
        steps: Vec::new(),
        held: Vec::new(),
    };
    for (node, state) in &observed.nodes {
        let NodeState::Listed {
            dirs, references, ..
        } = state
        else {
            continue;
        };
        if !speakers.speaks_for(node) {
            continue;
        }
        let mut going = Vec::new();
        for (dir, listed) in dirs {
            // What lies in the mount point of a storage is not the storage's.
            if sites.absent(node, dir, listed).is_some() {
                continue;
            }
            let target = PushTarget {
                node: node.clone(),
                dir: dir.clone(),
            };
            if let Some(why) = &listed.unread {
                removals.held.push(unread(&target, why));
            }
            let place = sites.place(node, dir);
            for entry in pruner.unwanted(node, place, listed) {
                let target = target.clone();
                match pruner.refusal(&target, entry, listed, references) {
                    Some(reason) => removals.held.push(held(&target, entry, reason)),
                    None => going.push((target, entry)),
                }
            }
        }
        if going.is_empty() {
            continue;
        }
        let pushes = pushes.get(node).map_or(&[][..], Vec::as_slice);
        let recorded: usize = dirs.values().map(|dir| dir.record.len()).sum();
        let placed = recorded + new_files(dirs, pushes);
        pruner.within_budget(node, going, placed, pushes, &mut removals);
    }
    removals
}

/// The lists of files that are wanted at each place: one for each node that sees it.
type Wanted<'a> = BTreeMap<Place<'a>, Vec<&'a BTreeMap<FileName, Placed>>>;

fn wanted<'a>(desired: &'a Desired, sites: &'a Sites) -> Wanted<'a> {
    let mut wanted = Wanted::new();
    for (target, files) in &desired.placed {
        let place = sites.place(&target.node, &target.dir);
        wanted.entry(place).or_default().push(files);
    }
    wanted
}

/// The images on their way to each place: they count as there, because a removal
/// waits for them.
fn arriving<'a>(steps: &'a [Step], sites: &'a Sites) -> BTreeMap<Place<'a>, Vec<&'a ArtifactId>> {
    let mut arriving: BTreeMap<Place<'_>, Vec<&ArtifactId>> = BTreeMap::new();
    for step in steps {
        if let Action::Push {
            target, artifact, ..
        } = &step.action
        {
            let place = sites.place(&target.node, &target.dir);
            arriving.entry(place).or_default().push(artifact);
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
    observed: &'a Observed,
    policy: &'a PrunePolicy,
    blocked: Option<String>,
    wanted: Wanted<'a>,
    arriving: BTreeMap<Place<'a>, Vec<&'a ArtifactId>>,
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
        place: Place<'_>,
        dir: &'d DirState,
    ) -> Vec<&'d RecordEntry> {
        let wanted = self.wanted.get(&place).map_or(&[][..], Vec::as_slice);
        let lists = wanted
            .iter()
            .map(|files| Walk::new(files, FileName::as_str));
        let mut lists: Vec<_> = lists.collect();
        let present = |entry: &&RecordEntry| dir.files.contains_key(entry.name.as_str());
        let mut missed: Vec<&RecordEntry> = dir.record.values().collect();
        missed.retain(|entry| {
            let name = entry.name.as_str();
            !lists.iter_mut().any(|list| list.find(name).is_some())
        });
        missed.retain(|entry| present(entry) && self.is_meant_to_go(node, entry));
        if missed.is_empty() {
            return missed;
        }
        let of_wanted = wanted.iter().flat_map(|files| files.values());
        let families: BTreeSet<Family> = of_wanted.map(|placed| placed.artifact.family()).collect();
        let mut versions: BTreeMap<Family, BTreeSet<&TalosVersion>> = BTreeMap::new();
        let there = dir.record.values().filter(present);
        let there = there.map(|entry| &entry.artifact);
        let arriving = self.arriving.get(&place).into_iter().flatten().copied();
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

    /// An order's word counts more than the node's, and the node's more than the
    /// default.
    fn is_meant_to_go(&self, node: &NodeId, entry: &RecordEntry) -> bool {
        match entry.deletion {
            Some(Deletion::Delete) => true,
            Some(Deletion::Orphan) => false,
            None => *self.policy.nodes.get(node).unwrap_or(&self.policy.default),
        }
    }

    fn refusal(
        &self,
        target: &PushTarget,
        entry: &RecordEntry,
        dir: &DirState,
        references: &References,
    ) -> Option<HeldReason> {
        if let Some(why) = &self.blocked {
            return Some(HeldReason::PruneBlocked { why: why.clone() });
        }
        if entry.owner != self.policy.owner {
            return Some(HeldReason::NotOurs {
                owner: visible(&entry.owner).into_owned(),
            });
        }
        if !entry.describes(&dir.files[entry.name.as_str()]) {
            return Some(HeldReason::Changed);
        }
        match references {
            References::Unknown { why } => {
                return Some(HeldReason::UseUnknown { why: why.clone() });
            }
            References::Known(files) => {
                if let Some(vms) = files.get(entry.name.as_str()).filter(|vms| !vms.is_empty()) {
                    return Some(HeldReason::InUse { vms: vms.clone() });
                }
            }
        }
        let until = self.grace(target, entry)?;
        Some(HeldReason::InGrace { until })
    }

    /// Until when a file stays; `None` once its time is over. The pass that first
    /// misses it never removes it, whatever the grace.
    fn grace(&self, target: &PushTarget, entry: &RecordEntry) -> Option<Timestamp> {
        let now = self.observed.now;
        let missed = self.observed.memory.unwanted_since.get(&id(target, entry));
        let until = missed
            .unwrap_or(&now)
            .saturating_add(SignedDuration::from_secs(self.policy.grace_seconds));
        let until = until.unwrap_or(Timestamp::MAX);
        (missed.is_none() || now < until).then_some(until)
    }

    /// All of a node's removals, or none of them until a person agrees: which of
    /// too many are the wrong ones cannot be known.
    fn within_budget(
        &self,
        node: &NodeId,
        going: Vec<(PushTarget, &RecordEntry)>,
        placed: usize,
        pushes: &[&Step],
        removals: &mut Removals,
    ) {
        let share = placed * self.policy.max_percent as usize / 100;
        let limit = self.policy.max_files.max(share);
        let approval = approval(node, &going);
        let agreed = self.observed.memory.approved.contains(&approval);
        let files = going.len();
        for (target, entry) in going {
            if files > limit && !agreed {
                let reason = HeldReason::OverBudget {
                    files,
                    limit,
                    approval: approval.clone(),
                };
                removals.held.push(held(&target, entry, reason));
                continue;
            }
            let missed = &self.observed.memory.unwanted_since[&id(&target, entry)];
            let seconds = self.observed.now.as_second() - missed.as_second();
            removals.steps.push(Step {
                id: id(&target, entry),
                action: action(&target, entry),
                why: Why::NotWanted {
                    hours: u64::try_from(seconds / 3600).unwrap_or(0),
                },
                needs: pushes.iter().map(|push| push.id.clone()).collect(),
                wanted_by: WantedBy::default(),
            });
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

fn held(target: &PushTarget, entry: &RecordEntry, reason: HeldReason) -> Held {
    Held {
        id: id(target, entry),
        reason,
        wanted_by: WantedBy::default(),
    }
}

/// What is to go from a directory is not known.
fn unread(target: &PushTarget, why: &str) -> Held {
    Held {
        id: StepId::record(target),
        reason: HeldReason::RecordUnread {
            place: format!("{}:{}", target.node, target.dir),
            why: why.to_owned(),
        },
        wanted_by: WantedBy::default(),
    }
}

/// The name of exactly this list of removals: twelve hex digits that a person can
/// copy.
fn approval(node: &NodeId, going: &[(PushTarget, &RecordEntry)]) -> ApprovalId {
    let mut hasher = Hasher::new();
    hasher.update(node.as_str());
    for (target, entry) in going {
        hasher.update("\n");
        hasher.update(target.dir.join(&entry.name));
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let hex = crate::model::Sha256::from_bytes(digest).to_string();
    ApprovalId(hex[..12].to_owned())
}
