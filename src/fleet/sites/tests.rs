//! Tests of reports and instructions over a store whose answers go wrong.

use std::time::Duration;

use std::collections::BTreeSet;

use super::{FleetError, Publication, RENEWED, SiteReports};
use crate::bucket::{ObjectKey, WriteCondition};
use crate::facts::{RolloutInstruction, SiteReport};
use crate::fleet::tests::disturbed::{DisturbedStore, StoreFault};
use crate::model::{LeaderEpoch, OrderId, SiteName};
use crate::nodes::Authority;

fn site(name: &str) -> SiteName {
    name.parse().unwrap()
}

/// That of the leader of a site.
fn leading(name: &str, epoch: u64) -> Authority {
    let authority = Authority::of_site(site(name));
    authority.grant(LeaderEpoch::new(epoch), Duration::MAX);
    authority
}

fn report(leader: &str) -> SiteReport {
    SiteReport {
        leader: leader.to_owned(),
        renewed_within: Some(RENEWED.as_secs()),
        ..SiteReport::default()
    }
}

fn reports(store: &DisturbedStore) -> SiteReports {
    SiteReports::new(store.bucket())
}

async fn write(store: &DisturbedStore, key: &ObjectKey, text: &'static str) {
    let bucket = store.bucket();
    bucket.put(key, text, WriteCondition::Always).await.unwrap();
}

fn none() -> BTreeSet<SiteName> {
    BTreeSet::new()
}

#[tokio::test]
async fn a_site_reads_what_another_one_says_and_asks_little() {
    let store = DisturbedStore::default();
    let (prague, brno) = (reports(&store), reports(&store));
    let led = leading("prague", 3);
    let said = report("ctl-1");
    assert_eq!(
        prague.publish(&led, &said).await.unwrap(),
        Publication::Written
    );
    let view = brno.view(&BTreeSet::from([site("brno")])).await;
    assert_eq!(view.trouble, None);
    let seen = &view.sites[&site("prague")];
    assert!(seen.is_fresh && seen.age_seconds < 5);
    assert_eq!(seen.report.epoch, Some(LeaderEpoch::new(3)));
    assert_eq!(seen.report.leader, "ctl-1");
    // Nothing has changed: a listing, and no report is written again.
    store.asked();
    assert_eq!(brno.view(&none()).await, view);
    assert_eq!(
        prague.publish(&led, &said).await.unwrap(),
        Publication::Unchanged
    );
    assert_eq!(store.asked(), ["list v1/sites"]);
    // Who asks for other sites does not get its own.
    assert!(
        prague
            .view(&BTreeSet::from([site("prague")]))
            .await
            .sites
            .is_empty()
    );
}

#[tokio::test]
async fn an_earlier_leader_does_not_replace_the_report_of_a_later_one() {
    let store = DisturbedStore::default();
    let (old, new) = (reports(&store), reports(&store));
    let (before, now) = (leading("prague", 3), leading("prague", 4));
    old.publish(&before, &report("ctl-1")).await.unwrap();
    new.publish(&now, &report("ctl-2")).await.unwrap();
    // It knows its own report only, and believes that it leads.
    let late = old.publish(&before, &report("late")).await.unwrap();
    assert_eq!(late, Publication::NotLeading);
    assert_eq!(
        new.view(&none()).await.sites[&site("prague")].report.leader,
        "ctl-2"
    );
    // A site without a report gets one that says that nothing is known of it.
    let first = new.renew(&leading("brno", 1), |_| {}).await.unwrap();
    let view = old.view(&BTreeSet::from([site("prague")])).await;
    let brno = &view.sites[&site("brno")].report;
    assert_eq!(
        (first, brno.troubles.len(), brno.is_complete),
        (Publication::Written, 1, false)
    );
    // Who knows that it does not lead asks nobody.
    store.asked();
    before.revoke();
    let late = old.publish(&before, &report("late")).await.unwrap();
    assert_eq!((late, store.asked()), (Publication::NotLeading, Vec::new()));
    let single = old.publish(&Authority::single(), &report("single")).await;
    assert_eq!(single.unwrap(), Publication::NotLeading);
}

