//! Where a release of an order is, and where not: by ring, and by site in it.
//!
//! A node is in sync where everything that the order wants on it of this release is known to
//! be as it should be. What is not known, because a node does not answer or a storage has
//! no directory, is out of sync.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{StepId, StepKind};
use crate::model::{
    NodeId, NodeTraits, OrderId, PositionRef, Release, RingName, Rollout, SiteName, TalosVersion,
};
use crate::plan::desired::PositionWant;
use crate::plan::stage::StageInput;
use crate::plan::step::Plan;
use crate::plan::wanted::WantedBy;

/// A release of an order with rings.
pub(super) struct ReleaseSpread<'a> {
    pub order: &'a OrderId,
    pub release: Release,
    pub version: &'a TalosVersion,
    pub rollout: &'a Rollout,
    /// Its rings, and after them the nodes that no ring covers.
    pub rings: Vec<RingSpread>,
    /// Why it is not known which nodes it is for, if that is so.
    pub doubt: Option<String>,
}

/// The nodes of a ring.
#[derive(Default)]
pub(super) struct RingSpread {
    /// Those that this run is for, by their site.
    pub parts: BTreeMap<Option<SiteName>, SitePart>,
    /// Those of other sites; none of a site where only its controllers know them.
    pub elsewhere: BTreeMap<SiteName, BTreeSet<NodeId>>,
    /// It has nodes elsewhere whose site is not known.
    pub is_lost: bool,
}

/// The nodes that a ring has in a site.
#[derive(Default)]
pub(super) struct SitePart {
    pub nodes: BTreeSet<NodeId>,
    pub out_of_sync: BTreeSet<NodeId>,
}

impl RingSpread {
    /// It has no nodes at all.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.elsewhere.is_empty() && !self.is_lost
    }

    /// The nodes that this run is for are in no other sites.
    pub(super) fn are_within(&self, sites: &BTreeSet<SiteName>) -> bool {
        self.parts.keys().flatten().all(|site| sites.contains(site))
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.parts.values().flat_map(|part| &part.nodes)
    }

    pub(super) fn out_of_sync(&self) -> impl Iterator<Item = &NodeId> {
        self.parts.values().flat_map(|part| &part.out_of_sync)
    }
}

/// The releases of all orders with rings, and to which of them a position belongs.
#[derive(Default)]
pub(super) struct Spreads<'a> {
    pub all: Vec<ReleaseSpread<'a>>,
    pub of_position: BTreeMap<&'a PositionRef, usize>,
}

impl<'a> Spreads<'a> {
    /// The rollout of an order, if it has rings.
    pub(super) fn rollout(input: &'a StageInput<'_>, order: &OrderId) -> Option<&'a Rollout> {
        let own = input.desired.rollouts.get(order);
        let rollout = own.unwrap_or(&input.policy.rollout);
        (!rollout.rings.is_empty()).then_some(rollout)
    }

    /// What is there and what is not, by what the stages before this one planned.
    pub(super) fn of(input: &'a StageInput<'_>, plan: &Plan) -> Self {
        let desired = input.desired;
        let has_rings = !input.policy.rollout.rings.is_empty()
            || desired.rollouts.values().any(|one| !one.rings.is_empty());
        let mut spreads = Self::default();
        if !has_rings {
            return spreads;
        }
        let wants = || desired.positions.iter().chain(&desired.elsewhere);
        let resolved = wants().filter_map(|want| {
            let rollout = Self::rollout(input, &want.position.order)?;
            Some((want, rollout, want.outcome.as_ref().ok()?))
        });
        let resolved: Vec<_> = resolved.collect();
        let mut releases: BTreeMap<(&OrderId, Release), (&Rollout, &TalosVersion)> =
            BTreeMap::new();
        for (want, rollout, resolved) in &resolved {
            let release = (&want.position.order, Release::of(&resolved.download));
            releases.insert(release, (*rollout, &resolved.version));
        }
        let spread = |((order, release), (rollout, version)): (_, (&'a Rollout, _))| {
            let rings = (0..=rollout.rings.len()).map(|_| RingSpread::default());
            ReleaseSpread {
                order,
                release,
                version,
                rollout,
                rings: rings.collect(),
                doubt: doubt(input, order),
            }
        };
        spreads.all = releases.into_iter().map(spread).collect();
        for (want, _, resolved) in &resolved {
            let release = (&want.position.order, Release::of(&resolved.download));
            let of_spread = |spread: &ReleaseSpread<'a>| (spread.order, spread.release.clone());
            let found = spreads.all.binary_search_by_key(&release, of_spread);
            let Ok(at) = found else { continue };
            spreads.all[at].add_elsewhere(input, want);
            spreads.of_position.insert(&want.position, at);
        }
        spreads.read(input, plan);
        spreads
    }

    /// What is in sync, and what is not.
    fn read(&mut self, input: &StageInput<'_>, plan: &Plan) {
        let in_sync: BTreeSet<&StepId> = plan.in_sync.iter().collect();
        for (target, files) in &input.desired.placed {
            for (file, placed) in files {
                let id = StepId::push(target, file);
                let id = plan.shared.get(&id).unwrap_or(&id);
                let is_there = in_sync.contains(id);
                self.add(input, &target.node, &placed.wanted_by, is_there);
            }
        }
        for want in &input.desired.positions {
            let unplaced = want.outcome.iter().flat_map(|resolved| &resolved.unplaced);
            for one in unplaced {
                let wanted_by = WantedBy::one(want.position.clone());
                self.add(input, &one.target.node, &wanted_by, false);
            }
        }
        let steps = plan.steps.iter().map(|step| (&step.id, &step.wanted_by));
        let blocked = plan.blocked.iter();
        let blocked = blocked.map(|blocked| (&blocked.id, &blocked.wanted_by));
        for (id, wanted_by) in steps.chain(blocked) {
            let is_template = matches!(
                id.kind(),
                Some(StepKind::CreateTemplate | StepKind::SwitchTemplate)
            );
            if let Some(node) = id.node().filter(|_| is_template) {
                self.add(input, &node, wanted_by, false);
            }
        }
    }

    fn add(
        &mut self,
        input: &StageInput<'_>,
        node: &NodeId,
        wanted_by: &WantedBy,
        is_in_sync: bool,
    ) {
        for position in wanted_by.iter() {
            if let Some(at) = self.of_position.get(position) {
                self.all[*at].add(input, node, is_in_sync);
            }
        }
    }
}

