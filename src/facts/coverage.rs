//! The part of a memory that is about some nodes.
//!
//! A controller of a fleet works on the nodes of the sites that it leads at the moment. What
//! it remembers of the others is nothing that a run could go by, and must not be lost.

use std::collections::BTreeMap;

use super::memory::Memory;
use super::step_id::StepId;
use crate::model::NodeId;

impl Memory {
    /// Divides it into what a run over these nodes knows, and what is remembered of others.
    #[must_use]
    pub fn divided(self, covers: impl Fn(&NodeId) -> bool) -> (Self, Self) {
        let covers = &covers;
        let (unwanted_since, other_unwanted) = by_step(self.unwanted_since, covers);
        let (backoff, other_backoff) = by_step(self.backoff, covers);
        let (verified, other_verified) = by_step(self.verified, covers);
        let (circuits, other_circuits) = by_node(self.circuits, covers);
        let (places, other_places) = by_node(self.places, covers);
        let (storages, other_storages) = by_node(self.storages, covers);
        let (templates, other_templates) = by_node(self.templates, covers);
        let (links, other_links) = by_node(self.links, covers);
        let (detours, other_detours) = by_node(self.detours, covers);
        let others = Self {
            unwanted_since: other_unwanted,
            backoff: other_backoff,
            verified: other_verified,
            circuits: other_circuits,
            places: other_places,
            storages: other_storages,
            templates: other_templates,
            links: other_links,
            detours: other_detours,
            ..Self::default()
        };
        let covered = Self {
            unwanted_since,
            backoff,
            verified,
            circuits,
            places,
            storages,
            templates,
            links,
            detours,
            ..self
        };
        (covered, others)
    }

    /// The same with what is remembered of other nodes.
    #[must_use]
    pub fn with_others(mut self, others: Self) -> Self {
        self.unwanted_since.extend(others.unwanted_since);
        self.backoff.extend(others.backoff);
        self.verified.extend(others.verified);
        self.circuits.extend(others.circuits);
        self.places.extend(others.places);
        self.storages.extend(others.storages);
        self.templates.extend(others.templates);
        self.links.extend(others.links);
        self.detours.extend(others.detours);
        self
    }
}

fn by_node<T>(
    all: BTreeMap<NodeId, T>,
    covers: impl Fn(&NodeId) -> bool,
) -> (BTreeMap<NodeId, T>, BTreeMap<NodeId, T>) {
    all.into_iter().partition(|(node, _)| covers(node))
}

/// Steps that are on no node are those of every run.
fn by_step<T>(
    all: BTreeMap<StepId, T>,
    covers: impl Fn(&NodeId) -> bool,
) -> (BTreeMap<StepId, T>, BTreeMap<StepId, T>) {
    all.into_iter()
        .partition(|(step, _)| step.node().is_none_or(|node| covers(&node)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Backoff, KnownNode};
    use crate::model::{Node, Reach};
    use jiff::Timestamp;

    #[test]
    fn nothing_is_lost_between_two_parts() {
        let at = Timestamp::UNIX_EPOCH;
        let ids = ["a", "b"].map(|id| id.parse::<NodeId>().unwrap());
        let known = |id: &NodeId| KnownNode {
            node: Node {
                id: id.clone(),
                reach: Reach::Local,
            },
            dirs: ["/srv".parse().unwrap()].into(),
        };
        let circuit = Backoff {
            failures: 1,
            until: at,
            error: "no route".to_owned(),
            lasting: None,
        };
        let file = "x.iso".parse().unwrap();
        let on = |id: &NodeId| {
            let target = crate::model::PushTarget {
                node: id.clone(),
                dir: "/srv".parse().unwrap(),
            };
            StepId::prune_node(&target, &file)
        };
        let memory = Memory {
            unwanted_since: [on(&ids[0]), on(&ids[1]), StepId::prune_cache(&file)]
                .map(|step| (step, at))
                .into(),
            circuits: ids.clone().map(|id| (id, circuit.clone())).into(),
            places: ids.clone().map(|id| (id.clone(), known(&id))).into(),
            ..Memory::default()
        };
        let (covered, others) = memory.clone().divided(|node| *node == ids[0]);
        assert_eq!(covered.unwanted_since.len(), 2);
        assert!(!covered.places.contains_key(&ids[1]));
        assert_eq!(others.places.len(), 1);
        assert_eq!(covered.with_others(others), memory);
    }
}
