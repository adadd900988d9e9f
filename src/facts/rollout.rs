//! How far images have gone through the rings of their orders, and what operators said.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
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
    /// [`RolloutInstruction::restarted`], the latest that a run went by: after a later one no
    /// ring has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarted: Option<Timestamp>,
}

impl RolloutMemory {
    /// An operator stopped and promoted the release after what this goes by: its rings begin
    /// anew. Where nothing says so any more, or only something earlier, none closes.
    pub fn begins_anew(&self, restarted: Option<Timestamp>) -> bool {
        self.restarted < restarted
    }
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
    /// When these releases were last promoted after a stop. Rings that had begun before begin
    /// anew, also where no run saw the stop. A count would come back where an earlier
    /// instruction takes the place of a later one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub restarted: BTreeMap<Release, Timestamp>,
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
    /// When a release was last promoted after a stop; `None` if it never was.
    pub fn restarted(&self, release: &Release) -> Option<Timestamp> {
        self.restarted.get(release).copied()
    }

    /// True if it says what counts without it.
    pub fn is_empty(&self) -> bool {
        !self.is_paused && self.stopped.is_empty() && self.promoted.is_empty()
    }

    /// Changes it; false where it says so already.
    pub fn change(&mut self, change: &RolloutChange, now: Timestamp) -> bool {
        let before = self.clone();
        match change {
            RolloutChange::Pause => self.is_paused = true,
            // What is stopped stays so: a pause that ends after maintenance must not
            // deliver an image that somebody stopped because it was bad.
            RolloutChange::Resume => self.is_paused = false,
            RolloutChange::Promote { releases, to } => {
                for release in releases {
                    if self.stopped.remove(release) {
                        let at = later(now, self.restarted(release));
                        self.restarted.insert(release.clone(), at);
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
                self.promoted.retain(|release, to| {
                    let is_over = over.get(release) == Some(to);
                    if is_over {
                        self.restarted.remove(release);
                    }
                    !is_over
                });
            }
        }
        *self != before
    }
}

/// Now, or just after the last one, where the clock went back.
fn later(now: Timestamp, last: Option<Timestamp>) -> Timestamp {
    let after = last.map(|last| last.saturating_add(SignedDuration::from_nanos(1)));
    let after = after.and_then(Result::ok);
    after.map_or(now, |after| after.max(now))
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

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn change(said: &mut RolloutInstruction, change: &RolloutChange) -> bool {
        said.change(change, at(1))
    }

    #[test]
    fn a_stop_ends_a_promotion_and_a_promotion_ends_a_stop() {
        let mut said = RolloutInstruction::default();
        assert!(change(
            &mut said,
            &promote(&["v1", "v2"], Promotion::Everywhere)
        ));
        assert!(change(&mut said, &RolloutChange::Stop(releases(&["v1"]))));
        assert_eq!(said.stopped, releases(&["v1"]));
        assert_eq!(
            Vec::from_iter(said.promoted.keys().cloned()),
            Vec::from_iter(releases(&["v2"]))
        );
        let ring = Promotion::UpTo("canary".parse().unwrap());
        assert!(change(&mut said, &promote(&["v1"], ring.clone())));
        assert!(!change(&mut said, &promote(&["v1"], ring)));
        assert_eq!(said.stopped, releases(&[]));
        assert_eq!(said.promoted.len(), 2);
    }

    #[test]
    fn a_promotion_after_a_stop_is_later_than_any_before_also_where_the_clock_went_back() {
        let mut said = RolloutInstruction::default();
        let v1 = releases(&["v1"]).pop_first().unwrap();
        let everywhere = promote(&["v1"], Promotion::Everywhere);
        said.change(&everywhere, at(1));
        assert_eq!(said.restarted(&v1), None);
        let mut last = None;
        for now in [at(9), at(5), at(5), at(20)] {
            said.change(&RolloutChange::Stop(releases(&["v1"])), now);
            said.change(&RolloutChange::Stop(releases(&["v1"])), now);
            said.change(&everywhere, now);
            let restarted = said.restarted(&v1);
            assert!(restarted > last && restarted >= Some(now), "{restarted:?}");
            // Only a stop makes the next one another beginning.
            said.change(
                &promote(&["v1"], Promotion::UpTo("a".parse().unwrap())),
                at(90),
            );
            assert_eq!(said.restarted(&v1), restarted);
            last = restarted;
        }
        assert_eq!(last, Some(at(20)));
    }

    #[test]
    fn rings_begin_anew_after_a_later_beginning_and_no_other() {
        let known = |restarted| RolloutMemory {
            restarted,
            ..RolloutMemory::default()
        };
        assert!(known(None).begins_anew(Some(at(1))));
        assert!(known(Some(at(1))).begins_anew(Some(at(2))));
        for said in [None, Some(at(1)), Some(at(2))] {
            assert!(!known(Some(at(2))).begins_anew(said));
        }
        assert!(!known(None).begins_anew(None));
    }

    #[test]
    fn the_beginning_is_forgotten_with_its_promotion_and_is_no_reason_to_miss_it() {
        let mut said = RolloutInstruction::default();
        change(&mut said, &RolloutChange::Stop(releases(&["v1", "v2"])));
        change(&mut said, &promote(&["v1", "v2"], Promotion::Everywhere));
        let mut over = said.promoted.clone();
        over.pop_last();
        change(&mut said, &RolloutChange::EndPromotions(over));
        let of = |said: &RolloutInstruction| BTreeSet::from_iter(said.restarted.keys().cloned());
        assert_eq!(of(&said), releases(&["v2"]));
        assert!(!said.is_empty());
        said.promoted.clear();
        assert!(said.is_empty());
    }

    #[test]
    fn only_the_promotion_that_is_over_ends_and_no_stop_does() {
        let mut said = RolloutInstruction::default();
        change(&mut said, &RolloutChange::Stop(releases(&["v1"])));
        change(&mut said, &promote(&["v2", "v3"], Promotion::Everywhere));
        let over = |to: &Promotion| {
            let over = releases(&["v1", "v2"]).into_iter();
            RolloutChange::EndPromotions(over.map(|release| (release, to.clone())).collect())
        };
        // Somebody promoted it to another ring meanwhile.
        assert!(!change(
            &mut said,
            &over(&Promotion::UpTo("canary".parse().unwrap()))
        ));
        assert!(change(&mut said, &over(&Promotion::Everywhere)));
        assert_eq!(said.stopped, releases(&["v1"]));
        assert_eq!(
            Vec::from_iter(said.promoted.into_keys()),
            Vec::from_iter(releases(&["v3"]))
        );
    }

    #[test]
    fn the_end_of_a_pause_is_not_the_end_of_a_stop() {
        let mut said = RolloutInstruction::default();
        change(&mut said, &RolloutChange::Stop(releases(&["v1"])));
        assert!(change(&mut said, &RolloutChange::Pause));
        assert!(!change(&mut said, &RolloutChange::Pause));
        assert!(change(&mut said, &RolloutChange::Resume));
        assert_eq!((said.is_paused, said.stopped), (false, releases(&["v1"])));
    }

    #[test]
    fn what_cannot_be_read_pauses_all_and_ends_no_stop() {
        let (web, db): (OrderId, OrderId) = ("web".parse().unwrap(), "db".parse().unwrap());
        let mut said = RolloutInstruction::default();
        change(&mut said, &RolloutChange::Stop(releases(&["v1"])));
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
