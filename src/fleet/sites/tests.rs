//! Tests of reports and instructions over a store whose answers go wrong.

mod instructions;
mod sealed;

use std::time::Duration;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Publication, RENEWED, SiteReports};
use crate::bucket::{ObjectKey, WriteCondition};
use crate::facts::{RingReport, SiteReport};
use crate::fleet::FleetKey;
use crate::fleet::tests::disturbed::{DisturbedStore, StoreFault};
use crate::model::{LeaderEpoch, OrderId, SiteName};
use crate::nodes::Authority;

/// For how long what a run saw counts.
const LASTS: Duration = Duration::from_secs(RENEWED.as_secs() * 3);

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
    SiteReports::new(store.bucket(), FleetKey::new(b"fleet"))
}

async fn write(store: &DisturbedStore, key: &ObjectKey, text: impl Into<Bytes>) {
    let bucket = store.bucket();
    let put = bucket.put(key, text, WriteCondition::Always);
    put.await.unwrap();
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
        prague.publish(&led, &said, LASTS).await.unwrap(),
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
        prague.publish(&led, &said, LASTS).await.unwrap(),
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
    old.publish(&before, &report("ctl-1"), LASTS).await.unwrap();
    new.publish(&now, &report("ctl-2"), LASTS).await.unwrap();
    // It knows its own report only, and believes that it leads.
    let late = old.publish(&before, &report("late"), LASTS).await.unwrap();
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
    let late = old.publish(&before, &report("late"), LASTS).await.unwrap();
    assert_eq!((late, store.asked()), (Publication::NotLeading, Vec::new()));
    let single = old
        .publish(&Authority::single(), &report("single"), LASTS)
        .await;
    assert_eq!(single.unwrap(), Publication::NotLeading);
}

#[tokio::test]
async fn a_restored_report_is_replaced_by_the_leader_of_now() {
    let store = DisturbedStore::default();
    let (leader, other) = (reports(&store), reports(&store));
    let led = leading("prague", 7);
    leader.publish(&led, &report("ctl-1"), LASTS).await.unwrap();
    // The store is as it was in an earlier epoch, and somebody wrote there what is no report.
    reports(&store)
        .bucket
        .remove(&"v1/sites/prague/report.json".parse().unwrap())
        .await
        .unwrap();
    other
        .publish(&leading("prague", 2), &report("ctl-0"), LASTS)
        .await
        .unwrap();
    let told = SiteReport {
        is_complete: true,
        ..report("ctl-1")
    };
    assert_eq!(
        leader.publish(&led, &told, LASTS).await.unwrap(),
        Publication::Written
    );
    assert_eq!(
        other.view(&none()).await.sites[&site("prague")]
            .report
            .epoch,
        Some(LeaderEpoch::new(7))
    );
}

/// A report of a ring that is in sync, and of an image that is wanted.
fn in_sync(leader: &str) -> SiteReport {
    let ring = RingReport {
        in_sync_seconds: Some(3600),
        ..RingReport::default()
    };
    let release = "image/a/v1.11.3/metal-amd64.iso".parse().unwrap();
    let rings = BTreeMap::from([("first".parse().unwrap(), ring)]);
    SiteReport {
        is_complete: true,
        wanted: BTreeSet::from(["a".to_owned()]),
        rollouts: BTreeMap::from([(order(), BTreeMap::from([(release, rings)]))]),
        ..report(leader)
    }
}

