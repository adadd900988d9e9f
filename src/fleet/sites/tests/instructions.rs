//! What operators say of rollouts.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::{order, reports, write};
use crate::bucket::ObjectKey;
use crate::facts::RolloutInstruction;
use crate::fleet::FleetError;
use crate::fleet::InvalidInstruction::{IsReplaced, Stays};
use crate::fleet::tests::disturbed::{DisturbedStore, StoreFault};
use crate::model::OrderId;

fn pause(instruction: &mut RolloutInstruction) {
    instruction.is_paused = true;
}

fn stop(instruction: &mut RolloutInstruction) {
    instruction
        .stopped
        .insert("image/a/v1.11.3/metal-amd64.iso".parse().unwrap());
}

#[tokio::test]
async fn an_instruction_is_for_all_controllers_and_is_read_once() {
    let store = DisturbedStore::default();
    let (here, there) = (reports(&store), reports(&store));
    assert!(
        there
            .instructions(&BTreeMap::new())
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        here.instruct(&order(), Stays, pause)
            .await
            .unwrap()
            .is_paused
    );
    // Said by another controller, which knows nothing of the first: both count.
    there.instruct(&order(), Stays, stop).await.unwrap();
    let all = here.instructions(&BTreeMap::new()).await.unwrap();
    let said = &all[&order()];
    assert!(said.is_paused && said.stopped.len() == 1);
    store.asked();
    assert_eq!(here.instructions(&BTreeMap::new()).await.unwrap(), all);
    assert_eq!(store.asked(), ["list v1/rollouts"]);
    // What is said already is not written.
    here.instruct(&order(), Stays, pause).await.unwrap();
    assert_eq!(store.asked(), ["get v1/rollouts/workers.json"]);
    here.instruct(&order(), Stays, |said| {
        *said = RolloutInstruction::default();
    })
    .await
    .unwrap();
    assert_eq!(
        there.instructions(&BTreeMap::new()).await.unwrap()[&order()],
        RolloutInstruction::default()
    );
}

#[tokio::test]
async fn concurrent_instructions_are_all_kept() {
    let store = DisturbedStore::default();
    let releases = (0..4).map(|n| format!("image/a/v1.11.{n}/metal-amd64.iso"));
    let said = releases.map(|release| {
        let controller = reports(&store);
        async move {
            let release: crate::model::Release = release.parse().unwrap();
            let change = |said: &mut RolloutInstruction| {
                said.stopped.insert(release.clone());
            };
            controller.instruct(&order(), Stays, change).await.unwrap();
        }
    });
    futures_util::future::join_all(said).await;
    let all = reports(&store)
        .instructions(&BTreeMap::new())
        .await
        .unwrap();
    assert_eq!(all[&order()].stopped.len(), 4);
}

#[tokio::test]
async fn after_a_lost_answer_reading_tells_whether_an_instruction_is_there() {
    for fault in [StoreFault::LosesAnswer, StoreFault::Fails] {
        let store = DisturbedStore::default();
        store.inject("put", "rollouts", fault, 1);
        let here = reports(&store);
        assert!(
            here.instruct(&order(), Stays, pause)
                .await
                .unwrap()
                .is_paused
        );
        let puts = store
            .asked()
            .into_iter()
            .filter(|asked| asked.starts_with("put"));
        assert_eq!(puts.count(), if fault == StoreFault::Fails { 2 } else { 1 });
    }
    let store = DisturbedStore::default();
    store.inject("put", "rollouts", StoreFault::Fails, 100);
    let failed = reports(&store).instruct(&order(), Stays, pause).await;
    assert!(matches!(failed, Err(FleetError::Bucket(_))), "{failed:?}");
    store.recover();
    store.inject("put", "rollouts", StoreFault::Hangs, 100);
    tokio::time::pause();
    let failed = reports(&store)
        .instruct(&order(), Stays, pause)
        .await
        .unwrap_err();
    assert!(failed.hint().is_some(), "{failed}");
}

