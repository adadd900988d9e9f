//! Rings at random, what nodes are called for them, and what operators say.

use std::collections::{BTreeMap, BTreeSet};

use super::{FleetWorld, Happening, SECOND, WorldSize};
use crate::app::Instructions;
use crate::facts::{Promotion, ReadInstruction, RolloutChange, RolloutInstruction};
use crate::model::{
    MaxUnavailable, NodeTraits, OrderId, Release, Ring, RingName, RingNodes, Rollout, SiteName,
};

const LABELS: [&str; 3] = ["canary", "rack-a", "rack-b"];

/// The rings of a fleet.
pub(super) struct WorldRings {
    /// For orders without rings of their own.
    pub common: Rollout,
    /// Of each node.
    labels: Vec<BTreeSet<String>>,
    /// Some nodes of a ring may be out of sync. Nothing is lost on nodes then: which of them
    /// were out of sync together would be known to nobody.
    pub may_lack: bool,
}

/// The name of a site.
pub(super) fn site_name(site: usize) -> SiteName {
    format!("site-{site}").parse().unwrap()
}

impl WorldRings {
    pub(super) fn new(random: &mut fastrand::Rng, size: WorldSize) -> Self {
        let mut labels = || {
            let own = LABELS.iter().filter(|_| random.u8(0..3) == 0);
            own.map(|label| (*label).to_owned()).collect()
        };
        let labels = (0..size.sites * size.nodes).map(|_| labels());
        let mut rings = Self {
            labels: labels.collect(),
            common: Rollout::default(),
            may_lack: random.u8(0..3) == 0,
        };
        rings.common = rings.rollout(random, size);
        rings
    }

    fn rollout(&self, random: &mut fastrand::Rng, size: WorldSize) -> Rollout {
        if !size.has_rings {
            return Rollout::default();
        }
        let rings = (0..random.usize(2..=3)).map(|at| {
            let covers = match random.bool() {
                true => {
                    let sites = (0..=random.usize(0..2)).map(|_| random.usize(0..size.sites));
                    RingNodes::Sites(sites.map(site_name).collect())
                }
                false => {
                    let label = LABELS[random.usize(0..LABELS.len())];
                    RingNodes::Labels([label.to_owned()].into())
                }
            };
            let max_unavailable = match random.u8(0..3) {
                0 if self.may_lack => MaxUnavailable::Percent(50),
                1 if self.may_lack => MaxUnavailable::Count(1),
                _ => MaxUnavailable::Count(0),
            };
            Ring {
                name: ring_name(at),
                covers,
                max_unavailable,
                soak_seconds: [0, 0, 20, 60, 150][random.usize(0..5)],
                is_manual: random.u8(0..6) == 0,
            }
        });
        Rollout {
            rings: rings.collect(),
        }
    }

    /// The rings that an order has of its own.
    pub(super) fn of_order(&self, random: &mut fastrand::Rng, size: WorldSize) -> Option<Rollout> {
        match random.u8(0..6) {
            0 | 1 => Some(self.rollout(random, size)),
            2 => Some(Rollout::default()),
            _ => None,
        }
    }

    pub(super) fn traits(&self, node: usize, size: WorldSize) -> NodeTraits {
        NodeTraits {
            site: Some(site_name(node / size.nodes)),
            labels: self.labels[node].clone(),
        }
    }

    /// The ring of a node: the first one that covers it, or else the one after all of them.
    pub(super) fn ring_of(&self, rollout: &Rollout, node: usize, site: usize) -> usize {
        let mut rings = rollout.rings.iter();
        let found = rings.position(|ring| match &ring.covers {
            RingNodes::Sites(sites) => sites.contains(&site_name(site)),
            RingNodes::Labels(labels) => labels.iter().any(|one| self.labels[node].contains(one)),
        });
        found.unwrap_or(rollout.rings.len())
    }
}

fn ring_name(ring: usize) -> RingName {
    format!("ring-{ring}").parse().unwrap()
}

impl FleetWorld {
    /// An operator says something of the rollouts of an order, on the machine of some
    /// controller.
    pub(super) fn operates(&mut self) {
        if !self.is_trouble() {
            return;
        }
        let next = self.random.u64(20 * SECOND..150 * SECOND);
        self.after(next, Happening::Operates);
        let wanted = &self.revisions[self.revision()].releases;
        let orders: BTreeSet<&OrderId> = wanted.keys().map(|(order, _)| order).collect();
        let Some(order) = self.random.choice(orders).cloned() else {
            return;
        };
        let releases = self.releases(&order);
        let change = match self.random.u8(0..10) {
            0 | 1 => RolloutChange::Pause,
            2..=4 => RolloutChange::Resume,
            5 | 6 => RolloutChange::Stop(releases),
            at => {
                let to = match at {
                    7 => Promotion::Everywhere,
                    _ => Promotion::UpTo(ring_name(self.random.usize(0..3))),
                };
                RolloutChange::Promote { releases, to }
            }
        };
        let at = self.random.usize(0..self.controllers.len());
        self.instruct(at, &order, &change);
    }

