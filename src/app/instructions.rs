//! Where it is kept what operators say of rollouts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use super::{App, StartError};
use crate::error::chain;
use crate::facts::{KnownInstructions, RolloutChange, RolloutInstruction};
use crate::fleet::{FleetError, InvalidInstruction, SiteReports};
use crate::model::OrderId;
use crate::store::{ResumedRollouts, StateDir, StateError};

/// Where it is kept what operators say of rollouts.
#[derive(Debug, Clone)]
pub(crate) enum Instructions {
    /// In the state directory of a single controller.
    Local(StateDir),
    /// In the store, for all controllers of a fleet.
    Shared(SiteReports),
}

/// Why it cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstructError {
    /// The file.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store.
    #[error("cannot change the instructions for rollouts in the store")]
    Store(#[from] FleetError),
}

impl App {
    /// Where it is kept what operators say of rollouts.
    ///
    /// # Errors
    /// When the store of a fleet cannot be used.
    pub(crate) fn instructions(&self) -> Result<Instructions, StartError> {
        // A single controller may share its images, and has nobody to share these with.
        let is_fleet = self.settings.fleet.is_some();
        let shared = match is_fleet {
            true => self.site_reports()?,
            false => None,
        };
        Ok(shared.map_or_else(
            || Instructions::Local(self.state()),
            |reports| Instructions::Shared(reports.clone()),
        ))
    }
}

impl Instructions {
    /// What they said; `before` is what it was when it was last read.
    pub(crate) async fn known(
        &self,
        before: &BTreeMap<OrderId, RolloutInstruction>,
    ) -> KnownInstructions {
        match self {
            Self::Local(state) => state.instructions(before),
            Self::Shared(reports) => match reports.instructions(before).await {
                Ok(orders) => KnownInstructions {
                    orders,
                    unreadable: None,
                    unreadable_orders: reports.unreadable_instructions(),
                    read: reports.read_instructions(),
                },
                Err(error) => KnownInstructions {
                    orders: before.clone(),
                    unreadable: Some(format!(
                        "the store does not tell the instructions for rollouts: {}",
                        chain(&error)
                    )),
                    unreadable_orders: BTreeSet::new(),
                    read: reports.read_instructions(),
                },
            },
        }
    }

    /// Changes what was said of an order, and returns whether that changed anything, and
    /// how it is then.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(crate) async fn instruct(
        &self,
        order: &OrderId,
        change: &RolloutChange,
    ) -> Result<(bool, RolloutInstruction), InstructError> {
        match self {
            Self::Local(state) => Ok(state.instruct(order, change).await?),
            Self::Shared(reports) => {
                // Whoever speaks of the pause knows that there is one, and why.
                let invalid = match change {
                    RolloutChange::Pause | RolloutChange::Resume => InvalidInstruction::IsReplaced,
                    RolloutChange::Promote { .. }
                    | RolloutChange::Stop(_)
                    | RolloutChange::EndPromotions(_) => InvalidInstruction::Stays,
                };
                // Of the last attempt: others may change the same meanwhile.
                let is_new = AtomicBool::new(false);
                let change = |said: &mut RolloutInstruction| {
                    let is_other = said.change(change, Timestamp::now());
                    is_new.store(is_other, Ordering::Relaxed);
                };
                let said = reports.instruct(order, invalid, change).await?;
                Ok((is_new.into_inner(), said))
            }
        }
    }

    /// Ends every pause. A file that cannot be read is kept under another name; what
    /// `before` says apart from pauses stays then.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn resume_all(
        &self,
        before: &BTreeMap<OrderId, RolloutInstruction>,
    ) -> Result<ResumedRollouts, InstructError> {
        match self {
            Self::Local(state) => Ok(state.resume_rollouts(before).await?),
            Self::Shared(reports) => {
                let all = reports.instructions(before).await?.into_iter();
                let mut orders = Vec::new();
                for (order, _) in all.filter(|(_, said)| said.is_paused) {
                    if self.instruct(&order, &RolloutChange::Resume).await?.0 {
                        orders.push(order);
                    }
                }
                let aside = None;
                Ok(ResumedRollouts { orders, aside })
            }
        }
    }
}

impl InstructError {
    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::State(error) => error.hint(),
            Self::Store(error) => error.hint().map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::FleetKey;
    use crate::fleet::tests::disturbed::{DisturbedStore, StoreFault};

    #[tokio::test]
    async fn one_that_cannot_be_read_is_told_and_pauses_its_order_alone() {
        let store = DisturbedStore::default();
        let shared =
            Instructions::Shared(SiteReports::new(store.bucket(), FleetKey::new(b"fleet")));
        let (web, db): (OrderId, OrderId) = ("web".parse().unwrap(), "db".parse().unwrap());
        let garbage = "v1/rollouts/web.json".parse().unwrap();
        let bucket = store.bucket();
        let always = crate::bucket::WriteCondition::Always;
        bucket.put(&garbage, "garbage", always).await.unwrap();
        for _ in 0..2 {
            let known = shared.known(&BTreeMap::new()).await;
            assert_eq!(known.unreadable_orders, BTreeSet::from([web.clone()]));
            let all = known.over([&web, &db]);
            assert!(all[&web].is_paused && !all.contains_key(&db));
            let [trouble] = &known.troubles()[..] else {
                panic!("{known:?}")
            };
            assert!(trouble.starts_with("v1/rollouts/web.json in the store cannot be read"));
        }
    }

    #[tokio::test]
    async fn in_a_fleet_they_are_for_all_and_outlive_the_store() {
        let store = DisturbedStore::default();
        let key = FleetKey::new(&[7; 32]);
        let shared = || Instructions::Shared(SiteReports::new(store.bucket(), key.clone()));
        let (here, there) = (shared(), shared());
        let (web, nothing) = ("web".parse().unwrap(), BTreeMap::new());
        let pause = async |at: &Instructions| at.instruct(&web, &RolloutChange::Pause).await;
        assert!(pause(&here).await.unwrap().0);
        assert!(!pause(&there).await.unwrap().0);
        let known = there.known(&nothing).await;
        assert!(known.orders[&web].is_paused && known.unreadable.is_none());
        assert_eq!(known.troubles(), [""; 0]);
        let resumed = there.resume_all(&nothing).await.unwrap();
        assert_eq!(resumed.orders, std::slice::from_ref(&web));
        let release = "image/id/v1.11.0/a.iso".parse().unwrap();
        let stop = RolloutChange::Stop([release].into());
        here.instruct(&web, &stop).await.unwrap();
        let last = here.known(&nothing).await.orders;
        assert!(!last[&web].is_paused);

        store.inject("list", "rollouts", StoreFault::Fails, 100);
        store.inject("get", "rollouts", StoreFault::Fails, 100);
        let known = here.known(&last).await;
        assert_eq!(known.orders, last);
        assert!(known.over([&web])[&web].is_paused && known.unreadable.is_some());
        assert!(known.troubles()[0].ends_with("every rollout counts as paused"));
        let refused = pause(&here).await.unwrap_err();
        assert!(chain(&refused).starts_with("cannot change the instructions for rollouts"));
    }
}
