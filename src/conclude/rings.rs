//! How far rings are after a run: what it found in sync, and what it brought there itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::facts::{Memory, Outcome, RingReport, SiteReport, StepId, StepKind};
use crate::model::{NodeId, OrderId, PositionRef, Release, RingName};
use crate::plan::{Look, Plan, PlannedRing, PlannedRollout, WantedBy};

/// How far the releases of orders with rings are, by order.
pub type RingReports = BTreeMap<OrderId, BTreeMap<Release, BTreeMap<RingName, RingReport>>>;

/// What a run brought to nodes, and what it did not.
pub(super) struct Brought<'a> {
    /// By node, with the positions that want it; `None` where it serves a storage that
    /// nodes share. True for what was done.
    steps: BTreeMap<NodeId, Vec<(Option<&'a WantedBy>, bool)>>,
}

impl<'a> Brought<'a> {
    pub(super) fn of(plan: &'a Plan, outcomes: &BTreeMap<StepId, Outcome>) -> Self {
        let is_done = |id: &StepId| outcomes.get(id).is_some_and(Outcome::is_success);
        let mut steps: BTreeMap<NodeId, Vec<(Option<&WantedBy>, bool)>> = BTreeMap::new();
        let planned = plan.steps.iter().map(|step| (&step.id, &step.wanted_by));
        let blocked = plan.blocked.iter();
        let blocked = blocked.map(|blocked| (&blocked.id, &blocked.wanted_by));
        for (id, wanted_by) in planned.chain(blocked).filter(|(id, _)| brings(id)) {
            if let Some(node) = id.node() {
                let of_node = steps.entry(node).or_default();
                of_node.push((Some(wanted_by), is_done(id)));
            }
        }
        let in_sync: BTreeSet<&StepId> = plan.in_sync.iter().collect();
        for (own, made) in &plan.shared {
            if let Some(node) = own.node().filter(|_| !in_sync.contains(made)) {
                steps.entry(node).or_default().push((None, is_done(made)));
            }
        }
        Self { steps }
    }

    /// The nodes of a ring that are out of sync still.
    pub(super) fn still_out_of_sync<'p>(
        &self,
        ring: &'p PlannedRing,
        concerns: impl Fn(&PositionRef) -> bool,
    ) -> BTreeSet<&'p NodeId> {
        let is_behind = |node: &&NodeId| {
            let steps = self.steps.get(*node).into_iter().flatten();
            let mut own = steps.filter(|(wanted_by, _)| {
                wanted_by.is_none_or(|wanted_by| wanted_by.iter().any(&concerns))
            });
            // Where no step says what is missing, only the next look knows.
            let first = own.next();
            first.is_none_or(|(_, is_done)| !is_done) || own.any(|(_, is_done)| !is_done)
        };
        ring.out_of_sync.iter().filter(is_behind).collect()
    }
}

/// True for what changes whether a node has an image.
fn brings(id: &StepId) -> bool {
    matches!(
        id.kind(),
        Some(
            StepKind::Push
                | StepKind::Storage
                | StepKind::CreateTemplate
                | StepKind::SwitchTemplate
        )
    )
}

/// How far rings are on some of the nodes that a run was for, those of a site, as the site
/// reports it. `memory` is what is remembered after the run. In sync is a ring here only
/// where it is on all nodes of the run: of a part it is not known since when.
pub fn ring_reports(
    plan: &Plan,
    outcomes: &BTreeMap<StepId, Outcome>,
    memory: &Memory,
    now: Timestamp,
    covers: impl Fn(&NodeId) -> bool,
) -> RingReports {
    let brought = Brought::of(plan, outcomes);
    let mut reports = RingReports::new();
    for rollout in &plan.rollouts {
        let remembered = memory.rollouts.get(&rollout.order);
        let remembered = remembered.and_then(|releases| releases.get(&rollout.release));
        let mut rings = without_nodes(rollout, &covers);
        for ring in &rollout.rings {
            let nodes = ring.nodes.iter().filter(|node| covers(node)).count();
            let Some(name) = ring.name.as_ref().filter(|_| nodes > 0) else {
                continue;
            };
            let concerns = |position: &PositionRef| position.order == rollout.order;
            let behind = brought.still_out_of_sync(ring, concerns);
            let behind: Vec<&NodeId> = behind.into_iter().filter(|node| covers(node)).collect();
            let known = remembered.and_then(|known| known.rings.get(name));
            let since = known.and_then(|known| known.in_sync_since);
            let seconds = since.map(|since| now.as_second() - since.as_second());
            let seconds = seconds.map(|seconds| u64::try_from(seconds).unwrap_or(0));
            let report = RingReport {
                nodes,
                out_of_sync: behind.len(),
                in_sync_seconds: seconds,
                has_soaked: seconds.is_some_and(|seconds| seconds >= ring.soak_seconds),
                behind: behind
                    .into_iter()
                    .take(SiteReport::MOST_NODES)
                    .cloned()
                    .collect(),
            };
            rings.insert(name.clone(), report);
        }
        if !rings.is_empty() {
            let releases = reports.entry(rollout.order.clone()).or_default();
            releases.insert(rollout.release.clone(), rings);
        }
    }
    reports
}

/// The rings of a plan with nodes of a site, as the site reports them before the run is over:
/// that they are there, and nothing of how far they are.
pub fn rings_begun(look: &Look, covers: impl Fn(&NodeId) -> bool) -> RingReports {
    let memory = &Memory::default();
    let now = look.observed.now;
    let mut begun = ring_reports(&look.plan, &BTreeMap::new(), memory, now, covers);
    let releases = begun.values_mut().flat_map(BTreeMap::values_mut);
    for ring in releases.flat_map(BTreeMap::values_mut) {
        (ring.in_sync_seconds, ring.has_soaked) = (None, false);
    }
    begun
}

/// The rings that are known to have no nodes in a site, as if they had soaked: another site
/// may not know that, and wait for this one.
fn without_nodes(
    rollout: &PlannedRollout,
    covers: impl Fn(&NodeId) -> bool,
) -> BTreeMap<RingName, RingReport> {
    if rollout.doubt.is_some() {
        return BTreeMap::new();
    }
    let elsewhere = rollout.rings.iter();
    let elsewhere = elsewhere.filter(|ring| !ring.nodes.iter().any(&covers));
    let elsewhere = elsewhere.filter_map(|ring| Some((ring.name.as_ref()?, ring.soak_seconds)));
    let soaks = &rollout.without_nodes;
    let soaks = soaks.iter().map(|(name, soak)| (name, *soak));
    let report = |(name, soak): (&RingName, u64)| {
        let report = RingReport {
            in_sync_seconds: Some(soak),
            has_soaked: true,
            ..RingReport::default()
        };
        (name.clone(), report)
    };
    elsewhere.chain(soaks).map(report).collect()
}