/// What others see of a site.
async fn seen(store: &DisturbedStore, name: &str) -> SiteReport {
    let view = reports(store).view(&none()).await;
    view.sites[&site(name)].report.clone()
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_renews_what_is_wanted_and_nothing_that_it_has_not_seen() {
    let store = DisturbedStore::default();
    let first = in_sync("ctl-1");
    reports(&store)
        .publish(&leading("prague", 3), &first, LASTS)
        .await
        .unwrap();
    // It has not read anything yet.
    let (next, led) = (reports(&store), leading("prague", 4));
    let mine = |report: &mut SiteReport| report.leader = "ctl-2".to_owned();
    assert_eq!(next.renew(&led, mine).await.unwrap(), Publication::Written);
    let told = seen(&store, "prague").await;
    assert_eq!(
        (told.leader.as_str(), told.epoch),
        ("ctl-2", Some(LeaderEpoch::new(4)))
    );
    assert!(!told.is_complete && told.rollouts.is_empty());
    assert_eq!((&told.wanted, told.troubles.len()), (&first.wanted, 1));
    assert_eq!(
        next.renew(&led, mine).await.unwrap(),
        Publication::Unchanged
    );
    tokio::time::advance(RENEWED).await;
    store.asked();
    assert_eq!(next.renew(&led, mine).await.unwrap(), Publication::Written);
    assert_eq!(store.asked(), ["put v1/sites/prague/report.json"]);
    // What it saw itself it renews.
    let own = in_sync("ctl-2");
    next.publish(&led, &own, LASTS).await.unwrap();
    tokio::time::advance(RENEWED).await;
    assert_eq!(next.renew(&led, mine).await.unwrap(), Publication::Written);
    assert_eq!(seen(&store, "prague").await.rollouts, own.rollouts);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_saw_is_not_renewed_for_ever() {
    let store = DisturbedStore::default();
    let (leader, led) = (reports(&store), leading("prague", 3));
    let told = in_sync("ctl-1");
    leader.publish(&led, &told, LASTS).await.unwrap();
    tokio::time::advance(LASTS - RENEWED).await;
    leader.renew(&led, |_| {}).await.unwrap();
    assert!(seen(&store, "prague").await.is_complete);
    // The same again counts anew.
    leader.publish(&led, &told, LASTS).await.unwrap();
    tokio::time::advance(RENEWED).await;
    leader.renew(&led, |_| {}).await.unwrap();
    assert!(seen(&store, "prague").await.is_complete);
    tokio::time::advance(LASTS).await;
    leader.renew(&led, |_| {}).await.unwrap();
    let hung = seen(&store, "prague").await;
    assert!(!hung.is_complete && hung.rollouts.is_empty());
    assert_eq!(hung.troubles, ["no run has ended for 15 minutes"]);
    assert_eq!(hung.wanted, told.wanted);
    leader.publish(&led, &told, LASTS).await.unwrap();
    leader.renew(&led, |_| {}).await.unwrap();
    assert_eq!(seen(&store, "prague").await.rollouts, told.rollouts);
}

#[tokio::test]
async fn what_a_run_could_not_tell_is_told_in_place_of_what_was_before_it() {
    let store = DisturbedStore::default();
    let (leader, led) = (reports(&store), leading("prague", 3));
    let first = in_sync("ctl-1");
    leader.publish(&led, &first, LASTS).await.unwrap();
    // The ring is out of sync in the next run.
    store.inject("put", "", StoreFault::Fails, 1);
    let next = leader.publish(&led, &report("ctl-1"), LASTS).await;
    assert!(next.is_err());
    leader.renew(&led, |_| {}).await.unwrap();
    assert!(seen(&store, "prague").await.rollouts.is_empty());
    leader.publish(&led, &first, LASTS).await.unwrap();
    leader.renew(&led, |_| {}).await.unwrap();
    assert_eq!(seen(&store, "prague").await.rollouts, first.rollouts);
    // What is known since then stays known.
    store.inject("put", "", StoreFault::Fails, 1);
    let next = leader.publish(&led, &report("ctl-1"), LASTS).await;
    assert!(next.is_err());
    leader.renew(&led, |told| told.doubt("why")).await.unwrap();
    leader.renew(&led, |_| {}).await.unwrap();
    assert_eq!(seen(&store, "prague").await.troubles, ["why"]);
}

#[tokio::test]
async fn a_report_of_a_higher_epoch_makes_its_leader_take_a_higher_one() {
    let store = DisturbedStore::default();
    let publish = async |led: &Authority| {
        let reports = reports(&store);
        reports.publish(led, &report("ctl-1"), LASTS).await.unwrap()
    };
    publish(&leading("prague", 9)).await;
    // The object of the leadership was lost, and its epochs began anew.
    let led = leading("prague", 1);
    assert_eq!(publish(&led).await, Publication::NotLeading);
    assert_eq!(led.outranked_by(), Some(LeaderEpoch::new(9)));
    led.grant(LeaderEpoch::new(10), Duration::MAX);
    assert_eq!(publish(&led).await, Publication::Written);
}

#[tokio::test(start_paused = true)]
async fn a_report_gets_old_and_what_was_said_last_stays_known_without_a_store() {
    let store = DisturbedStore::default();
    let other = reports(&store);
    reports(&store)
        .publish(&leading("prague", 3), &report("ctl-1"), LASTS)
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
    leader.publish(&led, &report("ctl-1"), LASTS).await.unwrap();
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
        leader.publish(&led, &report("ctl-1"), LASTS).await.unwrap(),
        Publication::Written
    );
    assert!(other.view(&none()).await.sites[&site("prague")].is_fresh);
}

fn order() -> OrderId {
    "workers".parse().unwrap()
}
