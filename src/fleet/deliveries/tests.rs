//! Leaders one after the other, and what the store does to them.

use std::cell::RefCell;
use std::time::Duration;

use super::*;
use crate::fleet::tests::disturbed::{DisturbedStore, StoreFault};

fn entries(node: &str, names: &[&str]) -> DeliveredEntries {
    let files = names.iter().map(|name| {
        let entry = serde_json::json!({
            "name": name, "size": 1, "mtime": 2, "inode": 1, "sha256": "ab".repeat(32),
            "artifact": { "version": "v1.11.3", "platform": "nocloud", "arch": "amd64",
                "secureboot": false, "schematic": "37".repeat(32), "format": "iso" },
            "orders": [], "placed_at": "2026-08-05T12:00:00Z",
        });
        let entry = serde_json::from_value(entry).unwrap();
        (name.parse().unwrap(), entry)
    });
    let dir = "/var/lib/vz/template/iso".parse().unwrap();
    let dirs = [(dir, files.collect())].into();
    [(node.parse().unwrap(), dirs)].into()
}

/// A controller, which leads under this epoch.
struct Leader {
    authority: Authority,
    own: SiteDeliveries,
    shared: SharedDeliveries,
}

impl Leader {
    fn new(store: &DisturbedStore, epoch: u64, names: &[&str]) -> Self {
        let leader = Self {
            authority: Authority::of_site("prague".parse().unwrap()),
            own: SiteDeliveries {
                entries: entries("pve-1", names),
                editions: RecordEditions::default(),
            },
            shared: SharedDeliveries::new(store.bucket(), FleetKey::new(b"fleet")),
        };
        leader
            .authority
            .grant(LeaderEpoch::new(epoch), Duration::MAX);
        leader
    }

    fn has(&mut self, names: &[&str]) {
        self.own.entries = entries("pve-1", names);
    }

    /// As the program does: what is to be remembered is there when the rest fails.
    async fn settle(&mut self) -> Result<(), DeliveriesError> {
        let covers = |node: &NodeId| node.as_str() == "pve-1";
        let kept = RefCell::new(self.own.clone());
        let remember = |own: &SiteDeliveries| {
            *kept.borrow_mut() = own.clone();
            Ok(())
        };
        let settled = self
            .shared
            .settle(&self.authority, &self.own, covers, remember);
        let settled = settled.await;
        self.own = kept.into_inner();
        self.own = settled?;
        Ok(())
    }
}

#[tokio::test]
async fn a_leader_continues_the_record_of_the_one_before() {
    let store = DisturbedStore::default();
    let mut first = Leader::new(&store, 1, &["a.iso"]);
    first.settle().await.unwrap();
    // A node that is not known yet is not forgotten, and not told to this controller.
    let own = first.own.clone();
    let none = SiteDeliveries {
        entries: DeliveredEntries::new(),
        ..own.clone()
    };
    let settled = first
        .shared
        .settle(&first.authority, &none, |_| false, |_| Ok(()));
    assert_eq!(settled.await.unwrap(), none);
    // Delivered and removed while it leads, and nothing is asked for twice.
    first.has(&["b.iso"]);
    first.settle().await.unwrap();
    store.asked();
    first.settle().await.unwrap();
    assert_eq!(store.asked(), ["get v1/sites/prague/delivered.json"]);
    let mut second = Leader::new(&store, 2, &["old.iso"]);
    second.settle().await.unwrap();
    // What it had before there was a fleet is there as well.
    assert_eq!(second.own.entries, entries("pve-1", &["b.iso", "old.iso"]));
    second.has(&["c.iso"]);
    second.settle().await.unwrap();
    // The first one comes back: what it knew is past.
    first.authority.grant(LeaderEpoch::new(3), Duration::MAX);
    first.settle().await.unwrap();
    assert_eq!(first.own.entries, entries("pve-1", &["c.iso"]));
}

#[tokio::test]
async fn a_leader_of_the_past_writes_nothing() {
    let store = DisturbedStore::default();
    let mut first = Leader::new(&store, 1, &["a.iso"]);
    first.settle().await.unwrap();
    let mut second = Leader::new(&store, 2, &[]);
    second.settle().await.unwrap();
    first.has(&["late.iso"]);
    let refused = first.settle().await.unwrap_err();
    assert!(matches!(refused, DeliveriesError::NotLeading));
    first.authority.revoke();
    let refused = first.settle().await.unwrap_err();
    assert!(matches!(refused, DeliveriesError::NotLeading));
    second.settle().await.unwrap();
    assert_eq!(second.own.entries, entries("pve-1", &["a.iso"]));
}

