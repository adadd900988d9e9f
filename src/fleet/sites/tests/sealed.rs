//! Reports that somebody else wrote, or that were there before.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::{LASTS, in_sync, leading, none, report, reports, site, write};
use crate::bucket::ObjectKey;
use crate::facts::FleetView;
use crate::fleet::sites::{Publication, SiteReports};
use crate::fleet::tests::disturbed::DisturbedStore;

fn at(name: &str) -> ObjectKey {
    format!("v1/sites/{name}/report.json").parse().unwrap()
}

async fn there(store: &DisturbedStore, name: &str) -> Bytes {
    let object = store.bucket().get(&at(name)).await.unwrap();
    object.unwrap().bytes
}

/// A store with a report of a site.
async fn reported(leader: &SiteReports, epoch: u64) {
    let led = leading("prague", epoch);
    let told = leader.publish(&led, &in_sync("ctl-1"), LASTS).await;
    assert_eq!(told.unwrap(), Publication::Written);
}

/// True if what is seen of the site does not count, for this reason.
fn is_doubted(view: &FleetView, why: &str) -> bool {
    let seen = view.sites.get(&site("prague"));
    let said = view.invalid.get(&site("prague"));
    seen.is_none_or(|seen| !seen.is_fresh) && said.is_some_and(|said| said.contains(why))
}

#[tokio::test]
async fn a_report_that_nobody_of_the_fleet_wrote_is_none_and_a_leader_replaces_it() {
    let store = DisturbedStore::default();
    let (leader, other) = (reports(&store), reports(&store));
    leader
        .publish(&leading("brno", 4), &in_sync("ctl-3"), LASTS)
        .await
        .unwrap();
    reported(&leader, 7).await;
    assert!(other.view(&none()).await.sites[&site("prague")].is_fresh);
    let right = there(&store, "prague").await;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut report: Value = serde_json::from_slice(&right).unwrap();
        change(&mut report);
        Bytes::from(report.to_string())
    };
    let forged = [
        changed(&|report| drop(report.as_object_mut().unwrap().remove("mac"))),
        changed(&|report| report["epoch"] = 99.into()),
        changed(&|report| report["rollouts"] = Value::Object(serde_json::Map::new())),
        there(&store, "brno").await,
    ];
    for forged in forged {
        let text = String::from_utf8_lossy(&forged).into_owned();
        write(&store, &at("prague"), forged).await;
        // Who knows what the site said before, and who does not.
        let view = other.view(&none()).await;
        assert!(is_doubted(&view, "store.key_file"), "{text}: {view:?}");
        assert_eq!(view.sites[&site("prague")].report.leader, "ctl-1");
        let view = reports(&store).view(&none()).await;
        assert!(is_doubted(&view, "not sealed"), "{text}: {view:?}");
        assert!(!view.sites.contains_key(&site("prague")));
        // It makes no leader take another epoch, and does not stay.
        let led = leading("prague", 7);
        let told = leader.publish(&led, &in_sync("ctl-1"), LASTS).await;
        if told.unwrap() == Publication::Unchanged {
            leader.view(&none()).await;
            leader
                .publish(&led, &in_sync("ctl-1"), LASTS)
                .await
                .unwrap();
        }
        assert_eq!(led.outranked_by(), None);
        let view = other.view(&none()).await;
        assert!(view.invalid.is_empty() && view.sites[&site("prague")].is_fresh);
    }
}

#[tokio::test]
async fn an_older_report_is_refused_by_who_knows_a_newer_one() {
    let store = DisturbedStore::default();
    let (leader, other) = (reports(&store), reports(&store));
    reported(&leader, 7).await;
    let old = there(&store, "prague").await;
    leader
        .publish(&leading("prague", 7), &report("ctl-1"), LASTS)
        .await
        .unwrap();
    other.view(&none()).await;
    for is_removed in [false, true] {
        if is_removed {
            store.bucket().remove(&at("prague")).await.unwrap();
            assert!(other.view(&none()).await.sites.is_empty());
        }
        write(&store, &at("prague"), old.clone()).await;
        let view = other.view(&none()).await;
        assert!(is_doubted(&view, "older"), "{view:?}");
    }
    // Who reads for the first time cannot know; the leader does.
    assert!(reports(&store).view(&none()).await.invalid.is_empty());
    leader.view(&none()).await;
    let again = leader.renew(&leading("prague", 7), |_| {}).await.unwrap();
    assert_eq!(again, Publication::Written);
    assert!(other.view(&none()).await.invalid.is_empty());
}

#[tokio::test]
async fn a_report_that_is_put_there_again_does_not_get_fresh() {
    let store = DisturbedStore::default();
    let other = reports(&store);
    reported(&reports(&store), 7).await;
    assert!(other.view(&none()).await.sites[&site("prague")].is_fresh);
    let hours = 3;
    store.advance(Duration::from_secs(hours * 3600));
    let same = there(&store, "prague").await;
    for is_removed in [false, true] {
        if is_removed {
            store.bucket().remove(&at("prague")).await.unwrap();
            other.view(&none()).await;
        }
        write(&store, &at("prague"), same.clone()).await;
        // Who saw it before goes by that, who did not by the time of its writer.
        for (reader, age) in [(&other, hours), (&reports(&store), hours - 1)] {
            let view = reader.view(&none()).await;
            let seen = &view.sites[&site("prague")];
            assert!(!seen.is_fresh, "{seen:?}");
            assert!(seen.age_seconds / 60 >= age * 60 - 1, "{seen:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_overtaken_is_no_older_report() {
    let store = DisturbedStore::default();
    let (leader, other) = (reports(&store), reports(&store));
    reported(&leader, 7).await;
    let bucket = store.bucket();
    let first = bucket.get(&at("prague")).await.unwrap().unwrap();
    store.advance(Duration::from_secs(60));
    leader
        .publish(&leading("prague", 7), &report("ctl-1"), LASTS)
        .await
        .unwrap();
    let view = other.view(&none()).await;
    other.known().note(site("prague"), &first, &other.key);
    assert_eq!(other.view(&none()).await, view);
    assert!(view.invalid.is_empty());
}

#[tokio::test]
async fn a_controller_with_another_key_believes_nobody() {
    let store = DisturbedStore::default();
    reported(&reports(&store), 7).await;
    let key = crate::fleet::FleetKey::new(b"another");
    let stranger = SiteReports::new(store.bucket(), key);
    assert!(is_doubted(&stranger.view(&none()).await, "store.key_file"));
}