/// What somebody puts in the place of an instruction.
async fn forgeries(store: &DisturbedStore, key: &ObjectKey) -> Vec<Bytes> {
    let bucket = store.bucket();
    let other: OrderId = "other".parse().unwrap();
    reports(store)
        .instruct(&other, Stays, |said| said.is_paused = true)
        .await
        .unwrap();
    let elsewhere = "v1/rollouts/other.json".parse().unwrap();
    let elsewhere = bucket.get(&elsewhere).await.unwrap().unwrap().bytes;
    bucket
        .remove(&"v1/rollouts/other.json".parse().unwrap())
        .await
        .unwrap();
    let there = bucket.get(key).await.unwrap().unwrap().bytes;
    let mut unsealed: Value = serde_json::from_slice(&there).unwrap();
    unsealed.as_object_mut().unwrap().remove("mac");
    let mut changed: Value = serde_json::from_slice(&there).unwrap();
    changed["stopped"] = serde_json::json!([]);
    let texts = [
        "paused".to_owned(),
        unsealed.to_string(),
        changed.to_string(),
    ];
    let texts = texts.into_iter().map(Bytes::from);
    texts.chain([elsewhere]).collect()
}

#[tokio::test]
async fn an_instruction_that_is_not_valid_pauses_and_keeps_its_stops() {
    let store = DisturbedStore::default();
    let key = "v1/rollouts/workers.json".parse().unwrap();
    let here = reports(&store);
    here.instruct(&order(), Stays, stop).await.unwrap();
    let said = here.instructions(&BTreeMap::new()).await.unwrap();
    for forged in forgeries(&store, &key).await {
        let text = String::from_utf8_lossy(&forged).into_owned();
        write(&store, &key, forged.clone()).await;
        // Who read it before, who knows of it from an earlier process, and who does not.
        let there = reports(&store);
        let unknown = there.instructions(&BTreeMap::new()).await.unwrap();
        assert!(unknown[&order()].is_paused, "{text}");
        for (controller, known) in [(&here, &BTreeMap::new()), (&there, &said)] {
            let now = controller.instructions(known).await.unwrap();
            let now = &now[&order()];
            assert!(
                now.is_paused && now.stopped == said[&order()].stopped,
                "{text}"
            );
        }
        let refused = here.instruct(&order(), Stays, stop).await.unwrap_err();
        assert!(refused.to_string().contains(key.as_str()), "{refused}");
        assert!(refused.hint().unwrap().contains("rollout resume"));
        let object = store.bucket().get(&key).await.unwrap().unwrap();
        assert_eq!(object.bytes, forged);
        // Whoever looked at it replaces it, by what this controller knew.
        let paused = there.instruct(&order(), IsReplaced, pause).await.unwrap();
        assert!(paused.is_paused && paused.stopped == said[&order()].stopped);
        let resumed = there.instruct(&order(), Stays, resume).await.unwrap();
        assert_eq!(resumed, said[&order()]);
        assert_eq!(here.instructions(&BTreeMap::new()).await.unwrap(), said);
    }
}

fn resume(instruction: &mut RolloutInstruction) {
    instruction.is_paused = false;
}

#[tokio::test]
async fn an_older_instruction_is_refused_by_who_knows_a_newer_one() {
    let store = DisturbedStore::default();
    let key = "v1/rollouts/workers.json".parse().unwrap();
    let here = reports(&store);
    here.instruct(&order(), Stays, pause).await.unwrap();
    let old = store.bucket().get(&key).await.unwrap().unwrap().bytes;
    here.instruct(&order(), Stays, stop).await.unwrap();
    let said = here.instructions(&BTreeMap::new()).await.unwrap();
    for is_removed in [false, true] {
        if is_removed {
            store.bucket().remove(&key).await.unwrap();
            here.instructions(&BTreeMap::new()).await.unwrap();
        }
        write(&store, &key, old.clone()).await;
        let now = here.instructions(&BTreeMap::new()).await.unwrap();
        assert_eq!(now[&order()].stopped, said[&order()].stopped);
        let refused = here.instruct(&order(), Stays, stop).await.unwrap_err();
        assert!(matches!(refused, FleetError::Invalid { .. }), "{refused}");
    }
    // Who reads for the first time cannot know.
    let first = reports(&store).instructions(&BTreeMap::new()).await;
    assert!(first.unwrap()[&order()].stopped.is_empty());
    let replaced = here.instruct(&order(), IsReplaced, resume).await.unwrap();
    assert_eq!(replaced.stopped, said[&order()].stopped);
}

