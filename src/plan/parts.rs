//! What interrupted deliveries left on nodes and nobody wants any more.
//!
//! A part is as large as an image. The delivery that it belongs to takes it up, or
//! replaces it; where that delivery is not wanted any more, or the file is in place by
//! other means, the part goes once its time of grace is over. It carries no owner: where
//! several controllers share a directory, one that nobody wrote to for that long belongs
//! to none of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::desired::Desired;
use super::held::{Held, HeldReason};
use super::prune::PrunePolicy;
use super::retain::{Removals, blocked};
use super::sites::{Place, Sites, Speakers};
use super::step::{Action, Plan, Step, Why};
use super::wanted::WantedBy;
use crate::facts::{NodeState, Observed, Part, StepId};
use crate::model::{FileName, PartName, PushTarget};

/// Plans which parts go from nodes; `plan` holds what was decided of the deliveries.
pub(super) fn parts(
    desired: &Desired,
    observed: &Observed,
    policy: &PrunePolicy,
    sites: &Sites,
    speakers: &Speakers<'_>,
    plan: &Plan,
) -> Removals {
    let mut removals = Removals {
        steps: Vec::new(),
        held: Vec::new(),
    };
    // There are hardly ever any.
    let found = found(observed, sites, speakers);
    if found.is_empty() {
        return removals;
    }
    let awaited = awaited(desired, sites, plan);
    let blocked = blocked(desired);
    for (target, name, part) in found {
        let place = sites.place(&target.node, &target.dir);
        if awaited.contains(&(place, name.file())) {
            continue;
        }
        let action = Action::ClearPart {
            target: target.clone(),
            part: name.clone(),
            bytes: part.bytes,
            idle_seconds: u64::try_from(policy.grace_seconds).unwrap_or(0),
        };
        let id = action.step_id();
        let reason = match &blocked {
            Some(why) => Some(HeldReason::PruneBlocked { why: why.clone() }),
            None => grace(&id, part, observed, policy),
        };
        match reason {
            Some(reason) => removals.held.push(Held {
                id,
                reason,
                wanted_by: WantedBy::default(),
            }),
            None => removals.steps.push(Step {
                id,
                action,
                why: Why::Abandoned,
                needs: Vec::new(),
                wanted_by: WantedBy::default(),
            }),
        }
    }
    removals
}

/// All parts that there are, each seen through one node.
fn found<'a>(
    observed: &'a Observed,
    sites: &Sites,
    speakers: &Speakers<'_>,
) -> Vec<(PushTarget, &'a PartName, &'a Part)> {
    let mut found = Vec::new();
    for (node, state) in &observed.nodes {
        let NodeState::Listed { dirs, .. } = state else {
            continue;
        };
        for (dir, listed) in dirs {
            if listed.parts.is_empty()
                || !speakers.speaks_for(node)
                || sites.absent(node, dir, listed).is_some()
            {
                continue;
            }
            let target = PushTarget {
                node: node.clone(),
                dir: dir.clone(),
            };
            let parts = listed.parts.iter();
            found.extend(parts.map(|(name, part)| (target.clone(), name, part)));
        }
    }
    found
}

/// The files that a delivery is still to bring, at each place.
fn awaited<'a>(
    desired: &'a Desired,
    sites: &'a Sites,
    plan: &Plan,
) -> BTreeSet<(Place<'a>, &'a FileName)> {
    let in_sync: BTreeSet<&StepId> = plan.in_sync.iter().collect();
    let is_in_sync = |id: &StepId| in_sync.contains(plan.shared.get(id).unwrap_or(id));
    let wanted = desired.placed.iter();
    wanted
        .flat_map(|(target, files)| {
            let place = sites.place(&target.node, &target.dir);
            let files: &BTreeMap<FileName, _> = files;
            let awaited = files
                .keys()
                .filter(|file| !is_in_sync(&StepId::push(target, file)));
            awaited.map(move |file| (place, file)).collect::<Vec<_>>()
        })
        .collect()
}

/// Until when a part stays; `None` once its time is over. It counts from the pass that
/// first missed it, and from when it was last written to.
fn grace(
    id: &StepId,
    part: &Part,
    observed: &Observed,
    policy: &PrunePolicy,
) -> Option<HeldReason> {
    let now = observed.now;
    let grace = SignedDuration::from_secs(policy.grace_seconds);
    let missed = observed.memory.unwanted_since.get(id);
    let idle = SignedDuration::from_secs(i64::try_from(part.idle_seconds).unwrap_or(i64::MAX));
    let written = now.saturating_sub(idle).unwrap_or(now);
    let since = written.max(*missed.unwrap_or(&now));
    let until = since.saturating_add(grace).unwrap_or(jiff::Timestamp::MAX);
    (missed.is_none() || now < until).then_some(HeldReason::InGrace { until })
}
