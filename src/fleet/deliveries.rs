//! What was delivered to nodes of the API, as the leaders of a site hand it on:
//! `v1/sites/SITE/delivered.json`.
//!
//! A leader works with a record of its own, which it compares with the one in the store
//! before and after each run. Each write there has a name, its edition. Who knows the present
//! one has written all of it, or has read it, and is only ahead; to everybody else the store
//! is right. The name is kept before a write: one whose answer was lost is known as well.

mod error;
mod packed;
mod sealed;
#[cfg(test)]
mod tests;

pub(crate) use error::DeliveriesError;
use sealed::SharedRecord;

use super::seal::FleetKey;
use crate::bucket::{Bucket, ObjectKey, ObjectWritten, SMALL, WriteCondition};
use crate::model::{LeaderEpoch, NodeId, SiteName};
use crate::nodes::{Authority, DeliveredEntries, RecordEditions, RecordsError};

/// So often the record is written when others write as well: a leader before this one does
/// so once at most.
const ATTEMPTS: usize = 3;

/// The record of one controller for the nodes of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SiteDeliveries {
    /// What was delivered.
    pub entries: DeliveredEntries,
    /// The editions in the store that it continues.
    pub editions: RecordEditions,
}

/// The records of all sites in a store.
#[derive(Debug, Clone)]
pub(crate) struct SharedDeliveries {
    bucket: Bucket,
    key: FleetKey,
    /// The length of a record in bytes that others can read as a whole.
    limit: u64,
}

/// The record that this controller and the store should have.
struct Merged {
    own: SiteDeliveries,
    shared: DeliveredEntries,
}

impl SharedDeliveries {
    /// Nothing is asked of the store yet.
    pub(crate) fn new(bucket: Bucket, key: FleetKey) -> Self {
        Self {
            bucket,
            key,
            limit: SMALL,
        }
    }

    /// Makes the record of the site that this authority is over the same in the store and
    /// here, and gives it. From then on, a leader before this one cannot write it any more.
    /// `covers` is true for the nodes of the site that are known now. What is given to
    /// `remember` has to be kept before something is written: the answer may be lost.
    ///
    /// # Errors
    /// When it is not known what is in the store, or it cannot be written.
    pub(crate) async fn settle(
        &self,
        authority: &Authority,
        own: &SiteDeliveries,
        covers: impl Fn(&NodeId) -> bool,
        remember: impl Fn(&SiteDeliveries) -> Result<(), RecordsError>,
    ) -> Result<SiteDeliveries, DeliveriesError> {
        let led = authority.fence().ok().flatten();
        let led = led.ok_or(DeliveriesError::NotLeading)?;
        let Some(key) = key(&led.site) else {
            return Ok(own.clone());
        };
        let mut own = own.clone();
        for _ in 0..ATTEMPTS {
            let (found, condition) = match self.bucket.get(&key).await? {
                None => (None, WriteCondition::Absent),
                Some(object) => {
                    let text = packed::unpacked(&object.bytes);
                    let text =
                        text.map_err(|source| DeliveriesError::Packed(key.clone(), source))?;
                    let found = SharedRecord::read(&text, &key, &self.key)?;
                    (Some(found), WriteCondition::Unchanged(object.tag))
                }
            };
            if let Some(found) = &found
                && found.epoch > led.epoch
            {
                // So a leadership is asked for that is above it.
                authority.outranked(found.epoch);
                return Err(DeliveriesError::NotLeading);
            }
            let merged = merged(found.as_ref(), &own, &covers, &key)?;
            let (record, bytes) = self.record(&merged, led.epoch, &key)?;
            own = merged.own;
            if let Some(found) = found
                && found.epoch == led.epoch
                && found.nodes == record.nodes
            {
                own.editions = settled(found.edition);
                return Ok(own);
            }
            if record.nodes.is_none() {
                let (site, limit) = (&led.site, self.limit);
                tracing::warn!(%site, "deliveries are not told to other controllers: the record has more than {limit} bytes, also when it is packed");
            }
            own.editions.attempted = Some(record.edition.clone());
            remember(&own)?;
            if authority.fence().ok().flatten().as_ref() != Some(&led) {
                return Err(DeliveriesError::NotLeading);
            }
            match self.bucket.put(&key, bytes, condition).await? {
                ObjectWritten::Done(_) => {
                    own.editions = settled(record.edition);
                    return Ok(own);
                }
                ObjectWritten::Refused => {}
            }
        }
        Err(DeliveriesError::NotLeading)
    }