#[tokio::test]
async fn an_instruction_that_is_removed_ends_neither_a_stop_nor_a_pause() {
    let store = DisturbedStore::default();
    let key = "v1/rollouts/workers.json".parse().unwrap();
    let here = reports(&store);
    here.instruct(&order(), Stays, stop).await.unwrap();
    let said = here.instructions(&BTreeMap::new()).await.unwrap();
    store.bucket().remove(&key).await.unwrap();
    let paused = RolloutInstruction {
        is_paused: true,
        ..said[&order()].clone()
    };
    let paused = BTreeMap::from([(order(), paused)]);
    assert_eq!(here.instructions(&BTreeMap::new()).await.unwrap(), paused);
    let there = reports(&store);
    assert_eq!(there.instructions(&said).await.unwrap(), paused);
    // All rollouts counted as paused while the store did not answer: that is over.
    let outage = RolloutInstruction {
        is_paused: true,
        ..RolloutInstruction::default()
    };
    let outage = BTreeMap::from([(order(), outage)]);
    let none = reports(&store).instructions(&outage).await.unwrap();
    assert!(none.is_empty(), "{none:?}");
    // What is said next is added to it.
    there.instruct(&order(), Stays, stop).await.unwrap_err();
    let resumed = there.instruct(&order(), IsReplaced, resume).await.unwrap();
    assert_eq!(resumed, said[&order()]);
    assert_eq!(here.instructions(&BTreeMap::new()).await.unwrap(), said);
    // Nothing was said, and nothing is missed.
    let nothing = |said: &mut RolloutInstruction| *said = RolloutInstruction::default();
    here.instruct(&order(), Stays, nothing).await.unwrap();
    here.instructions(&BTreeMap::new()).await.unwrap();
    store.bucket().remove(&key).await.unwrap();
    let none = here.instructions(&BTreeMap::new()).await.unwrap();
    assert!(none.is_empty(), "{none:?}");
}

/// The store is restored from a backup, and the command is another process than the
/// controller.
#[tokio::test]
async fn who_remembers_what_was_read_is_not_taken_in_by_an_older_instruction() {
    let store = DisturbedStore::default();
    let key = "v1/rollouts/workers.json".parse().unwrap();
    let here = reports(&store);
    here.instruct(&order(), Stays, pause).await.unwrap();
    let backup = store.bucket().get(&key).await.unwrap().unwrap().bytes;
    here.instruct(&order(), Stays, stop).await.unwrap();
    here.instruct(&order(), Stays, resume).await.unwrap();
    let said = here.instructions(&BTreeMap::new()).await.unwrap();
    assert!(!said[&order()].is_paused && !said[&order()].stopped.is_empty());
    write(&store, &key, backup).await;

    let command = reports(&store);
    command.remember_instructions(here.read_instructions());
    command.instruct(&order(), Stays, pause).await.unwrap_err();
    let doubted = command.instructions(&BTreeMap::new()).await.unwrap();
    assert!(doubted[&order()].is_paused && command.unreadable_instructions().len() == 1);
    let resumed = command
        .instruct(&order(), IsReplaced, resume)
        .await
        .unwrap();
    assert_eq!(resumed, said[&order()]);
    // The controllers believe it, since it is later than all they knew.
    assert_eq!(here.instructions(&BTreeMap::new()).await.unwrap(), said);

    // One that is gone is missed, and what it said stays.
    store.bucket().remove(&key).await.unwrap();
    let command = reports(&store);
    command.remember_instructions(here.read_instructions());
    let gone = command.instructions(&BTreeMap::new()).await.unwrap();
    assert!(gone[&order()].is_paused);
    assert_eq!(gone[&order()].stopped, said[&order()].stopped);
}

/// One controller believes what another one doubts: who asks for it has it written anew.
#[tokio::test]
async fn an_end_of_a_pause_is_written_also_where_there_is_none() {
    let store = DisturbedStore::default();
    let key = "v1/rollouts/workers.json".parse().unwrap();
    let (here, there) = (reports(&store), reports(&store));
    here.instruct(&order(), Stays, stop).await.unwrap();
    let backup = store.bucket().get(&key).await.unwrap().unwrap().bytes;
    here.instruct(&order(), Stays, resume).await.unwrap();
    let nothing = |said: &mut RolloutInstruction| said.is_paused = true;
    here.instruct(&order(), Stays, nothing).await.unwrap();
    here.instructions(&BTreeMap::new()).await.unwrap();
    write(&store, &key, backup).await;
    let doubted = here.instructions(&BTreeMap::new()).await.unwrap();
    assert!(doubted[&order()].is_paused);
    there.instruct(&order(), IsReplaced, resume).await.unwrap();
    let said = here.instructions(&BTreeMap::new()).await.unwrap();
    assert!(!said[&order()].is_paused && !said[&order()].stopped.is_empty());
}