#[tokio::test]
async fn a_restored_report_is_replaced_by_the_leader_of_now() {
    let store = DisturbedStore::default();
    let (leader, other) = (reports(&store), reports(&store));
    let led = leading("prague", 7);
    leader.publish(&led, &report("ctl-1")).await.unwrap();
    // The store is as it was in an earlier epoch, and somebody wrote there what is no report.
    reports(&store)
        .bucket
        .remove(&"v1/sites/prague/report.json".parse().unwrap())
        .await
        .unwrap();
    other
        .publish(&leading("prague", 2), &report("ctl-0"))
        .await
        .unwrap();
    let told = SiteReport {
        is_complete: true,
        ..report("ctl-1")
    };
    assert_eq!(
        leader.publish(&led, &told).await.unwrap(),
        Publication::Written
    );
    assert_eq!(
        other.view(&none()).await.sites[&site("prague")]
            .report
            .epoch,
        Some(LeaderEpoch::new(7))
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_goes_on_with_the_report_that_is_there_and_renews_it() {
    let store = DisturbedStore::default();
    let first = SiteReport {
        is_complete: true,
        ..report("ctl-1")
    };
    reports(&store)
        .publish(&leading("prague", 3), &first)
        .await
        .unwrap();
    // It has not read anything yet.
    let (next, led) = (reports(&store), leading("prague", 4));
    let mine = |report: &mut SiteReport| report.leader = "ctl-2".to_owned();
    assert_eq!(next.renew(&led, mine).await.unwrap(), Publication::Written);
    let seen = reports(&store).view(&none()).await;
    let seen = &seen.sites[&site("prague")].report;
    assert_eq!(
        (seen.leader.as_str(), seen.epoch),
        ("ctl-2", Some(LeaderEpoch::new(4)))
    );
    assert!(seen.is_complete);
    assert_eq!(
        next.renew(&led, mine).await.unwrap(),
        Publication::Unchanged
    );
    tokio::time::advance(RENEWED).await;
    store.asked();
    assert_eq!(next.renew(&led, mine).await.unwrap(), Publication::Written);
    assert_eq!(store.asked(), ["put v1/sites/prague/report.json"]);
}

#[tokio::test(start_paused = true)]
async fn a_report_gets_old_and_what_was_said_last_stays_known_without_a_store() {
    let store = DisturbedStore::default();
    let other = reports(&store);
    reports(&store)
        .publish(&leading("prague", 3), &report("ctl-1"))
        .await
        .unwrap();
    assert!(other.view(&none()).await.sites[&site("prague")].is_fresh);
    store.inject("list", "", StoreFault::Hangs, 1);
    let view = other.view(&none()).await;
    assert_eq!(
        view.trouble.as_deref(),
        Some("the store did not answer within 10 s")
    );
    let seen = &view.sites[&site("prague")];
    assert_eq!(
        (seen.is_fresh, seen.report.leader.as_str()),
        (false, "ctl-1")
    );
    assert!(other.view(&none()).await.sites[&site("prague")].is_fresh);
    tokio::time::advance(RENEWED * 4).await;
    let seen = &other.view(&none()).await.sites[&site("prague")];
    assert!(!seen.is_fresh && seen.age_seconds >= RENEWED.as_secs() * 4);
}

#[tokio::test]
async fn what_is_no_report_is_not_fresh_and_a_leader_replaces_it() {
    let store = DisturbedStore::default();
    let (leader, other, led) = (reports(&store), reports(&store), leading("prague", 3));
    leader.publish(&led, &report("ctl-1")).await.unwrap();
    other.view(&none()).await;
    let key = "v1/sites/prague/report.json".parse().unwrap();
    write(&store, &key, "<html>").await;
    let seen = &other.view(&none()).await.sites[&site("prague")];
    assert_eq!(
        (seen.is_fresh, seen.report.leader.as_str()),
        (false, "ctl-1")
    );
    // Who never read another one knows nothing of the site.
    assert!(reports(&store).view(&none()).await.sites.is_empty());
    leader.view(&none()).await;
    assert_eq!(
        leader.publish(&led, &report("ctl-1")).await.unwrap(),
        Publication::Written
    );
    assert!(other.view(&none()).await.sites[&site("prague")].is_fresh);
}

fn order() -> OrderId {
    "workers".parse().unwrap()
}

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
    assert!(there.instructions().await.unwrap().is_empty());
    assert!(here.instruct(&order(), pause).await.unwrap().is_paused);
    // Said by another controller, which knows nothing of the first: both count.
    there.instruct(&order(), stop).await.unwrap();
    let all = here.instructions().await.unwrap();
    let said = &all[&order()];
    assert!(said.is_paused && said.stopped.len() == 1);
    store.asked();
    assert_eq!(here.instructions().await.unwrap(), all);
    assert_eq!(store.asked(), ["list v1/rollouts"]);
    // What is said already is not written.
    here.instruct(&order(), pause).await.unwrap();
    assert_eq!(store.asked(), ["get v1/rollouts/workers.json"]);
    here.instruct(&order(), |said| *said = RolloutInstruction::default())
        .await
        .unwrap();
    assert_eq!(
        there.instructions().await.unwrap()[&order()],
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
    let all = reports(&store).instructions().await.unwrap();
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
async fn an_instruction_that_nobody_can_read_pauses_until_somebody_says_otherwise() {
    let store = DisturbedStore::default();
    let key = "v1/rollouts/workers.json".parse().unwrap();
    write(&store, &key, "paused").await;
    let here = reports(&store);
    assert!(here.instructions().await.unwrap()[&order()].is_paused);
    // What is said of it as it is read is written too.
    here.instruct(&order(), pause).await.unwrap();
    let text = store.bucket().get(&key).await.unwrap().unwrap();
    assert!(text.bytes.starts_with(b"{"));
    here.instruct(&order(), |said| said.is_paused = false)
        .await
        .unwrap();
    assert!(!here.instructions().await.unwrap()[&order()].is_paused);
}
