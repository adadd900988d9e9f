//! What is due to be read back: bit rot and silent truncation show no other way.
//!
//! What has not been read back for the longest goes first, within a budget of
//! bytes per pass, so that a large fleet is read steadily and not all at once.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::desired::Desired;
use super::sites::Speakers;
use super::step::{Action, Step, Why};
use super::wanted::WantedBy;
use crate::facts::{NodeState, Observed, StepId};
use crate::model::PushTarget;

/// How often files are read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyPolicy {
    /// How old, in seconds, the last reading may get.
    pub max_age_seconds: i64,
    /// How many bytes are read in a pass; one file at least.
    pub budget_bytes: u64,
}

/// Plans what is read back, of what is in place: `in_sync` holds the identities of
/// those deliveries and downloads.
pub(super) fn verify(
    desired: &Desired,
    observed: &Observed,
    policy: &VerifyPolicy,
    speakers: &Speakers<'_>,
    in_sync: &BTreeSet<&StepId>,
) -> Vec<Step> {
    let mut due: Vec<(Option<Timestamp>, Action)> = Vec::new();
    let mut consider = |action: Action, written: Timestamp| {
        let read = observed.memory.verified.get(&action.step_id()).copied();
        // Placing a file checked it, too.
        let last = read.unwrap_or(written).max(written);
        if observed.now.as_second() - last.as_second() >= policy.max_age_seconds {
            due.push((Some(last), action));
        }
    };
    for (target, files) in &desired.placed {
        let Some(NodeState::Listed { dirs, .. }) = observed.nodes.get(&target.node) else {
            continue;
        };
        if !speakers.speaks_for(&target.node) {
            continue;
        }
        for file in files.keys() {
            let entry = dirs.get(&target.dir).and_then(|dir| dir.record.get(file));
            if let Some(entry) = entry
                && in_sync.contains(&StepId::push(target, file))
            {
                let action = Action::VerifyNode {
                    target: PushTarget::clone(target),
                    file: file.clone(),
                    bytes: entry.size,
                    sha256: entry.sha256,
                };
                consider(action, entry.placed_at);
            }
        }
    }
    for want in desired.artifacts.values() {
        if let Some(cached) = observed.cache.files.get(&want.file)
            && in_sync.contains(&StepId::fetch(&want.file))
        {
            let action = Action::VerifyCache {
                file: want.file.clone(),
                bytes: cached.meta.size,
            };
            consider(action, cached.meta.completed_at);
        }
    }
    due.sort_by_cached_key(|(last, action)| (*last, action.step_id()));
    within(policy.budget_bytes, due, observed)
}

fn within(budget: u64, due: Vec<(Option<Timestamp>, Action)>, observed: &Observed) -> Vec<Step> {
    let mut left = budget;
    let mut steps = Vec::new();
    for (last, action) in due {
        let (Action::VerifyNode { bytes, .. } | Action::VerifyCache { bytes, .. }) = &action else {
            continue;
        };
        if *bytes > left && !steps.is_empty() {
            break;
        }
        left = left.saturating_sub(*bytes);
        let hours = last.map(|last| (observed.now.as_second() - last.as_second()) / 3600);
        steps.push(Step {
            id: action.step_id(),
            action,
            why: Why::Unverified {
                hours: hours.and_then(|hours| u64::try_from(hours).ok()),
            },
            needs: Vec::new(),
            wanted_by: WantedBy::default(),
        });
    }
    steps
}
