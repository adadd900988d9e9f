//! Removes from the store what no site wants any more: index entries first, later the bytes
//! that none names.
//!
//! Nothing depends on it for being right. Whoever wants an image that was just removed finds
//! no index entry, or no blob, and downloads it again. So this stops at everything that it does
//! not understand, and is quiet about a store that does not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::unwanted::{KeepTimes, UnwantedNow, UnwantedRecord, age};
use super::wants::{FleetWants, WantsDoubt};
use crate::bucket::{
    Bucket, BucketError, ListedObject, ObjectKey, ObjectTag, ObjectWritten, WriteCondition,
};
use crate::facts::StoredStock;
use crate::model::{Sha256, SiteName};
use crate::upstream::RequestTally;

/// A claim that was not renewed for so long is of nobody: one that is alive is rewritten every
/// few seconds.
const DEAD_CLAIM: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes what no site wants any more.
#[derive(Debug)]
pub(crate) struct StoreCollector {
    bucket: Bucket,
    keep: KeepTimes,
    tally: RequestTally,
    /// What each index entry names, which is read once.
    named: BTreeMap<ObjectKey, (ObjectTag, Named)>,
}

/// What an index entry says of its bytes.
#[derive(Debug, Clone)]
enum Named {
    Blob(ObjectKey),
    /// Nothing that can be understood.
    Unknown,
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    /// Index entries.
    pub images: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Claims of controllers that are gone.
    pub claims: u64,
}

/// Why no more was removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    /// It is not known what is wanted.
    #[error(transparent)]
    Doubt(#[from] WantsDoubt),
    /// The store does not answer.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// Another controller does the same now.
    #[error("another controller removes unwanted images")]
    Another,
    /// The leadership is over.
    #[error("this controller does not lead any more")]
    NotLeading,
    /// A listing lacks an object that is there.
    #[error("the list of the store lacks {0}, which is there")]
    Cut(ObjectKey),
}

/// What is in the store, as far as it may be removed.
struct Stock {
    now: Timestamp,
    sites: BTreeSet<SiteName>,
    index: Vec<ListedObject>,
    blobs: Vec<ListedObject>,
    claims: Vec<ListedObject>,
    record: Option<(ObjectTag, Option<UnwantedRecord>)>,
}

impl StoreCollector {
    pub(crate) fn new(bucket: Bucket, keep: KeepTimes, tally: RequestTally) -> Self {
        Self {
            bucket,
            keep,
            tally,
            named: BTreeMap::new(),
        }
    }

    /// Removes what was unwanted for long enough. `led` are the sites that this controller
    /// leads, and `leads` says whether it still does.
    ///
    /// # Errors
    /// When nothing more may be removed now; what was removed until then is counted.
    pub(crate) async fn collect(
        &mut self,
        wants: &FleetWants,
        led: &BTreeSet<SiteName>,
        leads: impl Fn() -> bool,
    ) -> Result<Collected, CollectError> {
        let stock = self.stock(led).await?;
        wants.knows(&stock.sites)?;
        let (named, is_all_known) = self.named(&stock.index).await?;
        let mut unwanted = UnwantedNow {
            images: keys(&stock.index)
                .filter(|key| !wants.images.contains(key))
                .cloned()
                .collect(),
            blobs: BTreeSet::new(),
        };
        // An entry that cannot be understood may name any of them.
        if is_all_known {
            let free = keys(&stock.blobs).filter(|key| !named.contains(key));
            unwanted.blobs = free.cloned().collect();
        }
        self.tally.count_store(|store| {
            store.stock = Some(StoredStock {
                images: stock.index.len() as u64,
                blobs: stock.blobs.len() as u64,
                bytes: stock.blobs.iter().map(|blob| blob.size).sum(),
            });
        });
        let record = self.record(&stock, &unwanted).await?;
        let mut collected = Collected::default();
        let removed = self.remove(&stock, &record, leads, &mut collected).await;
        self.tally.count_store(|store| {
            store.collected_images += collected.images;
            store.collected_blobs += collected.blobs;
            store.collected_bytes += collected.bytes;
            store.collected_claims += collected.claims;
        });
        if collected != Collected::default() {
            let Collected {
                images,
                blobs,
                bytes,
                claims,
            } = collected;
            tracing::info!(
                images,
                blobs,
                bytes,
                claims,
                "removed from the store what no site wants"
            );
        }
        removed.map(|()| collected)
    }