impl ReleaseSpread<'_> {
    /// The rings without nodes, with how long they soak.
    pub(super) fn without_nodes(&self) -> BTreeMap<RingName, u64> {
        let rings = self.rollout.rings.iter().zip(&self.rings);
        let empty = rings.filter(|(_, nodes)| nodes.is_empty());
        empty
            .map(|(ring, _)| (ring.name.clone(), ring.soak_seconds))
            .collect()
    }

    /// The ring of a node.
    pub(super) fn ring_of(&self, input: &StageInput<'_>, node: &NodeId) -> usize {
        match input.desired.traits.get(node) {
            Some(traits) => self.rollout.ring_of(traits),
            None => self.rollout.rings.len(),
        }
    }

    fn add(&mut self, input: &StageInput<'_>, node: &NodeId, is_in_sync: bool) {
        let ring = self.ring_of(input, node);
        let site = input
            .desired
            .traits
            .get(node)
            .and_then(|node| node.site.clone());
        let part = self.rings[ring].parts.entry(site).or_default();
        part.nodes.insert(node.clone());
        if !is_in_sync {
            part.out_of_sync.insert(node.clone());
        }
    }

    fn add_elsewhere(&mut self, input: &StageInput<'_>, want: &PositionWant) {
        let desired = input.desired;
        let unknown = NodeTraits::default();
        let nodes = want.elsewhere.iter();
        let nodes = nodes.map(|node| (desired.traits.get(node), Some(node)));
        let clusters = want.elsewhere_awaited.iter();
        let clusters = clusters.map(|name| (desired.cluster_traits.get(name), None));
        for (traits, node) in nodes.chain(clusters) {
            let traits = traits.unwrap_or(&unknown);
            let ring = &mut self.rings[self.rollout.ring_of(traits)];
            match &traits.site {
                Some(site) => {
                    let known = ring.elsewhere.entry(site.clone()).or_default();
                    known.extend(node.cloned());
                }
                None => ring.is_lost = true,
            }
        }
    }
}

/// Why it is not known which nodes the releases of an order are for, if that is so.
fn doubt(input: &StageInput<'_>, order: &OrderId) -> Option<String> {
    let desired = input.desired;
    if desired.partial.contains(order) {
        return Some("the order has a position that is invalid".to_owned());
    }
    let here = desired.positions.iter().map(|want| (want, true));
    let others = desired.elsewhere.iter().map(|want| (want, false));
    let mut wants = here
        .chain(others)
        .filter(|(want, _)| want.position.order == *order);
    wants.find_map(|(want, is_here)| match &want.outcome {
        Err(_) => Some(format!(
            "position {} could not be resolved",
            want.position.name
        )),
        Ok(resolved) if is_here && !resolved.awaited.is_empty() => {
            let position = &want.position.name;
            Some(format!("not all nodes of position {position} are known"))
        }
        Ok(_) => None,
    })
}