    /// What is to be in the store, and its bytes. A record that is too large takes the place
    /// of an older one nevertheless: nobody may believe that.
    fn record(
        &self,
        merged: &Merged,
        epoch: LeaderEpoch,
        key: &ObjectKey,
    ) -> Result<(SharedRecord, Vec<u8>), DeliveriesError> {
        let attempted = merged.own.editions.attempted.clone();
        let mut record = SharedRecord {
            epoch,
            edition: attempted.unwrap_or_else(|| format!("{:016x}", fastrand::u64(..))),
            nodes: Some(merged.shared.clone()),
        };
        let text = record.text(key, &self.key)?;
        let packed = packed::packed(text, self.limit);
        let packed = packed.map_err(|source| DeliveriesError::Packed(key.clone(), source))?;
        let bytes = match packed {
            Some(bytes) => bytes,
            None => {
                record.nodes = None;
                record.text(key, &self.key)?
            }
        };
        Ok((record, bytes))
    }
}

fn settled(edition: String) -> RecordEditions {
    RecordEditions {
        known: Some(edition),
        attempted: None,
    }
}

/// What the records are, given what is in the store. The own one continues that.
fn merged(
    found: Option<&SharedRecord>,
    own: &SiteDeliveries,
    covers: impl Fn(&NodeId) -> bool,
    key: &ObjectKey,
) -> Result<Merged, DeliveriesError> {
    let Some(found) = found else {
        return Ok(Merged {
            own: own.clone(),
            shared: own.entries.clone(),
        });
    };
    let is_own = own.editions.has(&found.edition);
    let nodes = match &found.nodes {
        Some(nodes) => nodes.clone(),
        None if is_own => DeliveredEntries::new(),
        None => return Err(DeliveriesError::Untold(key.clone())),
    };
    if is_own {
        let mut editions = own.editions.clone();
        // A write that arrived is not the next one.
        if editions.attempted.as_deref() == Some(&found.edition) {
            editions = settled(found.edition.clone());
        }
        // A cluster that has not told its nodes yet has them nevertheless. They are not
        // given to this controller: what has left the site is recorded by another one.
        let others = nodes.into_iter().filter(|(node, _)| !covers(node));
        let mut shared = own.entries.clone();
        shared.extend(others);
        let entries = own.entries.clone();
        return Ok(Merged {
            own: SiteDeliveries { entries, editions },
            shared,
        });
    }
    let entries = match own.editions.known {
        Some(_) => nodes,
        // From before there was a fleet: what others did since then is right.
        None => united(own.entries.clone(), nodes),
    };
    Ok(Merged {
        shared: entries.clone(),
        own: SiteDeliveries {
            entries,
            editions: settled(found.edition.clone()),
        },
    })
}

/// All entries; of two with the same name the later one.
fn united(mut entries: DeliveredEntries, later: DeliveredEntries) -> DeliveredEntries {
    for (node, dirs) in later {
        let known = entries.entry(node).or_default();
        for (dir, files) in dirs {
            known.entry(dir).or_default().extend(files);
        }
    }
    entries
}

/// Always one: the name of a site is a word of keys.
fn key(site: &SiteName) -> Option<ObjectKey> {
    format!("v1/sites/{site}/delivered.json").parse().ok()
}
