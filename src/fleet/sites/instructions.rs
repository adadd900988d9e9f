//! What operators say of rollouts, for all controllers of the fleet.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::error::FleetError;
use super::keys;
use super::read::AT_ONCE;
use super::reports::{SiteReports, answer};
use super::stored::{KnownInstruction, StoredInstruction, parsed};
use crate::bucket::{ObjectWritten, WriteCondition};
use crate::facts::{ReadInstruction, RolloutInstruction};
use crate::fleet::seal::{Dated, SealFault, SealPurpose};
use crate::model::OrderId;

/// So often a change is tried where others change the same meanwhile.
const ATTEMPTS: u32 = 8;

/// What becomes of an instruction that is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidInstruction {
    /// It stays, and the change is refused.
    Stays,
    /// What was known before takes its place, with the change.
    IsReplaced,
}

impl SiteReports {
    /// All instructions, by order: asks the store for those that have changed. One that is
    /// not valid, or is gone, pauses its order, and what was known of it last stays: a
    /// release that was stopped does not go on. `before` is what was known to this
    /// controller when it last did something, also in an earlier process.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(crate) async fn instructions(
        &self,
        before: &BTreeMap<OrderId, RolloutInstruction>,
    ) -> Result<BTreeMap<OrderId, RolloutInstruction>, FleetError> {
        let listed = answer(self.bucket.list(&keys::rollouts()?)).await?;
        let mut all = self.known().instructions.clone();
        let (mut there, mut changed) = (BTreeSet::new(), Vec::new());
        for object in listed {
            let Some(order) = keys::order_of(&object.key) else {
                continue;
            };
            let tag = all.get(&order).and_then(|known| known.tag.as_ref());
            if !tag.is_some_and(|tag| tag.is_same_write(&object.tag)) {
                changed.push((order.clone(), object.key));
            }
            there.insert(order);
        }
        let read = stream::iter(changed).map(|(order, key)| async move {
            let object = answer(self.bucket.get(&key)).await?;
            Ok::<_, FleetError>((order, key, object))
        });
        let read: Vec<_> = read.buffer_unordered(AT_ONCE).try_collect().await?;
        for (order, key, object) in read {
            let Some(object) = object else {
                there.remove(&order);
                continue;
            };
            let known = all.entry(order.clone()).or_default();
            known.note(&order, parsed(&object, &key, &self.key));
            known.tag = Some(object.tag);
        }
        for (order, said) in before {
            // A pause may come from a time without a store. What was stopped was read there.
            if there.contains(order) || !said.stopped.is_empty() {
                let known = all.entry(order.clone()).or_default();
                known.last.get_or_insert_with(|| said.clone());
            }
        }
        for (order, known) in &mut all {
            if !there.contains(order) {
                known.note_gone(order);
            }
        }
        self.known().instructions.clone_from(&all);
        let told = all.into_iter().map(|(order, known)| (order, known.told()));
        Ok(told
            .filter(|(order, said)| there.contains(order) || !said.is_empty())
            .collect())
    }

    /// What an earlier process read: an earlier one is not believed, and one that is gone is
    /// missed.
    pub(crate) fn remember_instructions(&self, read: BTreeMap<OrderId, ReadInstruction>) {
        let mut known = self.known();
        for (order, read) in read {
            known.instructions.entry(order).or_insert(KnownInstruction {
                tag: None,
                last: Some(read.said),
                written: Some(read.written),
                is_doubted: false,
            });
        }
    }

    /// The last one of each order that was valid.
    pub(crate) fn read_instructions(&self) -> BTreeMap<OrderId, ReadInstruction> {
        let known = self.known();
        let read = known.instructions.iter().filter_map(|(order, known)| {
            let (said, written) = (known.last.clone()?, known.written?);
            Some((order.clone(), ReadInstruction { said, written }))
        });
        read.collect()
    }

    /// The orders whose instruction was not valid, or was gone, when the store was asked last.
    pub(crate) fn unreadable_instructions(&self) -> BTreeSet<OrderId> {
        let known = self.known();
        let all = known.instructions.iter();
        let unreadable = all.filter(|(_, known)| known.is_doubted);
        unreadable.map(|(order, _)| order.clone()).collect()
    }

    /// Changes the instruction of an order, and gives what is there then. `change` may be
    /// called several times, each time with what others wrote meanwhile.
    ///
    /// # Errors
    /// When the store cannot be asked, what is there is not valid and stays, or others
    /// change the same all the time. After a lost answer the change may be there
    /// nevertheless.
    pub(crate) async fn instruct(
        &self,
        order: &OrderId,
        invalid: InvalidInstruction,
        change: impl Fn(&mut RolloutInstruction),
    ) -> Result<RolloutInstruction, FleetError> {
        let key = keys::instruction(order)?;
        let nonce = format!("{:016x}", fastrand::u64(..));
        let mut lost = None;
        for _ in 0..ATTEMPTS {
            // Before it is read: meanwhile others may read a later one.
            let known = self.known().instructions.get(order).cloned();
            let mut known = known.unwrap_or_default();
            let found = match answer(self.bucket.get(&key)).await {
                Ok(found) => found,
                // What came of the write is what is to be told.
                Err(error) => return Err(lost.unwrap_or(error)),
            };
            let read = found.as_ref().map(|object| {
                let read = parsed(object, &key, &self.key)?;
                known.is_newest(&read)?;
                Ok(read)
            });
            match read.transpose() {
                Ok(Some(read)) if lost.is_some() && read.content.nonce == nonce => {
                    return Ok(read.content.instruction);
                }
                Ok(Some(read)) => known = KnownInstruction::of(read),
                Ok(None) => {
                    known.note_gone(order);
                    if known.is_doubted && invalid == InvalidInstruction::Stays {
                        let source = SealFault::Gone;
                        return Err(FleetError::Invalid { key, source });
                    }
                }
                Err(_) if invalid == InvalidInstruction::IsReplaced => known.is_doubted = true,
                Err(source) => return Err(FleetError::Invalid { key, source }),
            }
            let mut instruction = known.told();
            let before = instruction.clone();
            change(&mut instruction);
            // Another controller may doubt what this one believes.
            let is_wanted_anew = invalid == InvalidInstruction::IsReplaced;
            if instruction == before && !known.is_doubted && !is_wanted_anew {
                return Ok(instruction);
            }
            let stored = StoredInstruction {
                instruction,
                nonce: nonce.clone(),
            };
            let dated = Dated::after(known.written, stored);
            let text = self.key.seal(SealPurpose::Instruction, &key, &dated);
            let text = text.and_then(|fields| serde_json::to_vec_pretty(&fields));
            let text = text.map_err(|source| FleetError::Form {
                key: key.clone(),
                source,
            })?;
            let condition = found.map_or(WriteCondition::Absent, |object| {
                WriteCondition::Unchanged(object.tag)
            });
            match answer(self.bucket.put(&key, text, condition)).await {
                Ok(ObjectWritten::Done(_)) => return Ok(dated.content.instruction),
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
