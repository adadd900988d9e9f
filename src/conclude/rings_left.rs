//! How far rings are as a run left them, for people: the plan of the run says how it found
//! them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::rings::Brought;
use crate::facts::{Memory, Outcome, StepId};
use crate::model::{NodeId, PositionRef, RingName};
use crate::plan::{Plan, PlannedRing, PlannedRollout, RingState};

/// The releases of a plan with what the run brought to their rings. `memory` is what is
/// remembered after the run, which ended at `now`. What that means for rings that wait is
/// decided by the next plan; here it is only told what they waited for has become.
pub(super) fn rings_left(
    plan: &Plan,
    outcomes: &BTreeMap<StepId, Outcome>,
    memory: &Memory,
    now: Timestamp,
) -> Vec<PlannedRollout> {
    let brought = Brought::of(plan, outcomes);
    let left = plan.rollouts.iter().map(|planned| {
        let mut left = planned.clone();
        // What became of the rings that others wait for.
        let mut changed: Vec<(RingName, RingState)> = Vec::new();
        for ring in &mut left.rings {
            let behind = brought.still_out_of_sync(ring, |at: &PositionRef| at.order == left.order);
            let behind: BTreeSet<NodeId> = behind.into_iter().cloned().collect();
            ring.out_of_sync = behind;
            if let Some(state) = came_into_sync(ring, planned, memory, now) {
                ring.state = state.clone();
                changed.extend(ring.name.clone().map(|name| (name, state)));
            }
            if let RingState::Waiting { why, until } = &mut ring.state {
                let of_it = |(name, _): &&(RingName, RingState)| {
                    why.strip_prefix(&format!("ring {name} ")).is_some()
                };
                if let Some((name, state)) = changed.iter().find(of_it) {
                    (*why, *until) = match state {
                        RingState::Soaking { until } => (format!("ring {name} soaks"), *until),
                        _ => (format!("ring {name} has it; the next run goes on"), None),
                    };
                }
            }
        }
        left
    });
    left.collect()
}

/// How a ring is that had begun and came into sync in the run; `None` for any other. What
/// other sites have of it is not known better than before.
fn came_into_sync(
    ring: &mut PlannedRing,
    planned: &PlannedRollout,
    memory: &Memory,
    now: Timestamp,
) -> Option<RingState> {
    if ring.state != RingState::Open || !ring.elsewhere.is_empty() {
        return None;
    }
    if ring.out_of_sync.len() > ring.may_be_out_of_sync {
        return None;
    }
    let Some(name) = &ring.name else {
        // Nobody waits for the nodes without a ring.
        return ring.out_of_sync.is_empty().then_some(RingState::Done);
    };
    let releases = memory.rollouts.get(&planned.order)?;
    let since = releases
        .get(&planned.release)?
        .rings
        .get(name)?
        .in_sync_since?;
    ring.in_sync_since = Some(since);
    let soak = SignedDuration::from_secs(i64::try_from(ring.soak_seconds).unwrap_or(i64::MAX));
    let until = since.saturating_add(soak).unwrap_or(Timestamp::MAX);
    Some(match until <= now {
        true => RingState::Done,
        false => RingState::Soaking { until: Some(until) },
    })
}
