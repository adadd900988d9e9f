//! How far releases have gone through the rings of their orders.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::ended::EndedRun;
use crate::conclude::rings::Brought;
use crate::facts::{Memory, RingMemory, RolloutInstruction, RolloutMemory};
use crate::model::{OrderId, PositionRef, Release, SiteName};
use crate::plan::{Look, PlannedRing, PlannedRollout};

/// How long after a run that brought a ring into sync once more the next one begins at the
/// earliest. What was lost between two runs may be lost again, and runs without a pause would
/// follow.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// The releases of orders.
type Releases = BTreeMap<OrderId, BTreeMap<Release, RolloutMemory>>;

impl EndedRun<'_> {
    /// The rings that have begun, and since when they are in sync: as the run found it, or
    /// since it brought the last that was missing. A release that its order does not want
    /// any more is forgotten; while that is in doubt, only since when it was in sync.
    pub(super) fn rollouts(&self) -> Releases {
        let mut releases = Releases::new();
        for (order, known) in &self.memory.rollouts {
            if self.is_doubtful(order) {
                let known = known.iter().map(|(release, known)| {
                    let mut known = known.clone();
                    for ring in known.rings.values_mut() {
                        ring.in_sync_since = None;
                    }
                    (release.clone(), known)
                });
                releases.insert(order.clone(), known.collect());
            }
        }
        let brought = Brought::of(&self.look.plan, self.outcomes);
        for planned in &self.look.plan.rollouts {
            let said = self.memory.instructed.get(&planned.order);
            let said = said.and_then(|said| said.restarted(&planned.release));
            let before = self.memory.rollouts.get(&planned.order);
            let before = before.and_then(|releases| releases.get(&planned.release));
            let mut known = RolloutMemory {
                // An earlier instruction may have taken the place of a later one.
                restarted: said.max(before.and_then(|known| known.restarted)),
                ..RolloutMemory::default()
            };
            for ring in &planned.rings {
                match &ring.name {
                    Some(name) => {
                        let ring = self.ring(planned, ring, &brought);
                        known.rings.insert(name.clone(), ring);
                    }
                    None => {
                        known.is_rest_open = ring.is_open;
                        known.rest_sites = self.sites(ring);
                    }
                }
            }
            let of_order = releases.entry(planned.order.clone()).or_default();
            of_order.insert(planned.release.clone(), known);
        }
        releases
    }

    /// True if it is not known which releases an order wants.
    fn is_doubtful(&self, order: &OrderId) -> bool {
        let desired = &self.look.desired;
        let mut positions = desired.positions.iter();
        !desired.complete
            || positions.any(|want| want.position.order == *order && want.outcome.is_err())
    }

    /// The sites that the nodes of a ring are in.
    fn sites(&self, ring: &PlannedRing) -> BTreeSet<SiteName> {
        let traits = &self.look.desired.traits;
        let traits = ring.nodes.iter().filter_map(|node| traits.get(node));
        traits.filter_map(|node| node.site.clone()).collect()
    }

    fn ring(
        &self,
        planned: &PlannedRollout,
        ring: &PlannedRing,
        brought: &Brought<'_>,
    ) -> RingMemory {
        let desired = &self.look.desired;
        let sites = self.sites(ring);
        let positions = desired.positions.iter().filter(|want| {
            let resolved = want.outcome.as_ref();
            want.position.order == planned.order
                && resolved.is_ok_and(|one| Release::of(&one.download) == planned.release)
        });
        let positions: BTreeSet<&PositionRef> = positions.map(|want| &want.position).collect();
        let achieved = || {
            let behind = brought.still_out_of_sync(ring, |one| positions.contains(one));
            // How many may be out of sync holds for each site.
            let may_be = match sites.len() {
                0 | 1 => ring.may_be_out_of_sync,
                _ => 0,
            };
            let is_doubtful = planned.doubt.is_some() || self.is_doubtful(&planned.order);
            let is_known = !ring.nodes.is_empty() && !is_doubtful;
            (is_known && behind.len() <= may_be).then_some(self.now)
        };
        RingMemory {
            in_sync_since: ring.in_sync_since.or_else(achieved),
            is_open: ring.is_open,
            sites,
        }
    }
}

/// Takes in what operators said during the run that ended for it. The rings of what they
/// stopped have not begun any more: the image may be promoted before a run has seen the stop.
pub fn take_in(memory: &mut Memory, said: BTreeMap<OrderId, RolloutInstruction>) {
    for (order, said) in &said {
        let Some(releases) = memory.rollouts.get_mut(order) else {
            continue;
        };
        let stopped = releases
            .iter_mut()
            .filter(|(release, _)| said.stopped.contains(*release));
        for (_, known) in stopped {
            known.is_rest_open = false;
            for ring in known.rings.values_mut() {
                ring.is_open = false;
            }
        }
    }
    memory.instructed = said;
}

/// When the first ring has soaked after this look that another one waits for. `memory` is
/// what was remembered at the look or after it.
pub fn next_ring(look: &Look, memory: &Memory) -> Option<Timestamp> {
    let rollouts = look.plan.rollouts.iter();
    let ends = rollouts.filter_map(|planned| next_of(planned, look, memory));
    ends.min()
}

fn next_of(planned: &PlannedRollout, look: &Look, memory: &Memory) -> Option<Timestamp> {
    let known = known_of(planned, memory)?;
    let before = known_of(planned, &look.observed.memory);
    let looked = look.observed.now;
    let instruction = memory.instructed.get(&planned.order);
    let is_blocked =
        instruction.is_some_and(|said| said.is_paused || said.stopped.contains(&planned.release));
    if is_blocked {
        return None;
    }
    // One in another site waits for the report of the run.
    let has_nodes = |ring: &PlannedRing| !ring.nodes.is_empty() || !ring.elsewhere.is_empty();
    let waits = |ring: &PlannedRing| !ring.is_open && has_nodes(ring);
    let last = planned.rings.iter().rposition(waits)?;
    let first = planned.rings[..last].iter();
    let ends = first.filter_map(|ring| {
        let name = ring.name.as_ref()?;
        let since = known.rings.get(name)?.in_sync_since?;
        let soak = i64::try_from(ring.soak_seconds).unwrap_or(i64::MAX);
        let mut wait = SignedDuration::from_secs(soak);
        let was_in_sync = before
            .and_then(|before| before.rings.get(name))
            .is_some_and(|before| before.in_sync_since.is_some());
        if was_in_sync && ring.in_sync_since.is_none() {
            wait = wait.max(AGAIN);
        }
        let end = since.saturating_add(wait).ok()?;
        // What was over at the look has been taken into account.
        (end > looked).then_some(end)
    });
    ends.min()
}

fn known_of<'m>(planned: &PlannedRollout, memory: &'m Memory) -> Option<&'m RolloutMemory> {
    memory.rollouts.get(&planned.order)?.get(&planned.release)
}