    /// The images that an order wants now.
    fn releases(&self, order: &OrderId) -> BTreeSet<Release> {
        let wanted = self.revisions[self.revision()].releases.keys();
        let of_order = wanted.filter(|(of, _)| of == order);
        of_order.map(|(_, release)| release.clone()).collect()
    }

    /// Says it as the command does; true if it is in the store then, for all that is known.
    fn instruct(&mut self, at: usize, order: &OrderId, change: &RolloutChange) -> bool {
        let reports = self.controllers[at].store.reports();
        let read = reports.read_instructions();
        let is_known = read.contains_key(order) || self.said().contains_key(order);
        let mut expected = self.said_to(&read).remove(order).unwrap_or_default();
        let told = async { Instructions::Shared(reports).instruct(order, change).await };
        let (told, _) = self.asks(at, told);
        let Ok((_, told)) = told else {
            return false;
        };
        self.counts.instructed += 1;
        let said = self.said().remove(order).unwrap_or_default();
        assert_eq!(told, said, "{order}");
        // Nothing else of it is lost, also where it takes the place of what is not valid.
        expected.change(change, jiff::Timestamp::now());
        assert!(expected.restarted.keys().eq(told.restarted.keys()));
        expected.restarted.clone_from(&told.restarted);
        if is_known {
            assert_eq!(told, expected, "{order} after {change:?}");
        }
        true
    }

    /// What stands in the store of rollouts and is valid.
    pub(super) fn said(&self) -> BTreeMap<OrderId, RolloutInstruction> {
        let said = self.words().into_iter();
        said.filter_map(|(order, read)| Some((order, read?.said)))
            .collect()
    }

    /// The same with what is not.
    fn words(&self) -> BTreeMap<OrderId, Option<ReadInstruction>> {
        let objects = self.objects.copy();
        let words = objects.iter().filter_map(|(key, object)| {
            let order = key.strip_prefix("v1/rollouts/")?.strip_suffix(".json")?;
            let read = || serde_json::from_slice(&object.bytes).unwrap();
            Some((order.parse().unwrap(), (!object.is_forged).then(read)))
        });
        words.collect()
    }

    /// The same for a process that has read this before: whatever becomes of the store does
    /// not make it forget, and begins nothing for it.
    pub(super) fn said_to(
        &self,
        read: &BTreeMap<OrderId, ReadInstruction>,
    ) -> BTreeMap<OrderId, RolloutInstruction> {
        let words = self.words();
        let mut orders: BTreeSet<&OrderId> = words.keys().collect();
        orders.extend(read.keys());
        let said = orders.into_iter().map(|order| {
            let (word, read) = (words.get(order), read.get(order));
            let is_newest =
                |word: &ReadInstruction| read.is_none_or(|it| word.written >= it.written);
            let said = match word {
                Some(Some(word)) if is_newest(word) => word.said.clone(),
                None if read.is_none_or(|read| read.said == RolloutInstruction::default()) => {
                    RolloutInstruction::default()
                }
                Some(_) | None => RolloutInstruction {
                    is_paused: true,
                    ..read.map(|read| read.said.clone()).unwrap_or_default()
                },
            };
            (order.clone(), said)
        });
        said.collect()
    }

    /// The trouble is over: operators let everything go on, and promote the images of the
    /// last orders as far as nobody else can.
    pub(super) fn settles(&mut self) {
        let wanted = self.revisions[self.revision()].releases.keys();
        let orders: BTreeSet<OrderId> = wanted.map(|(order, _)| order.clone()).collect();
        for order in orders {
            let releases = self.releases(&order);
            let rings = &self.rollout(self.revision(), &order).rings;
            let last = rings.iter().rposition(|ring| ring.is_manual).unwrap_or(0);
            let (resume, to) = (RolloutChange::Resume, Promotion::UpTo(ring_name(last)));
            assert!(self.instruct(0, &order, &resume));
            let is_stopped = |said: RolloutInstruction| !said.stopped.is_disjoint(&releases);
            let is_stopped = self.said().remove(&order).is_some_and(is_stopped);
            let rings = &self.rollout(self.revision(), &order).rings;
            if is_stopped || rings.iter().any(|ring| ring.is_manual) {
                let promote = RolloutChange::Promote { releases, to };
                assert!(self.instruct(0, &order, &promote));
            }
        }
    }

    /// The rings of an order.
    pub(super) fn rollout(&self, revision: usize, order: &OrderId) -> &Rollout {
        let own = self.revisions[revision].rollouts.get(order);
        own.unwrap_or(&self.rings.common)
    }
}
