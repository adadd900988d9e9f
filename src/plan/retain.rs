//! What may go from the cache.
//!
//! A file goes only if nobody wants it, it is ours, and everything that might
//! want it is known. Per family the newest versions stay; a family that no order
//! refers to stays for a while, because a removed order is often a moved one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::desired::Desired;
use super::held::{Held, HeldReason};
use super::id::StepId;
use super::observed::Observed;
use super::step::{Action, Step, Why};
use super::wanted::WantedBy;
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
    for (file, why, needs) in surplus(desired, observed, retention, fetching) {
        let bytes = observed.cache.files[&file].size.unwrap_or(0);
        let action = Action::PruneCache { file, bytes };
        take(action, why, needs);
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

/// The files that are too many, each with the reason and the downloads that must
/// have succeeded before the file may go.
fn surplus(
    desired: &Desired,
    observed: &Observed,
    retention: &Retention,
    fetching: &BTreeMap<ArtifactId, StepId>,
) -> Vec<(FileName, Why, Vec<StepId>)> {
    let Some(keep) = retention.keep_versions else {
        return Vec::new();
    };
    let wanted_families: BTreeSet<Family> =
        desired.artifacts.keys().map(ArtifactId::family).collect();
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
        let age = observed.now.as_second() - cached.meta.last_wanted.as_second();
        let after = (Bound::Excluded(&artifact.version), Bound::Unbounded);
        let newer = versions.get(&family).map_or(0, |versions| {
            let newer = versions.range::<TalosVersion, _>(after);
            newer.take(keep as usize).count()
        });
        let why = if newer >= keep as usize {
            Why::BeyondKeep { keep }
        } else if !wanted_families.contains(&family) && age >= retention.orphan_grace_seconds {
            Why::Orphaned {
                hours: u64::try_from(age / 3600).unwrap_or(0),
            }
        } else {
            continue;
        };
        let needs = arriving.get(&family).cloned().unwrap_or_default();
        surplus.push((file.clone(), why, needs));
    }
    surplus
}
