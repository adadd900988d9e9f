//! What was delivered to nodes of the API, as the leaders of a site hand it on:
//! `v1/sites/SITE/delivered.json`.
//!
//! A leader works with a record of its own, which it compares with the one in the store
//! before and after each run. Each write there has a name, its edition. Who knows the present
//! one has written all of it, or has read it, and is only ahead; to everybody else the store
//! is right.

use serde::{Deserialize, Serialize};

use crate::bucket::{Bucket, BucketError, ObjectKey, ObjectWritten, SMALL, WriteCondition};
use crate::model::{LeaderEpoch, NodeId, SiteName};
use crate::nodes::{Authority, DeliveredEntries};

/// So often the record is written when others write as well: a leader before this one does
/// so once at most.
const ATTEMPTS: usize = 3;

/// The record of one controller for the nodes of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SiteDeliveries {
    /// What was delivered.
    pub entries: DeliveredEntries,
    /// The edition in the store that it continues; `None` for one that was never shared.
    pub edition: Option<String>,
}

/// The record as it is in the store.
#[derive(Debug, Serialize, Deserialize)]
struct SharedRecord {
    /// That of the leader who wrote it.
    epoch: LeaderEpoch,
    edition: String,
    nodes: DeliveredEntries,
}

/// Why records could not be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveriesError {
    /// The store does not answer.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// Another controller leads the site.
    #[error("this controller does not lead the site any more")]
    NotLeading,
    /// Something else is there.
    #[error("{0} in the store is no record of deliveries; expected JSON with epoch and nodes")]
    Content(ObjectKey, #[source] serde_json::Error),
    /// The record is too large for an object that is read as a whole.
    #[error("the record of deliveries has {0} bytes; expected at most {SMALL}")]
    TooLarge(u64),
}

/// The records of all sites in a store.
#[derive(Debug, Clone)]
pub(crate) struct SharedDeliveries {
    bucket: Bucket,
}

impl SharedDeliveries {
    /// Nothing is asked of the store yet.
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self { bucket }
    }

    /// Makes the record of the site that this authority is over the same in the store and
    /// here, and gives it. From then on, a leader before this one cannot write it any more.
    /// `covers` is true for the nodes of the site that are known now.
    ///
    /// # Errors
    /// When it is not known what is in the store, or it cannot be written.
    pub(crate) async fn settle(
        &self,
        authority: &Authority,
        own: &SiteDeliveries,
        covers: impl Fn(&NodeId) -> bool,
    ) -> Result<SiteDeliveries, DeliveriesError> {
        let led = authority.fence().ok().flatten();
        let led = led.ok_or(DeliveriesError::NotLeading)?;
        let Some(key) = key(&led.site) else {
            return Ok(own.clone());
        };
        for _ in 0..ATTEMPTS {
            let (found, condition) = match self.bucket.get(&key).await? {
                None => (None, WriteCondition::Absent),
                Some(object) => {
                    let found: SharedRecord = serde_json::from_slice(&object.bytes)
                        .map_err(|source| DeliveriesError::Content(key.clone(), source))?;
                    (Some(found), WriteCondition::Unchanged(object.tag))
                }
            };
            if found.as_ref().is_some_and(|found| found.epoch > led.epoch) {
                return Err(DeliveriesError::NotLeading);
            }
            let entries = merged(found.as_ref(), own, &covers);
            if let Some(found) = found
                && found.epoch == led.epoch
                && found.nodes == entries
            {
                return Ok(SiteDeliveries {
                    entries,
                    edition: Some(found.edition),
                });
            }
            let record = SharedRecord {
                epoch: led.epoch,
                edition: format!("{:016x}", fastrand::u64(..)),
                nodes: entries,
            };
            let text = serde_json::to_vec(&record)
                .map_err(|source| DeliveriesError::Content(key.clone(), source))?;
            if text.len() as u64 > SMALL {
                return Err(DeliveriesError::TooLarge(text.len() as u64));
            }
            if authority.fence().ok().flatten().as_ref() != Some(&led) {
                return Err(DeliveriesError::NotLeading);
            }
            match self.bucket.put(&key, text, condition).await? {
                ObjectWritten::Done(_) => {
                    return Ok(SiteDeliveries {
                        entries: record.nodes,
                        edition: Some(record.edition),
                    });
                }
                ObjectWritten::Refused => {}
            }
        }
        Err(DeliveriesError::NotLeading)
    }
}

/// What the record is, given what is in the store.
fn merged(
    found: Option<&SharedRecord>,
    own: &SiteDeliveries,
    covers: impl Fn(&NodeId) -> bool,
) -> DeliveredEntries {
    let Some(found) = found else {
        return own.entries.clone();
    };
    match &own.edition {
        Some(edition) if *edition == found.edition => {
            let mut entries = own.entries.clone();
            // A cluster that has not told its nodes yet has them nevertheless.
            let others = found.nodes.iter().filter(|(node, _)| !covers(node));
            entries.extend(others.map(|(node, dirs)| (node.clone(), dirs.clone())));
            entries
        }
        Some(_) => found.nodes.clone(),
        // From before there was a fleet: what others did since then is right.
        None => {
            let mut entries = own.entries.clone();
            for (node, dirs) in &found.nodes {
                let known = entries.entry(node.clone()).or_default();
                for (dir, files) in dirs {
                    let known = known.entry(dir.clone()).or_default();
                    known.extend(
                        files
                            .iter()
                            .map(|(name, entry)| (name.clone(), entry.clone())),
                    );
                }
            }
            entries
        }
    }
}

/// Always one: the name of a site is a word of keys.
fn key(site: &SiteName) -> Option<ObjectKey> {
    format!("v1/sites/{site}/delivered.json").parse().ok()
}

#[cfg(test)]
mod tests {
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
                    edition: None,
                },
                shared: SharedDeliveries::new(store.bucket()),
            };
            leader
                .authority
                .grant(LeaderEpoch::new(epoch), Duration::MAX);
            leader
        }

        fn has(&mut self, names: &[&str]) {
            self.own.entries = entries("pve-1", names);
        }

        async fn settle(&mut self) -> Result<(), DeliveriesError> {
            let covers = |node: &NodeId| node.as_str() == "pve-1";
            let settled = self.shared.settle(&self.authority, &self.own, covers);
            self.own = settled.await?;
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_leader_continues_the_record_of_the_one_before() {
        let store = DisturbedStore::default();
        let mut first = Leader::new(&store, 1, &["a.iso"]);
        first.settle().await.unwrap();
        // A node that is not known yet is not forgotten.
        let own = first.own.clone();
        let nobody = |_: &NodeId| false;
        let none = SiteDeliveries {
            entries: DeliveredEntries::new(),
            ..own.clone()
        };
        let settled = first.shared.settle(&first.authority, &none, nobody).await;
        assert_eq!(settled.unwrap(), own);
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
        assert!(matches!(error, DeliveriesError::Content(..)), "{error}");
    }
}