    async fn stock(&self, led: &BTreeSet<SiteName>) -> Result<Stock, CollectError> {
        let leaders = self.list("v1/leaders").await?;
        let own = leaders.iter().filter(|object| {
            let site = site_of(&object.key);
            site.is_some_and(|site| led.contains(&site))
        });
        // This controller wrote those a moment ago, so it is the time of the store's clock.
        let now = own.map(|object| object.modified).max();
        let now = now.ok_or(CollectError::NotLeading)?;
        let reported = self.list("v1/sites").await?;
        let sites = leaders.iter().chain(&reported);
        let sites: BTreeSet<_> = sites.filter_map(|object| site_of(&object.key)).collect();
        let record = unwanted_key().map(|key| async move { self.bucket.get(&key).await });
        let record = match record {
            Some(read) => read.await?,
            None => None,
        };
        let record = record.map(|object| {
            // Something else is replaced, and all times start over.
            (object.tag, serde_json::from_slice(&object.bytes).ok())
        });
        let stock = Stock {
            now,
            sites,
            index: self.list("v1/index").await?,
            blobs: self.list("v1/blobs").await?,
            claims: self.list("v1/claims").await?,
            record,
        };
        self.check(&stock).await?;
        Ok(stock)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, CollectError> {
        match prefix.parse() {
            Ok(prefix) => Ok(self.bucket.list(&prefix).await?),
            // The constants are prefixes.
            Err(_) => Ok(Vec::new()),
        }
    }

    /// What was there before and is not listed any more is gone.
    async fn check(&self, stock: &Stock) -> Result<(), CollectError> {
        let listed: BTreeSet<_> = keys(&stock.index).collect();
        let mut lacking: Vec<ObjectKey> = self
            .named
            .keys()
            .filter(|key| !listed.contains(key))
            .cloned()
            .collect();
        if let Some((_, Some(before))) = &stock.record {
            let gone = before.sites.difference(&stock.sites);
            lacking.extend(gone.map(|site| ObjectKey::of_site("v1/leaders", site)));
        }
        for key in lacking {
            if self.bucket.head(&key).await?.is_some() {
                return Err(CollectError::Cut(key));
            }
        }
        Ok(())
    }

    /// The blobs that index entries name, and whether all of them can be understood.
    async fn named(
        &mut self,
        index: &[ListedObject],
    ) -> Result<(BTreeSet<ObjectKey>, bool), CollectError> {
        let mut named = BTreeMap::new();
        for entry in index {
            let known = self.named.get(&entry.key);
            let known = known.filter(|(tag, _)| *tag == entry.tag);
            let now = match known {
                Some(known) => known.clone(),
                None => match self.bucket.get(&entry.key).await? {
                    Some(object) => (object.tag, named_in(&object.bytes)),
                    // It was just removed.
                    None => continue,
                },
            };
            named.insert(entry.key.clone(), now);
        }
        self.named = named;
        let mut is_all_known = true;
        let mut blobs = BTreeSet::new();
        for (key, (_, named)) in &self.named {
            match named {
                Named::Blob(blob) => drop(blobs.insert(blob.clone())),
                Named::Unknown => {
                    tracing::debug!(%key, "an index entry names no bytes; all of them are kept");
                    is_all_known = false;
                }
            }
        }
        Ok((blobs, is_all_known))
    }

    /// Writes down what is unwanted now.
    async fn record(
        &self,
        stock: &Stock,
        unwanted: &UnwantedNow,
    ) -> Result<UnwantedRecord, CollectError> {
        let before = stock
            .record
            .as_ref()
            .and_then(|(_, before)| before.as_ref());
        let nonce = format!("{:016x}", fastrand::u64(..));
        let sites = stock.sites.clone();
        let record = UnwantedRecord::after(before, unwanted, sites, (stock.now, nonce), &self.keep);
        let condition = match &stock.record {
            Some((tag, _)) => WriteCondition::Unchanged(tag.clone()),
            None => WriteCondition::Absent,
        };
        // Names and times always have a form.
        let text = serde_json::to_vec(&record).unwrap_or_default();
        let Some(key) = unwanted_key() else {
            return Err(CollectError::Another);
        };
        match self.bucket.put(&key, text, condition).await? {
            ObjectWritten::Done(_) => Ok(record),
            ObjectWritten::Refused => Err(CollectError::Another),
        }
    }

    async fn remove(
        &mut self,
        stock: &Stock,
        record: &UnwantedRecord,
        leads: impl Fn() -> bool,
        collected: &mut Collected,
    ) -> Result<(), CollectError> {
        let still = || leads().then_some(()).ok_or(CollectError::NotLeading);
        let index = stock.index.iter();
        for entry in index.filter(|entry| record.is_image_due(&entry.key, &self.keep)) {
            still()?;
            // Somebody may have written another one meanwhile.
            let found = self.bucket.head(&entry.key).await?;
            if found.is_some_and(|found| found.tag == entry.tag) {
                self.bucket.remove(&entry.key).await?;
                self.named.remove(&entry.key);
                collected.images += 1;
            }
        }
        let blobs = stock.blobs.iter();
        for blob in blobs.filter(|blob| record.is_blob_due(&blob.key, blob.modified, &self.keep)) {
            still()?;
            self.bucket.remove(&blob.key).await?;
            collected.blobs += 1;
            collected.bytes += blob.size;
        }
        let claims = stock.claims.iter();
        for claim in claims.filter(|claim| age(claim.modified, stock.now) >= DEAD_CLAIM) {
            still()?;
            // Whoever takes it over just now downloads without one, and so may another.
            self.bucket.remove(&claim.key).await?;
            collected.claims += 1;
        }
        Ok(())
    }
}

fn keys(listed: &[ListedObject]) -> impl Iterator<Item = &ObjectKey> {
    listed.iter().map(|object| &object.key)
}

fn unwanted_key() -> Option<ObjectKey> {
    "v1/unwanted.json".parse().ok()
}

/// The site of `v1/leaders/SITE.json` or `v1/sites/SITE/…`.
fn site_of(key: &ObjectKey) -> Option<SiteName> {
    let mut words = key.as_str().split('/').skip(1);
    let site = match (words.next()?, words.next()?) {
        ("leaders", file) => file.strip_suffix(".json")?,
        ("sites", site) => site,
        _ => return None,
    };
    site.parse().ok()
}

/// Whether an entry is believed does not matter here: whoever may write to the store can
/// also remove everything in it.
fn named_in(text: &[u8]) -> Named {
    #[derive(Deserialize)]
    struct NamesBlob {
        sha256: Sha256,
    }
    let named = serde_json::from_slice(text).ok();
    let key = named.and_then(|NamesBlob { sha256 }| super::keys::blob(&sha256).ok());
    key.map_or(Named::Unknown, Named::Blob)
}
