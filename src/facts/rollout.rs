//! How far images have gone through the rings of their orders, and what operators said.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{OrderId, Release, RingName, SiteName};

/// What is remembered of a release of an order. Losing it costs time: rings soak again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutMemory {
    /// The rings, by name.
    pub rings: BTreeMap<RingName, RingMemory>,
    /// The nodes that no ring covers may have it.
    pub is_rest_open: bool,
    /// The sites that those were in then, as far as they are in any.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub rest_sites: BTreeSet<SiteName>,
    /// [`RolloutInstruction::restarts`] as of then: after another one no ring has begun.
    pub restarts: u64,
}

/// What is remembered of a ring of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RingMemory {
    /// Since when this controller's part of it has been in sync without a break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_sync_since: Option<Timestamp>,
    /// The sites that this part was in then, as far as its nodes are in any.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub sites: BTreeSet<SiteName>,
    /// It has begun: what is repaired in it later waits for no other ring.
    pub is_open: bool,
}

/// What operators said of the rollouts of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RolloutInstruction {
    /// No further ring begins.
    pub is_paused: bool,
    /// Nothing more of these releases is delivered.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub stopped: BTreeSet<Release>,
    /// These rings begin at once, for these releases: with `None`, all of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub promoted: BTreeMap<Release, Promotion>,
    /// How often these releases were promoted after a stop. Rings that had begun before begin
    /// anew, also where no run saw the stop.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub restarts: BTreeMap<Release, u64>,
}

/// How far a release is promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Promotion {
    /// To every ring.
    Everywhere,
    /// To this ring and those before it.
    UpTo(RingName),
}

/// How far releases of orders are promoted.
pub type Promotions = BTreeMap<OrderId, BTreeMap<Release, Promotion>>;

/// What an operator changes of the rollouts of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutChange {
    /// No further ring begins.
    Pause,
    /// A pause ends.
    Resume,
    /// Rings begin at once, and what was stopped goes on.
    Promote {
        /// For these releases.
        releases: BTreeSet<Release>,
        /// Which rings.
        to: Promotion,
    },
    /// Nothing more of these releases is delivered.
    Stop(BTreeSet<Release>),
    /// These promotions are over, as far as they are still the same: the order does not want
    /// the releases any more.
    EndPromotions(BTreeMap<Release, Promotion>),
}

impl RolloutInstruction {
    /// How often a release was promoted after a stop.
    pub fn restarts(&self, release: &Release) -> u64 {
        self.restarts.get(release).copied().unwrap_or_default()
    }

    /// Changes it; false where it says so already.
    pub fn change(&mut self, change: &RolloutChange) -> bool {
        let before = self.clone();
        match change {
            RolloutChange::Pause => self.is_paused = true,
            // What is stopped stays so: a pause that ends after maintenance must not
            // deliver an image that somebody stopped because it was bad.
            RolloutChange::Resume => self.is_paused = false,
            RolloutChange::Promote { releases, to } => {
                for release in releases {
                    if self.stopped.remove(release) {
                        *self.restarts.entry(release.clone()).or_default() += 1;
                    }
                    self.promoted.insert(release.clone(), to.clone());
                }
            }
            RolloutChange::Stop(releases) => {
                self.stopped.extend(releases.iter().cloned());
                self.promoted
                    .retain(|release, _| !releases.contains(release));
            }
            RolloutChange::EndPromotions(over) => {
                self.promoted
                    .retain(|release, to| over.get(release) != Some(to));
            }
        }
        *self != before
    }
}

/// An instruction of the store of a fleet as it was read last, and was valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadInstruction {
    /// What it says.
    #[serde(flatten)]
    pub said: RolloutInstruction,
    /// When it was written, by the clock of who wrote it: an earlier one is not believed.
    pub written: Timestamp,
}

/// What is known of what operators said of rollouts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownInstructions {
    /// What they said; where that cannot be read now, what they had said when it was read
    /// last.
    pub orders: BTreeMap<OrderId, RolloutInstruction>,
    /// Why it cannot be read now. What it says may be about any order: all rollouts count
    /// as paused.
    pub unreadable: Option<String>,
    /// The orders whose own instruction cannot be read now: their rollouts count as paused.
    pub unreadable_orders: BTreeSet<OrderId>,
    /// The instructions of the store as they were read last, those that are gone too.
    pub read: BTreeMap<OrderId, ReadInstruction>,
}

