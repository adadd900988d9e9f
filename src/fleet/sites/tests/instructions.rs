//! What operators say of rollouts.

use std::collections::BTreeMap;

use super::{order, reports, write};
use crate::facts::RolloutInstruction;
use crate::fleet::FleetError;
use crate::fleet::tests::disturbed::{DisturbedStore, StoreFault};

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
    assert!(here.instruct(&order(), pause).await.unwrap().is_paused);
    // Said by another controller, which knows nothing of the first: both count.
    there.instruct(&order(), stop).await.unwrap();
    let all = here.instructions(&BTreeMap::new()).await.unwrap();
    let said = &all[&order()];
    assert!(said.is_paused && said.stopped.len() == 1);
    store.asked();
    assert_eq!(here.instructions(&BTreeMap::new()).await.unwrap(), all);
    assert_eq!(store.asked(), ["list v1/rollouts"]);
    // What is said already is not written.
    here.instruct(&order(), pause).await.unwrap();
    assert_eq!(store.asked(), ["get v1/rollouts/workers.json"]);
    here.instruct(&order(), |said| *said = RolloutInstruction::default())
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
            controller.instruct(&order(), change).await.unwrap();
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
        assert!(here.instruct(&order(), pause).await.unwrap().is_paused);
        let puts = store
            .asked()
            .into_iter()
            .filter(|asked| asked.starts_with("put"));
        assert_eq!(puts.count(), if fault == StoreFault::Fails { 2 } else { 1 });
    }
    let store = DisturbedStore::default();
    store.inject("put", "rollouts", StoreFault::Fails, 100);
    let failed = reports(&store).instruct(&order(), pause).await;
    assert!(matches!(failed, Err(FleetError::Bucket(_))), "{failed:?}");
    store.recover();
    store.inject("put", "rollouts", StoreFault::Hangs, 100);
    tokio::time::pause();
    let failed = reports(&store).instruct(&order(), pause).await.unwrap_err();
    assert!(failed.hint().is_some(), "{failed}");
}

#[tokio::test]
async fn an_instruction_that_nobody_can_read_pauses_keeps_its_stops_and_stays_there() {
    let store = DisturbedStore::default();
    let key = "v1/rollouts/workers.json".parse().unwrap();
    let here = reports(&store);
    here.instruct(&order(), stop).await.unwrap();
    let said = here.instructions(&BTreeMap::new()).await.unwrap();
    write(&store, &key, "paused").await;
    // Who read it before, and who knows of it from an earlier process.
    let there = reports(&store);
    let unknown = there.instructions(&BTreeMap::new()).await.unwrap();
    assert!(unknown[&order()].is_paused);
    for (controller, known) in [(&here, &BTreeMap::new()), (&there, &said)] {
        let now = controller.instructions(known).await.unwrap();
        let now = &now[&order()];
        assert!(now.is_paused && now.stopped == said[&order()].stopped);
    }
    let refused = here.instruct(&order(), pause).await.unwrap_err();
    assert!(refused.to_string().contains(key.as_str()), "{refused}");
    assert!(refused.hint().is_some());
    let there = store.bucket().get(&key).await.unwrap().unwrap();
    assert_eq!(&there.bytes[..], b"paused");
    // Whoever looked at it removes it.
    store.bucket().remove(&key).await.unwrap();
    here.instruct(&order(), stop).await.unwrap();
    let now = here.instructions(&said).await.unwrap();
    assert_eq!(now, said);
}
