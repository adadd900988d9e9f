//! How far rings are as a run left them, for people: the plan of the run says how it found
//! them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::rings::Brought;
use crate::facts::{Memory, Outcome, StepId};
use crate::model::{NodeId, PositionRef, RingName};
use crate::plan::{Blocked, BlockedReason, Plan, PlannedRing, PlannedRollout, RingState};

/// The releases of a plan with what the run brought to their rings.
pub(super) struct RingsLeft<'a> {
    found: &'a [PlannedRollout],
    /// The same as the run left them, in the same order.
    pub rollouts: Vec<PlannedRollout>,
}

impl<'a> RingsLeft<'a> {
    /// `memory` is what is remembered after the run, which ended at `now`. What that means
    /// for rings that wait is decided by the next plan; here it is only told what they
    /// waited for has become.
    pub(super) fn of(
        plan: &'a Plan,
        outcomes: &BTreeMap<StepId, Outcome>,
        memory: &Memory,
        now: Timestamp,
    ) -> Self {
        Self {
            found: &plan.rollouts,
            rollouts: rings_left(plan, outcomes, memory, now),
        }
    }

    /// A blocked step with what it waits for after the run, where it waits for its ring.
    pub(super) fn blocked<'b>(&self, blocked: &'b Blocked) -> Cow<'b, Blocked> {
        let BlockedReason::WaitsForRing {
            ring, why: before, ..
        } = &blocked.reason
        else {
            return Cow::Borrowed(blocked);
        };
        let both = self.found.iter().zip(&self.rollouts);
        let of_order = both.filter(|(found, _)| {
            let mut wanted_by = blocked.wanted_by.iter();
            wanted_by.any(|position| position.order == found.order)
        });
        let mut rings = of_order.flat_map(|(found, left)| found.rings.iter().zip(&left.rings));
        // An order may have several releases that wait for different things.
        let left = rings.find_map(|(found, left)| match (&found.state, &left.state) {
            (
                RingState::Waiting { why: was, .. },
                RingState::Waiting {
                    why,
                    until,
                    needs_promotion,
                    ..
                },
            ) if found.name == *ring && was == before => Some((why, until, needs_promotion)),
            _ => None,
        });
        let Some((why, until, needs_promotion)) = left else {
            return Cow::Borrowed(blocked);
        };
        Cow::Owned(Blocked {
            id: blocked.id.clone(),
            reason: BlockedReason::WaitsForRing {
                ring: ring.clone(),
                why: why.clone(),
                until: *until,
                needs_promotion: *needs_promotion,
            },
            wanted_by: blocked.wanted_by.clone(),
        })
    }
}

fn rings_left(
    plan: &Plan,
    outcomes: &BTreeMap<StepId, Outcome>,
    memory: &Memory,
    now: Timestamp,
) -> Vec<PlannedRollout> {
    let brought = Brought::of(plan, outcomes);
    let left = plan.rollouts.iter().map(|planned| {
        let mut left = planned.clone();
        let said = memory.instructed.get(&planned.order);
        // Then the rings do not wait for one another.
        let is_said =
            said.is_some_and(|said| said.is_paused || said.stopped.contains(&planned.release));
        // What became of the rings that others wait for.
        let mut changed: Vec<(RingName, RingState)> = Vec::new();
        // The manual ring that those after it wait for now.
        let mut next: Option<RingName> = None;
        for ring in &mut left.rings {
            let behind = brought.still_out_of_sync(ring, |at: &PositionRef| at.order == left.order);
            let behind: BTreeSet<NodeId> = behind.into_iter().cloned().collect();
            ring.out_of_sync = behind;
            if let Some(state) = came_into_sync(ring, planned, memory, now) {
                ring.state = state.clone();
                changed.extend(ring.name.clone().map(|name| (name, state)));
            }
            let waits_for = match &ring.state {
                RingState::Waiting { waits_for, .. } if !is_said => waits_for.as_ref(),
                _ => None,
            };
            let became = waits_for.and_then(|name| changed.iter().find(|(of, _)| of == name));
            let Some((name, state)) = became else {
                continue;
            };
            ring.state = match (state, &next) {
                (RingState::Soaking { until }, _) => {
                    waiting(format!("ring {name} soaks"), name, *until)
                }
                (_, Some(next)) => waiting(format!("ring {next} has not begun"), next, None),
                (_, None) if ring.is_manual => RingState::for_promotion(),
                (_, None) => waiting(
                    format!("ring {name} has it; the next run goes on"),
                    name,
                    None,
                ),
            };
            if let RingState::Waiting {
                needs_promotion: true,
                ..
            } = &ring.state
            {
                next.clone_from(&ring.name);
            }
        }
        left
    });
    left.collect()
}

fn waiting(why: String, waits_for: &RingName, until: Option<Timestamp>) -> RingState {
    RingState::Waiting {
        why,
        waits_for: Some(waits_for.clone()),
        until,
        needs_promotion: false,
    }
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