#[tokio::test]
async fn what_the_store_does_not_take_is_handed_on_later() {
    let store = DisturbedStore::default();
    let mut first = Leader::new(&store, 1, &["a.iso"]);
    first.settle().await.unwrap();
    for fault in [StoreFault::Fails, StoreFault::LosesAnswer] {
        first.has(&["b.iso"]);
        store.inject("put", "delivered", fault, 1);
        first.settle().await.unwrap_err();
        first.settle().await.unwrap();
        assert_eq!(first.own.entries, entries("pve-1", &["b.iso"]), "{fault:?}");
        first.has(&["a.iso"]);
        first.settle().await.unwrap();
    }
    store.inject("get", "delivered", StoreFault::Fails, 1);
    first.settle().await.unwrap_err();
}

#[tokio::test]
async fn what_is_no_record_is_unknown() {
    let store = DisturbedStore::default();
    let key = key(&"prague".parse().unwrap()).unwrap();
    let put = store.bucket().put(&key, "{}", WriteCondition::Always).await;
    put.unwrap();
    let mut first = Leader::new(&store, 1, &["a.iso"]);
    let error = first.settle().await.unwrap_err();
    assert!(matches!(error, DeliveriesError::Foreign(..)), "{error}");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_continued() {
    let store = DisturbedStore::default();
    let mut first = Leader::new(&store, 1, &["a.iso"]);
    first.settle().await.unwrap();
    // Before the run.
    first.has(&["a.iso", "b.iso"]);
    store.inject("put", "delivered", StoreFault::LosesAnswer, 1);
    first.settle().await.unwrap_err();
    // What the run delivers and removes.
    first.has(&["b.iso", "c.iso"]);
    first.settle().await.unwrap();
    assert_eq!(first.own.entries, entries("pve-1", &["b.iso", "c.iso"]));
    assert_eq!(first.own.editions.attempted, None);
    // Also the first one of a leader, which has read what others did.
    let mut second = Leader::new(&store, 2, &["old.iso"]);
    store.inject("put", "delivered", StoreFault::LosesAnswer, 1);
    second.settle().await.unwrap_err();
    let all = entries("pve-1", &["b.iso", "c.iso", "old.iso"]);
    assert_eq!(second.own.entries, all);
    second.has(&["c.iso"]);
    second.settle().await.unwrap();
    assert_eq!(second.own.entries, entries("pve-1", &["c.iso"]));
}

#[tokio::test]
async fn what_another_one_wrote_after_a_lost_answer_is_right() {
    let store = DisturbedStore::default();
    let mut first = Leader::new(&store, 1, &["a.iso"]);
    store.inject("put", "delivered", StoreFault::LosesAnswer, 1);
    first.settle().await.unwrap_err();
    let mut second = Leader::new(&store, 2, &[]);
    second.settle().await.unwrap();
    second.has(&["b.iso"]);
    second.settle().await.unwrap();
    first.authority.grant(LeaderEpoch::new(3), Duration::MAX);
    first.own.editions.known = Some("before".to_owned());
    first.settle().await.unwrap();
    assert_eq!(first.own.entries, entries("pve-1", &["b.iso"]));
}

#[tokio::test]
async fn only_a_record_with_the_key_of_the_fleet_and_of_the_site_is_believed() {
    let store = DisturbedStore::default();
    let mut first = Leader::new(&store, 1, &["a.iso"]);
    first.settle().await.unwrap();
    let mut other = Leader::new(&store, 2, &[]);
    other.shared = SharedDeliveries::new(store.bucket(), FleetKey::new(b"other"));
    let error = other.settle().await.unwrap_err();
    assert!(matches!(error, DeliveriesError::Foreign(..)), "{error}");
    // That of another site, and one that was changed.
    let at = |site: &str| key(&site.parse().unwrap()).unwrap();
    let bucket = store.bucket();
    let prague = bucket.get(&at("prague")).await.unwrap().unwrap();
    let brno = at("brno");
    let put = bucket.put(&brno, prague.bytes.clone(), WriteCondition::Always);
    put.await.unwrap();
    other.authority = Authority::of_site("brno".parse().unwrap());
    other.shared = first.shared.clone();
    other.authority.grant(LeaderEpoch::new(2), Duration::MAX);
    let error = other.settle().await.unwrap_err();
    assert!(matches!(error, DeliveriesError::Foreign(..)), "{error}");
    let changed = String::from_utf8(prague.bytes.to_vec()).unwrap();
    let changed = changed.replace("\"epoch\":1", "\"epoch\":9");
    let key = at("prague");
    let put = bucket.put(&key, changed, WriteCondition::Always);
    put.await.unwrap();
    let error = first.settle().await.unwrap_err();
    assert!(matches!(error, DeliveriesError::Foreign(..)), "{error}");
    assert_eq!(first.authority.outranked_by(), None);
}

#[tokio::test]
async fn a_leader_below_the_epoch_of_the_record_asks_for_a_higher_one() {
    let store = DisturbedStore::default();
    Leader::new(&store, 5, &["a.iso"]).settle().await.unwrap();
    let mut below = Leader::new(&store, 2, &[]);
    below.settle().await.unwrap_err();
    assert_eq!(below.authority.outranked_by(), Some(LeaderEpoch::new(5)));
}

#[tokio::test]
async fn a_record_that_is_too_large_leaves_no_older_one() {
    let store = DisturbedStore::default();
    let mut first = Leader::new(&store, 1, &["a.iso"]);
    first.settle().await.unwrap();
    first.shared.limit = 100;
    first.has(&["b.iso"]);
    for _ in 0..2 {
        first.settle().await.unwrap();
        assert_eq!(first.own.entries, entries("pve-1", &["b.iso"]));
    }
    let mut second = Leader::new(&store, 2, &[]);
    let error = second.settle().await.unwrap_err();
    assert!(matches!(error, DeliveriesError::Untold(..)), "{error}");
    // It fits again.
    first.shared.limit = SMALL;
    first.settle().await.unwrap();
    second.settle().await.unwrap();
    assert_eq!(second.own.entries, entries("pve-1", &["b.iso"]));
}

/// What the API of 300 nodes with 20 images each was given.
fn of_a_large_site() -> DeliveredEntries {
    let dir: crate::model::Dir = "/var/lib/vz/template/iso".parse().unwrap();
    let nodes =
        (0..300_u64).map(|node| {
            let files = (0..20_u64).map(|image| {
            let one = fastrand::Rng::with_seed(node * 20 + image).u64(..1 << 40);
            let schematic = format!("{image:064x}");
            let name = format!("talos-v1.11.{image}-nocloud-amd64-{}.iso", &schematic[52..]);
            let entry = serde_json::json!({
                "name": name, "size": 100_000_000 + image, "mtime": 1_764_000_000_000_000_000 + one,
                "inode": one % 10_000_000, "sha256": format!("{:064x}", image * 7919),
                "artifact": { "version": format!("v1.11.{image}"), "platform": "nocloud",
                    "arch": "amd64", "secureboot": false, "schematic": schematic,
                    "format": "iso" },
                "orders": ["workers"], "owner": "prague",
                "revision": format!("main@sha1:{image:040x}"),
                "placed_at": jiff::Timestamp::from_microsecond(
                    1_764_000_000_000_000 + i64::try_from(one).unwrap()
                ).unwrap(),
            });
            (name.parse().unwrap(), serde_json::from_value(entry).unwrap())
        });
            let node = format!("pve-{node:03}").parse().unwrap();
            (node, [(dir.clone(), files.collect())].into())
        });
    nodes.collect()
}

#[tokio::test]
async fn the_record_of_hundreds_of_nodes_is_handed_on() {
    let store = DisturbedStore::default();
    let mut first = Leader::new(&store, 1, &[]);
    first.own.entries = of_a_large_site();
    let text = serde_json::to_vec(&first.own.entries).unwrap();
    first.settle().await.unwrap();
    let at = key(&"prague".parse().unwrap()).unwrap();
    let object = store.bucket().get(&at).await.unwrap().unwrap();
    println!(
        "{} bytes of JSON, {} in the store",
        text.len(),
        object.bytes.len()
    );
    assert!(text.len() as u64 > 3 * SMALL);
    assert!((object.bytes.len() as u64) < SMALL / 2);
    let mut second = Leader::new(&store, 2, &[]);
    second.own.entries.clear();
    second.settle().await.unwrap();
    assert!(second.own.entries == first.own.entries);
    // Nothing has changed, and nothing is written.
    store.asked();
    second.settle().await.unwrap();
    assert_eq!(store.asked(), ["get v1/sites/prague/delivered.json"]);
    // Somebody else packed something.
    let packed = zstd::encode_all(&b"{}"[..], 1).unwrap();
    let bucket = store.bucket();
    let put = bucket.put(&at, packed, WriteCondition::Always);
    put.await.unwrap();
    let error = second.settle().await.unwrap_err();
    assert!(matches!(error, DeliveriesError::Foreign(..)), "{error}");
}
