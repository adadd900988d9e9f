//! The part of a memory that is about some nodes.
//!
//! A controller of a fleet works on the nodes of the sites that it leads at the moment. What
//! it remembers of the others is nothing that a run could go by, and must not be lost. Nor
//! can a run go by what is remembered of rings from before another controller led a site.

use std::collections::BTreeMap;

use super::memory::Memory;
use super::step_id::StepId;
use crate::model::{LeaderEpoch, NodeId, SiteName};

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

impl Memory {
    /// What a run knows that leads these sites under these epochs. Where another controller
    /// led one meanwhile, a ring with nodes in it may have been out of sync, and what it began
    /// may be over: it soaks again, and begins again. An epoch that follows at once is this
    /// controller's own, after a restart.
    #[must_use]
    pub fn led_under(mut self, epochs: BTreeMap<SiteName, LeaderEpoch>) -> Self {
        let was_led_by_another = |site: &SiteName| {
            let now = epochs.get(site);
            let before = self.led_epochs.get(site);
            now.is_some_and(|now| before.is_none_or(|it| *now != *it && *now != it.next()))
        };
        let taken: Vec<&SiteName> = epochs
            .keys()
            .filter(|site| was_led_by_another(site))
            .collect();
        if !taken.is_empty() {
            let releases = self.rollouts.values_mut();
            for release in releases.flat_map(|releases| releases.values_mut()) {
                // Where these nodes are is not remembered.
                release.is_rest_open = false;
                for ring in release.rings.values_mut() {
                    // Nor is it of a ring that had none here.
                    let is_in = taken.iter().any(|site| ring.sites.contains(*site));
                    if is_in || ring.sites.is_empty() {
                        ring.in_sync_since = None;
                        ring.is_open = false;
                    }
                }
            }
        }
        self.led_epochs.extend(epochs);
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
    use crate::facts::{Backoff, KnownNode, RingMemory, RolloutMemory};
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

    /// A ring in each of two sites that are led under epoch 3, both open and in sync.
    fn soaking() -> Memory {
        let ring = |site: &str| RingMemory {
            in_sync_since: Some(Timestamp::UNIX_EPOCH),
            sites: [site.parse().unwrap()].into(),
            is_open: true,
        };
        let rollout = RolloutMemory {
            rest_sites: std::collections::BTreeSet::default(),
            rings: ["brno", "prague"]
                .map(|site| (site.parse().unwrap(), ring(site)))
                .into(),
            is_rest_open: true,
            restarted: None,
        };
        let release = "image/00/v1.11.2/nocloud-amd64.iso".parse().unwrap();
        Memory {
            rollouts: [("lab".parse().unwrap(), [(release, rollout)].into())].into(),
            ..Memory::default()
        }
        .with_epochs(&[("brno", 3), ("prague", 3)])
    }

    impl Memory {
        fn with_epochs(mut self, led: &[(&str, u64)]) -> Self {
            self.led_epochs.extend(epochs(led));
            self
        }
    }

    fn epochs(led: &[(&str, u64)]) -> BTreeMap<SiteName, LeaderEpoch> {
        let epochs = led.iter();
        epochs
            .map(|(site, epoch)| (site.parse().unwrap(), LeaderEpoch::new(*epoch)))
            .collect()
    }

    #[test]
    fn rings_are_forgotten_where_another_controller_led_meanwhile() {
        let open = |led: &[(&str, u64)]| {
            let memory = soaking().led_under(epochs(led));
            assert_eq!(memory.led_epochs, soaking().with_epochs(led).led_epochs);
            let rollout = memory.rollouts.into_values().next().unwrap();
            let rollout = rollout.into_values().next().unwrap();
            let rings = rollout.rings.iter();
            let known = rings.filter(|(_, ring)| ring.is_open && ring.in_sync_since.is_some());
            let mut known: Vec<String> = known.map(|(name, _)| name.to_string()).collect();
            known.extend(rollout.is_rest_open.then(|| "rest".to_owned()));
            known
        };
        let all = ["brno", "prague", "rest"];
        assert_eq!(open(&[("brno", 3), ("prague", 3)]), all);
        assert_eq!(open(&[("brno", 4)]), all, "a restart");
        assert_eq!(open(&[("brno", 5), ("prague", 3)]), ["prague"]);
        assert_eq!(open(&[("brno", 2)]), ["prague"], "the store is older");
        assert_eq!(open(&[("olomouc", 1)]), ["brno", "prague"], "never led");
        // A look by hand leads nothing.
        assert_eq!(soaking().led_under(BTreeMap::new()), soaking());
    }
}