impl KnownInstructions {
    /// What is to be kept to for these orders, and for those with instructions.
    pub fn over<'a>(
        &self,
        orders: impl IntoIterator<Item = &'a OrderId>,
    ) -> BTreeMap<OrderId, RolloutInstruction> {
        let mut all = self.orders.clone();
        if self.unreadable.is_some() {
            for order in orders {
                all.entry(order.clone()).or_default();
            }
            for instruction in all.values_mut() {
                instruction.is_paused = true;
            }
        }
        all
    }

    /// What counts as paused because it cannot be read, for the user.
    pub fn troubles(&self) -> Vec<String> {
        let all = self.unreadable.iter();
        let all = all.map(|why| format!("{why}; every rollout counts as paused"));
        let orders = self.unreadable_orders.iter().map(|order| {
            format!(
                "v1/rollouts/{order}.json in the store cannot be read; the rollouts of order \
                 {order} count as paused"
            )
        });
        all.chain(orders).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn releases(names: &[&str]) -> BTreeSet<Release> {
        let release = |name: &&str| format!("image/id/{name}/a.iso").parse().unwrap();
        names.iter().map(release).collect()
    }

    fn promote(names: &[&str], to: Promotion) -> RolloutChange {
        let releases = releases(names);
        RolloutChange::Promote { releases, to }
    }

    #[test]
    fn a_stop_ends_a_promotion_and_a_promotion_ends_a_stop() {
        let mut said = RolloutInstruction::default();
        assert!(said.change(&promote(&["v1", "v2"], Promotion::Everywhere)));
        assert!(said.change(&RolloutChange::Stop(releases(&["v1"]))));
        assert_eq!(said.stopped, releases(&["v1"]));
        assert_eq!(
            Vec::from_iter(said.promoted.keys().cloned()),
            Vec::from_iter(releases(&["v2"]))
        );
        let ring = Promotion::UpTo("canary".parse().unwrap());
        assert!(said.change(&promote(&["v1"], ring.clone())));
        assert!(!said.change(&promote(&["v1"], ring)));
        assert_eq!(said.stopped, releases(&[]));
        assert_eq!(said.promoted.len(), 2);
    }

    #[test]
    fn each_promotion_after_a_stop_is_counted_and_the_end_of_one_forgets_none() {
        let mut said = RolloutInstruction::default();
        let v1 = releases(&["v1"]).pop_first().unwrap();
        let everywhere = || promote(&["v1"], Promotion::Everywhere);
        said.change(&everywhere());
        assert_eq!(said.restarts(&v1), 0);
        for restarts in 1..3 {
            said.change(&RolloutChange::Stop(releases(&["v1"])));
            said.change(&RolloutChange::Stop(releases(&["v1"])));
            said.change(&everywhere());
            said.change(&promote(
                &["v1"],
                Promotion::UpTo("canary".parse().unwrap()),
            ));
            assert_eq!(said.restarts(&v1), restarts);
        }
        let over = said.promoted.clone();
        said.change(&RolloutChange::EndPromotions(over));
        assert_eq!((said.promoted.len(), said.restarts(&v1)), (0, 2));
    }

    #[test]
    fn only_the_promotion_that_is_over_ends_and_no_stop_does() {
        let mut said = RolloutInstruction::default();
        said.change(&RolloutChange::Stop(releases(&["v1"])));
        said.change(&promote(&["v2", "v3"], Promotion::Everywhere));
        let over = |to: &Promotion| {
            let over = releases(&["v1", "v2"]).into_iter();
            RolloutChange::EndPromotions(over.map(|release| (release, to.clone())).collect())
        };
        // Somebody promoted it to another ring meanwhile.
        assert!(!said.change(&over(&Promotion::UpTo("canary".parse().unwrap()))));
        assert!(said.change(&over(&Promotion::Everywhere)));
        assert_eq!(said.stopped, releases(&["v1"]));
        assert_eq!(
            Vec::from_iter(said.promoted.into_keys()),
            Vec::from_iter(releases(&["v3"]))
        );
    }

    #[test]
    fn the_end_of_a_pause_is_not_the_end_of_a_stop() {
        let mut said = RolloutInstruction::default();
        said.change(&RolloutChange::Stop(releases(&["v1"])));
        assert!(said.change(&RolloutChange::Pause));
        assert!(!said.change(&RolloutChange::Pause));
        assert!(said.change(&RolloutChange::Resume));
        assert_eq!((said.is_paused, said.stopped), (false, releases(&["v1"])));
    }

    #[test]
    fn what_cannot_be_read_pauses_all_and_ends_no_stop() {
        let (web, db): (OrderId, OrderId) = ("web".parse().unwrap(), "db".parse().unwrap());
        let mut said = RolloutInstruction::default();
        said.change(&RolloutChange::Stop(releases(&["v1"])));
        let mut known = KnownInstructions {
            orders: BTreeMap::from([(web.clone(), said)]),
            ..KnownInstructions::default()
        };
        assert_eq!(known.over([&web, &db]), known.orders);
        assert_eq!(known.troubles(), [""; 0]);
        known.unreadable = Some("garbage".to_owned());
        let all = known.over([&web, &db]);
        assert!(all[&web].is_paused && all[&db].is_paused);
        assert_eq!(all[&web].stopped, releases(&["v1"]));
    }
}
