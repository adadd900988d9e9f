//! What an operator said of rollouts: `rollouts.json`, changed by commands and by nothing
//! else.
//!
//! In a fleet this is in the store, so that each of its controllers keeps to it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::file::{self, Found};
use super::{StateDir, StateError};
use crate::facts::{KnownInstructions, RolloutChange, RolloutInstruction};
use crate::model::OrderId;

const ROLLOUTS: &str = "rollouts.json";

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct RolloutsFile {
    orders: BTreeMap<OrderId, RolloutInstruction>,
}

/// What came of ending every pause.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResumedRollouts {
    /// The orders whose rollouts were paused.
    pub orders: Vec<OrderId>,
    /// Where instructions are kept that could not be read.
    pub aside: Option<PathBuf>,
}

impl StateDir {
    /// What was said; `before` is what it was when it was last read.
    pub(crate) fn instructions(
        &self,
        before: &BTreeMap<OrderId, RolloutInstruction>,
    ) -> KnownInstructions {
        match file::find::<RolloutsFile>(&self.file(ROLLOUTS)) {
            Found::Nothing => KnownInstructions::default(),
            Found::Content(file) => KnownInstructions {
                orders: file.orders,
                ..KnownInstructions::default()
            },
            Found::Unreadable(why) => KnownInstructions {
                orders: before.clone(),
                unreadable: Some(why),
                ..KnownInstructions::default()
            },
        }
    }

    /// Changes what was said of an order, and returns whether that changed anything, and
    /// how it is then.
    ///
    /// # Errors
    /// [`StateError::RolloutInstructions`] where it cannot be read: it is not overwritten.
    /// When the directory cannot be written, or stays locked.
    pub(crate) async fn instruct(
        &self,
        order: &OrderId,
        change: &RolloutChange,
    ) -> Result<(bool, RolloutInstruction), StateError> {
        let _lock = self.lock().await?;
        let KnownInstructions {
            mut orders,
            unreadable,
            unreadable_orders: _,
            read: _,
        } = self.instructions(&BTreeMap::new());
        if let Some(why) = unreadable {
            return Err(StateError::RolloutInstructions { why });
        }
        let said = orders.entry(order.clone()).or_default();
        let is_new = said.change(change, Timestamp::now());
        let said = said.clone();
        if is_new {
            self.write_instructions(orders)?;
        }
        Ok((is_new, said))
    }

    /// Ends every pause. Instructions that cannot be read are kept under another name; the
    /// stops and promotions of `before`, what they were when they were last read, stay.
    ///
    /// # Errors
    /// When the directory cannot be written, or stays locked.
    pub(crate) async fn resume_rollouts(
        &self,
        before: &BTreeMap<OrderId, RolloutInstruction>,
    ) -> Result<ResumedRollouts, StateError> {
        let _lock = self.lock().await?;
        let KnownInstructions {
            mut orders,
            unreadable,
            unreadable_orders: _,
            read: _,
        } = self.instructions(before);
        let aside = match unreadable {
            Some(_) => Some(file::set_aside(&self.file(ROLLOUTS))?),
            None => None,
        };
        let mut resumed = Vec::new();
        for (order, said) in &mut orders {
            if said.change(&RolloutChange::Resume, Timestamp::now()) {
                resumed.push(order.clone());
            }
        }
        if aside.is_some() || !resumed.is_empty() {
            self.write_instructions(orders)?;
        }
        Ok(ResumedRollouts {
            orders: resumed,
            aside,
        })
    }

    fn write_instructions(
        &self,
        mut orders: BTreeMap<OrderId, RolloutInstruction>,
    ) -> Result<(), StateError> {
        orders.retain(|_, said| *said != RolloutInstruction::default());
        file::write(&self.file(ROLLOUTS), &RolloutsFile { orders })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn stop() -> RolloutChange {
        let release = "image/id/v1.11.0/a.iso".parse().unwrap();
        RolloutChange::Stop(BTreeSet::from([release]))
    }

    #[tokio::test]
    async fn a_change_is_read_by_the_next_run_and_leaves_other_orders_alone() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("state"));
        let nothing = BTreeMap::new();
        assert_eq!(state.instructions(&nothing), KnownInstructions::default());
        let (web, db): (OrderId, OrderId) = ("web".parse().unwrap(), "db".parse().unwrap());
        let (is_new, said) = state.instruct(&web, &RolloutChange::Pause).await.unwrap();
        assert!(is_new && said.is_paused);
        let again = state.instruct(&web, &RolloutChange::Pause).await.unwrap();
        assert_eq!(again, (false, said.clone()));
        let (_, stopped) = state.instruct(&db, &stop()).await.unwrap();
        let orders = BTreeMap::from([(web.clone(), said), (db, stopped)]);
        let known = state.instructions(&nothing);
        assert_eq!((&known.orders, known.unreadable), (&orders, None));
        let (is_new, _) = state.instruct(&web, &RolloutChange::Resume).await.unwrap();
        assert!(is_new);
        assert!(!state.instructions(&nothing).orders.contains_key(&web));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_not_overwritten_and_the_last_stops_survive_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path());
        let web: OrderId = "web".parse().unwrap();
        state.instruct(&web, &stop()).await.unwrap();
        let last = state.instructions(&BTreeMap::new()).orders;
        let path = state.file(ROLLOUTS);
        for damaged in [
            "{\"version\": 2, \"orders\": {}}",
            "garbage",
            "{\"version\": 1, \"or",
        ] {
            std::fs::write(&path, damaged).unwrap();
            let known = state.instructions(&last);
            assert_eq!(known.orders, last);
            assert!(known.unreadable.is_some());
            let refused = state.instruct(&web, &RolloutChange::Pause).await;
            assert!(matches!(
                refused,
                Err(StateError::RolloutInstructions { .. })
            ));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
            let resumed = state.resume_rollouts(&last).await.unwrap();
            let aside = resumed.aside.unwrap();
            assert_eq!(std::fs::read_to_string(aside).unwrap(), damaged);
            let known = state.instructions(&BTreeMap::new());
            assert_eq!((&known.orders, known.unreadable), (&last, None));
        }
    }
}
