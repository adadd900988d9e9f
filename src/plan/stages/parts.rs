//! What interrupted deliveries left on nodes and nobody wants any more.
//!
//! A part is as large as an image. The delivery that it belongs to takes it up, or
//! replaces it; where that delivery is not wanted any more, or the file is in place by
//! other means, the part goes once its time of grace is over. It carries no owner: where
//! several controllers share a directory, one that nobody wrote to for that long belongs
//! to none of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::facts::{NodeState, Part, StepId};
use crate::model::{FileName, PartName, PushTarget};
use crate::plan::blocked::BlockedReason;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Plan, Why};
use crate::plan::storages::DirKey;

/// Plans which parts go from nodes.
pub(in crate::plan) fn parts(input: &StageInput<'_>, draft: &mut PlanDraft) {
    // There are hardly ever any.
    let found = found(input);
    if found.is_empty() {
        return;
    }
    let policy = input.policy;
    let awaited = awaited(input, &draft.plan);
    for (target, name, part) in found {
        let key = input.shared.key(&target.node, &target.dir);
        if awaited.contains(&(key, name.file())) {
            continue;
        }
        let action = Action::ClearPart {
            target: target.clone(),
            part: name.clone(),
            bytes: part.bytes,
            idle_seconds: u64::try_from(policy.prune.grace_seconds).unwrap_or(0),
        };
        let id = action.step_id();
        let reason = match input.removals_blocked_in(&target.node, &target.dir) {
            Some(why) => Some(BlockedReason::PruneBlocked { why }),
            None => grace(&id, part, input).or_else(|| input.not_planned(&id)),
        };
        match reason {
            Some(reason) => draft.block_removal(id, reason),
            None => draft.removal(action, Why::Abandoned, Vec::new()),
        }
    }
}

/// All parts that there are, each seen through one node.
fn found<'a>(input: &StageInput<'a>) -> Vec<(PushTarget, &'a PartName, &'a Part)> {
    let mut found = Vec::new();
    for (node, state) in &input.observed.nodes {
        let NodeState::Listed { dirs, .. } = state else {
            continue;
        };
        for (dir, listed) in dirs {
            if listed.parts.is_empty()
                || !input.leaders.leads(node, dir)
                || input.shared.absent(node, dir, listed).is_some()
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
fn awaited<'a>(input: &StageInput<'a>, plan: &Plan) -> BTreeSet<(DirKey<'a>, &'a FileName)> {
    let in_sync: BTreeSet<&StepId> = plan.in_sync.iter().collect();
    let is_in_sync = |id: &StepId| in_sync.contains(plan.shared.get(id).unwrap_or(id));
    let wanted = input.desired.placed.iter();
    wanted
        .flat_map(|(target, files)| {
            let key = input.shared.key(&target.node, &target.dir);
            let files: &BTreeMap<FileName, _> = files;
            let awaited = files
                .keys()
                .filter(|file| !is_in_sync(&StepId::push(target, file)));
            awaited.map(move |file| (key, file)).collect::<Vec<_>>()
        })
        .collect()
}

/// Until when a part stays; `None` once its time is over. It counts from the run that
/// first missed it, and from when it was last written to.
fn grace(id: &StepId, part: &Part, input: &StageInput<'_>) -> Option<BlockedReason> {
    let now = input.observed.now;
    let grace = SignedDuration::from_secs(input.policy.prune.grace_seconds);
    let missed = input.observed.memory.unwanted_since.get(id);
    let idle = SignedDuration::from_secs(i64::try_from(part.idle_seconds).unwrap_or(i64::MAX));
    let written = now.saturating_sub(idle).unwrap_or(now);
    let since = written.max(*missed.unwrap_or(&now));
    let until = since.saturating_add(grace).unwrap_or(jiff::Timestamp::MAX);
    (missed.is_none() || now < until).then_some(BlockedReason::InGrace { until })
}
