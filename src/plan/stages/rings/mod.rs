//! What waits because images go ring by ring.
//!
//! A ring begins once every ring before it has the release and has soaked. What it brings
//! to nodes are pushes and what follows from them, making a template and switching to it.
//! Downloads and unpacking change no node, so a push begins with its image at hand. A
//! removal of what is replaced needs the push, and waits with it.
//!
//! What several orders want goes as soon as one of them may have it. The same holds for a
//! storage or a template that nodes of several rings share.

mod progress;
mod spread;

use std::collections::BTreeMap;

use self::progress::{Progress, RingWait};
use self::spread::Spreads;
use crate::facts::StepId;
use crate::model::{NodeId, PositionRef};
use crate::plan::blocked::BlockedReason;
use crate::plan::rollout::PlannedRollout;
use crate::plan::stage::StageInput;
use crate::plan::step::{Action, Plan, Step};
use crate::plan::wanted::WantedBy;

/// The rings that have not begun.
pub(super) struct ClosedRings<'a> {
    input: &'a StageInput<'a>,
    spreads: Spreads<'a>,
    /// Of each release, what its rings wait for.
    waits: Vec<Vec<Option<RingWait>>>,
    /// The deliveries that a step makes for other nodes of its storage as well.
    shared: BTreeMap<StepId, Vec<StepId>>,
    /// The nodes that share a template, by the steps that may make it.
    seats: BTreeMap<StepId, Vec<&'a NodeId>>,
}

impl<'a> ClosedRings<'a> {
    /// The rings by what is planned before anything waits, and what is told of them.
    pub(super) fn of(input: &'a StageInput<'a>, plan: &Plan) -> (Self, Vec<PlannedRollout>) {
        let spreads = Spreads::of(input, plan);
        let mut waits = Vec::new();
        let mut planned = Vec::new();
        for spread in &spreads.all {
            let progress = Progress::of(input, spread);
            waits.push(progress.waits);
            planned.extend((!progress.rings.is_empty()).then(|| PlannedRollout {
                order: spread.order.clone(),
                release: spread.release.clone(),
                version: spread.version.clone(),
                doubt: spread.doubt.clone(),
                rings: progress.rings,
            }));
        }
        let mut shared: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
        let mut seats = BTreeMap::new();
        if !spreads.all.is_empty() {
            for (own, made) in &plan.shared {
                shared.entry(made.clone()).or_default().push(own.clone());
            }
            for (place, wanted) in &input.desired.templates {
                let nodes: Vec<&NodeId> = wanted.nodes.keys().collect();
                for node in &nodes {
                    seats.insert(StepId::create_template(node, &place.name), nodes.clone());
                    seats.insert(StepId::switch_template(node, &place.name), nodes.clone());
                }
            }
        }
        let closed = Self {
            input,
            spreads,
            waits,
            shared,
            seats,
        };
        (closed, planned)
    }

    /// Why a step waits for its ring, if it does.
    pub(super) fn hold(&self, step: &Step) -> Option<BlockedReason> {
        if self.spreads.all.is_empty() || !brings(&step.action) {
            return None;
        }
        let mut first: Option<&RingWait> = None;
        for (node, positions) in self.served(step) {
            for position in positions.iter() {
                let wait = self.wait(&node, position)?;
                let is_first = first.is_none_or(|first| wait.ends_before(first));
                first = if is_first { Some(wait) } else { first };
            }
        }
        first.map(RingWait::reason)
    }

    /// For what a position waits on a node; `None` if it may go there.
    fn wait(&self, node: &NodeId, position: &PositionRef) -> Option<&RingWait> {
        let at = *self.spreads.of_position.get(position)?;
        let ring = self.spreads.all[at].ring_of(self.input, node);
        self.waits[at][ring].as_ref()
    }

    /// The nodes that a step is for, with the positions that want it there.
    fn served(&self, step: &Step) -> Vec<(NodeId, WantedBy)> {
        if let Some(nodes) = self.seats.get(&step.id) {
            let nodes = nodes.iter();
            return nodes
                .map(|node| ((*node).clone(), step.wanted_by.clone()))
                .collect();
        }
        let own = step.id.node().map(|node| (node, step.wanted_by.clone()));
        let others = self.shared.get(&step.id).into_iter().flatten();
        let others = others.filter_map(|id| {
            let (target, file) = id.path()?;
            let placed = self.input.desired.placed.get(&target)?.get(&file)?;
            Some((target.node, placed.wanted_by.clone()))
        });
        own.into_iter().chain(others).collect()
    }
}

/// True for what rings hold.
const fn brings(action: &Action) -> bool {
    match action {
        Action::Push { .. } | Action::CreateTemplate(_) | Action::SwitchTemplate(_) => true,
        Action::Register { .. }
        | Action::Fetch { .. }
        | Action::Unpack { .. }
        | Action::PruneCache { .. }
        | Action::ClearPartial { .. }
        | Action::PruneNode { .. }
        | Action::ClearPart { .. }
        | Action::RemoveTemplate { .. }
        | Action::VerifyNode { .. }
        | Action::VerifyCache { .. } => false,
    }
}
