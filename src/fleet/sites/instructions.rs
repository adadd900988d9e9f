//! What operators say of rollouts, for all controllers of the fleet.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::error::FleetError;
use super::keys;
use super::read::AT_ONCE;
use super::reports::{KnownInstruction, SiteReports, answer};
use crate::bucket::{ObjectWritten, StoredObject, WriteCondition};
use crate::facts::RolloutInstruction;
use crate::model::OrderId;

/// So often a change is tried where others change the same meanwhile.
const ATTEMPTS: u32 = 8;

/// An instruction as it is in the store.
#[derive(Default, Serialize, Deserialize)]
struct StoredInstruction {
    #[serde(flatten)]
    instruction: RolloutInstruction,
    /// New in each write: servers derive the tag of an object from its bytes.
    #[serde(default)]
    nonce: String,
}

impl SiteReports {
    /// All instructions, by order: asks the store for those that have changed. One that
    /// cannot be read pauses its order, and what was `known` of it last stays: a release
    /// that was stopped does not go on.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(crate) async fn instructions(
        &self,
        known: &BTreeMap<OrderId, RolloutInstruction>,
    ) -> Result<BTreeMap<OrderId, RolloutInstruction>, FleetError> {
        let listed = answer(self.bucket.list(&keys::rollouts()?)).await?;
        let mut before = self.known().instructions.clone();
        let (mut all, mut changed) = (BTreeMap::new(), Vec::new());
        for object in listed {
            let Some(order) = keys::order_of(&object.key) else {
                continue;
            };
            match before.remove(&order) {
                Some(known) if known.tag.is_same_write(&object.tag) => {
                    all.insert(order, known);
                }
                last => changed.push((order, object.key, last)),
            }
        }
        let read = stream::iter(changed).map(|(order, key, last)| async move {
            let object = answer(self.bucket.get(&key)).await?;
            Ok::<_, FleetError>(object.map(|object| (order, object, last)))
        });
        let read: Vec<_> = read.buffer_unordered(AT_ONCE).try_collect().await?;
        for (order, object, last) in read.into_iter().flatten() {
            let read = parsed(&object);
            if let Err(error) = &read {
                tracing::warn!(
                    %order,
                    reason = %error,
                    "the instruction for a rollout cannot be read; the rollout pauses"
                );
            }
            let is_readable = read.is_ok();
            let read = read.ok().map(|stored| stored.instruction);
            let tag = object.tag;
            let now = KnownInstruction {
                tag,
                last: read.or_else(|| last?.last),
                is_readable,
            };
            all.insert(order, now);
        }
        self.known().instructions.clone_from(&all);
        let told = all.into_iter().map(|(order, there)| {
            let last = there.last.or_else(|| known.get(&order).cloned());
            let last = last.unwrap_or_default();
            let is_paused = last.is_paused || !there.is_readable;
            (order, RolloutInstruction { is_paused, ..last })
        });
        Ok(told.collect())
    }

    /// The orders whose instruction could not be read when the store was asked last.
    pub(crate) fn unreadable_instructions(&self) -> BTreeSet<OrderId> {
        let known = self.known();
        let all = known.instructions.iter();
        let unreadable = all.filter(|(_, known)| !known.is_readable);
        unreadable.map(|(order, _)| order.clone()).collect()
    }

    /// Changes the instruction of an order, and gives what is there then. `change` may be
    /// called several times, each time with what others wrote meanwhile.
    ///
    /// # Errors
    /// When the store cannot be asked, what is there cannot be read, or others change the
    /// same all the time. After a lost answer the change may be there nevertheless.
    pub(crate) async fn instruct(
        &self,
        order: &OrderId,
        change: impl Fn(&mut RolloutInstruction),
    ) -> Result<RolloutInstruction, FleetError> {
        let key = keys::instruction(order)?;
        let nonce = format!("{:016x}", fastrand::u64(..));
        let mut lost = None;
        for _ in 0..ATTEMPTS {
            let found = match answer(self.bucket.get(&key)).await {
                Ok(found) => found,
                // What came of the write is what is to be told.
                Err(error) => return Err(lost.unwrap_or(error)),
            };
            let read = found.as_ref().map(parsed).transpose();
            let read = read.map_err(|source| FleetError::Unreadable {
                key: key.clone(),
                source,
            })?;
            let StoredInstruction {
                mut instruction,
                nonce: by,
            } = read.unwrap_or_default();
            if lost.is_some() && by == nonce {
                return Ok(instruction);
            }
            let before = instruction.clone();
            change(&mut instruction);
            if instruction == before {
                return Ok(instruction);
            }
            let stored = StoredInstruction {
                instruction,
                nonce: nonce.clone(),
            };
            let bytes = serde_json::to_vec_pretty(&stored).map_err(|source| FleetError::Form {
                key: key.clone(),
                source,
            })?;
            let condition = found.map_or(WriteCondition::Absent, |object| {
                WriteCondition::Unchanged(object.tag)
            });
            match answer(self.bucket.put(&key, bytes, condition)).await {
                Ok(ObjectWritten::Done(_)) => return Ok(stored.instruction),
                Ok(ObjectWritten::Refused) => lost = None,
                // It is there, or it is not: reading tells.
                Err(error) => lost = Some(error),
            }
        }
        Err(lost.unwrap_or(FleetError::Contended {
            key,
            times: ATTEMPTS,
        }))
    }
}

fn parsed(object: &StoredObject) -> Result<StoredInstruction, serde_json::Error> {
    serde_json::from_slice(&object.bytes)
}
