//! What may go from the cache.
//!
//! A file is pruned only if nobody wants it, it is ours, and everything that might
//! want it is known. Per family the newest versions stay; a family that no order
//! refers to stays for a while, because a removed order is often a moved one.
//!
//! How long that is already is told by two things, and the shorter time counts: the
//! file's record says when it was last wanted, and the memory says which run first
//! missed it. The record alone would believe a clock that was wrong; the times in the
//! memory are set right after a jump.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::Timestamp;

use crate::facts::{CachedFile, Observed, StepId};
use crate::model::{ArtifactId, Family, FileName, TalosVersion};
use crate::plan::blocked::BlockedReason;
use crate::plan::desired::Desired;
use crate::plan::stage::{PlanDraft, StageInput, removals_blocked};
use crate::plan::step::{Action, Why};

/// Plans what goes from the cache.
pub(in crate::plan) fn retain(input: &StageInput<'_>, draft: &mut PlanDraft) {
    if input.purge {
        return;
    }
    let (desired, observed) = (input.desired, input.observed);
    for (file, why, needs) in surplus(input, &draft.incoming) {
        let action = Action::prune_cache(file, &observed.cache.files[file]);
        remove(input, draft, action, why, needs);
    }
    let mut wanted = desired.images_elsewhere.names();
    wanted.extend(desired.artifacts.values().map(|want| &want.file));
    for (file, &bytes) in &observed.cache.partial {
        if !wanted.contains(file) {
            let action = Action::ClearPartial {
                file: file.clone(),
                bytes,
            };
            remove(input, draft, action, Why::Abandoned, Vec::new());
        }
    }
}

/// A removal, or its being blocked where nothing may be removed.
fn remove(
    input: &StageInput<'_>,
    draft: &mut PlanDraft,
    action: Action,
    why: Why,
    needs: Vec<StepId>,
) {
    match removals_doubted(input) {
        Some(why) => draft.block_removal(action.step_id(), BlockedReason::PruneBlocked { why }),
        None => draft.removal(action, why, needs),
    }
}

/// Why nothing may go: also where it is not known what is wanted for nodes that the run is
/// not for.
fn removals_doubted(input: &StageInput<'_>) -> Option<String> {
    let elsewhere = || input.desired.images_elsewhere.doubt.clone();
    input.removals_blocked.clone().or_else(elsewhere)
}

/// Since when files are in the cache whose family no order refers to, by the step that
/// would remove each: for the memory after a run. While the orders are in doubt no file
/// begins to be missed.
pub fn missed(desired: &Desired, observed: &Observed) -> BTreeMap<StepId, Timestamp> {
    let wanted = families(desired);
    let is_sure = removals_blocked(desired).is_none() && desired.images_elsewhere.doubt.is_none();
    let begins = is_sure.then_some(observed.now);
    let files = observed.cache.files.iter();
    let orphans = files.filter(|(_, cached)| !wanted.contains(&cached.meta.artifact.family()));
    let since = orphans.filter_map(|(file, cached)| {
        let id = Action::prune_cache(file, cached).step_id();
        let before = observed.memory.unwanted_since.get(&id).copied();
        Some((id, before.or(begins)?))
    });
    since.collect()
}

fn families(desired: &Desired) -> BTreeSet<Family> {
    let elsewhere = desired.images_elsewhere.files.keys();
    let wanted = desired.artifacts.keys().chain(elsewhere);
    wanted.map(ArtifactId::family).collect()
}

/// Since when nobody has wanted a file; `None` in the first run that misses it, which
/// never removes it.
fn unwanted_since(file: &FileName, cached: &CachedFile, observed: &Observed) -> Option<Timestamp> {
    let missed = &observed.memory.unwanted_since;
    let missed = *missed.get(&Action::prune_cache(file, cached).step_id())?;
    Some(missed.max(cached.meta.last_wanted))
}

/// The files that are too many, each with the reason and the downloads that must
/// have succeeded before the file may go.
fn surplus<'a>(
    input: &StageInput<'a>,
    fetching: &BTreeMap<ArtifactId, StepId>,
) -> Vec<(&'a FileName, Why, Vec<StepId>)> {
    let (desired, observed) = (input.desired, input.observed);
    let retention = &input.policy.retention;
    let Some(keep) = retention.keep_versions else {
        return Vec::new();
    };
    let wanted_families = families(desired);
    // Only what is there or on its way counts as a version kept: a wanted file
    // that is blocked must not push out the last one that works.
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
        let is_elsewhere = desired.images_elsewhere.files.contains_key(artifact);
        if is_elsewhere || desired.artifacts.contains_key(artifact) {
            continue;
        }
        let family = artifact.family();
        let after = (Bound::Excluded(&artifact.version), Bound::Unbounded);
        let newer = versions.get(&family).map_or(0, |versions| {
            let newer = versions.range::<TalosVersion, _>(after);
            newer.take(keep as usize).count()
        });
        // While nothing may be removed, it is told what would be by the record alone.
        let since = match removals_doubted(input).is_some() {
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
        surplus.push((file, why, needs));
    }
    surplus
}
