//! What may go from the cache.
//!
//! A file goes only if nobody wants it, it is ours, and everything that might
//! want it is known. Per family the newest versions stay; a family that no order
//! refers to stays for a while, because a removed order is often a moved one.
//!
//! How long that is already is told by two things, and the shorter time counts: the
//! file's record says when it was last wanted, and the memory says which pass first
//! missed it. The record alone would believe a clock that was wrong; the times in the
//! memory are set right after a jump.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::Timestamp;

use super::desired::Desired;
use super::held::{Held, HeldReason};
use super::step::{Action, Step, Why};
use super::wanted::WantedBy;
use crate::facts::{CachedFile, Observed, StepId};
use crate::model::{ArtifactId, Family, FileName, TalosVersion};

/// What goes from the cache, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// How many versions of a family are kept; `None` keeps everything.
    pub keep_versions: Option<u32>,
    /// How long, in seconds, a family that no order refers to is kept.
    pub orphan_grace_seconds: i64,
}

/// The removals of a pass: as steps, or held back with the reason.
pub(super) struct Removals {
    pub steps: Vec<Step>,
    pub held: Vec<Held>,
}

/// Why nothing may be removed in this pass, if that is so.
pub(super) fn blocked(desired: &Desired) -> Option<String> {
    if !desired.complete {
        return Some("an order, a position or a file was rejected".to_owned());
    }
    if desired.positions.is_empty() {
        return Some("no order asks for anything, which is more likely a mistake".to_owned());
    }
    let unresolved = desired
        .positions
        .iter()
        .find(|want| want.outcome.is_err())?;
    Some(format!("{} could not be resolved", unresolved.position))
}

/// Plans what goes from the cache; `fetching` are the steps that bring files in.
pub(super) fn retain(
    desired: &Desired,
    observed: &Observed,
    retention: &Retention,
    fetching: &BTreeMap<ArtifactId, StepId>,
) -> Removals {
    let mut removals = Removals {
        steps: Vec::new(),
        held: Vec::new(),
    };
    let blocked = blocked(desired);
    let mut take = |action: Action, why: Why, needs: Vec<StepId>| {
        let id = action.step_id();
        match &blocked {
            Some(reason) => removals.held.push(Held {
                id,
                reason: HeldReason::PruneBlocked {
                    why: reason.clone(),
                },
                wanted_by: WantedBy::default(),
            }),
            None => removals.steps.push(Step {
                id,
                action,
                why,
                needs,
                wanted_by: WantedBy::default(),
            }),
        }
    };
    let in_doubt = blocked.is_some();
    for (file, why, needs) in surplus(desired, observed, retention, fetching, in_doubt) {
        take(removal(&file, &observed.cache.files[&file]), why, needs);
    }
    let wanted: BTreeSet<&FileName> = desired.artifacts.values().map(|want| &want.file).collect();
    for (file, &bytes) in &observed.cache.partial {
        if !wanted.contains(file) {
            let action = Action::ClearPartial {
                file: file.clone(),
                bytes,
            };
            take(action, Why::Abandoned, Vec::new());
        }
    }
    removals
}

/// Since when files lie in the cache whose family no order refers to, by the step that
/// would remove each: for the memory after a pass. While the orders are in doubt no file
/// begins to be missed.
pub fn missed(desired: &Desired, observed: &Observed) -> BTreeMap<StepId, Timestamp> {
    let wanted = families(desired);
    let begins = blocked(desired).is_none().then_some(observed.now);
    let files = observed.cache.files.iter();
    let orphans = files.filter(|(_, cached)| !wanted.contains(&cached.meta.artifact.family()));
    let since = orphans.filter_map(|(file, cached)| {
        let id = removal(file, cached).step_id();
        let before = observed.memory.unwanted_since.get(&id).copied();
        Some((id, before.or(begins)?))
    });
    since.collect()
}

fn families(desired: &Desired) -> BTreeSet<Family> {
    desired.artifacts.keys().map(ArtifactId::family).collect()
}

fn removal(file: &FileName, cached: &CachedFile) -> Action {
    Action::PruneCache {
        file: file.clone(),
        bytes: cached.size.unwrap_or(0),
    }
}

/// Since when nobody has wanted a file; `None` in the first pass that misses it, which
/// never removes it.
fn unwanted_since(file: &FileName, cached: &CachedFile, observed: &Observed) -> Option<Timestamp> {
    let missed = &observed.memory.unwanted_since;
    let missed = *missed.get(&removal(file, cached).step_id())?;
    Some(missed.max(cached.meta.last_wanted))
}

/// The files that are too many, each with the reason and the downloads that must
/// have succeeded before the file may go.
fn surplus(
    desired: &Desired,
    observed: &Observed,
    retention: &Retention,
    fetching: &BTreeMap<ArtifactId, StepId>,
    in_doubt: bool,
) -> Vec<(FileName, Why, Vec<StepId>)> {
    let Some(keep) = retention.keep_versions else {
        return Vec::new();
    };
    let wanted_families = families(desired);
    // Only what is there or on its way counts as a version kept: a wanted file
    // that is held back must not push out the last one that works.
    let mut versions: BTreeMap<Family, BTreeSet<TalosVersion>> = BTreeMap::new();
    let cached = observed.cache.files.values();
    let present = cached
        .filter(|cached| cached.size.is_some())
        .map(|cached| &cached.meta.artifact);
    for artifact in present.chain(fetching.keys()) {
        let family = versions.entry(artifact.family()).or_default();
        family.insert(artifact.version.clone());
    }
    let mut arriving: BTreeMap<Family, Vec<StepId>> = BTreeMap::new();
    for (artifact, step) in fetching {
        let steps = arriving.entry(artifact.family()).or_default();
        steps.push(step.clone());
    }
    let mut surplus = Vec::new();
    for (file, cached) in &observed.cache.files {
        let artifact = &cached.meta.artifact;
        if desired.artifacts.contains_key(artifact) {
            continue;
        }
        let family = artifact.family();
        let after = (Bound::Excluded(&artifact.version), Bound::Unbounded);
        let newer = versions.get(&family).map_or(0, |versions| {
            let newer = versions.range::<TalosVersion, _>(after);
            newer.take(keep as usize).count()
        });
        // While nothing may be removed, it is told what would be by the record alone.
        let since = match in_doubt {
            true => Some(cached.meta.last_wanted),
            false => unwanted_since(file, cached, observed),
        };
        let age = since.map(|since| observed.now.as_second() - since.as_second());
        let why = match age {
            _ if newer >= keep as usize => Why::BeyondKeep { keep },
            Some(age)
                if !wanted_families.contains(&family) && age >= retention.orphan_grace_seconds =>
            {
                Why::Orphaned {
                    hours: u64::try_from(age / 3600).unwrap_or(0),
                }
            }
            _ => continue,
        };
        let needs = arriving.get(&family).cloned().unwrap_or_default();
        surplus.push((file.clone(), why, needs));
    }
    surplus
}
