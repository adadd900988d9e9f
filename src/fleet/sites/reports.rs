//! The reports of all sites, with what is known of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::age::{StoreClock, older};
use super::error::FleetError;
use super::keys;
use super::stored::KnownInstruction;
use crate::bucket::{Bucket, BucketError, ListedObject, ObjectTag, StoredObject};
use crate::error::chain;
use crate::facts::SiteReport;
use crate::fleet::seal::{Dated, FleetKey, SealFault, SealPurpose};
use crate::model::{OrderId, SiteName};

/// How long a run waits for an answer of the store. It goes on without one.
const PATIENCE: Duration = Duration::from_secs(10);

/// The reports of all sites and the instructions on rollouts, in a store. Clones are one.
#[derive(Debug, Clone)]
pub(crate) struct SiteReports {
    pub(super) bucket: Bucket,
    pub(super) key: FleetKey,
    known: Arc<Mutex<KnownReports>>,
}

/// What the store said last.
#[derive(Debug, Default)]
pub(super) struct KnownReports {
    pub sites: BTreeMap<SiteName, KnownReport>,
    /// The newest report of each site that was ever read.
    pub newest: BTreeMap<SiteName, NewestReport>,
    pub instructions: BTreeMap<OrderId, KnownInstruction>,
    pub clock: StoreClock,
    /// By site, of the last run that this process told of.
    pub terms: BTreeMap<SiteName, ReportTerm>,
    /// By site, what that run saw, while it is not known to be in the store.
    pub untold: BTreeMap<SiteName, UntoldReport>,
}

/// For how long what a run saw counts without another run.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReportTerm {
    pub lasts: Duration,
    /// `None` for ever.
    pub end: Option<Instant>,
}

/// The report of a site, as the store said last.
#[derive(Debug, Clone)]
pub(super) struct KnownReport {
    pub tag: ObjectTag,
    /// When this process wrote it, if it did.
    pub written: Option<Instant>,
    /// The last one that was believed.
    pub report: Option<SiteReport>,
    /// Why it is not the one that is there.
    pub fault: Option<String>,
}

/// What a run saw and could not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UntoldReport {
    pub report: SiteReport,
    /// When the newest report was written then: a later one, of another process, counts.
    pub newest: Option<Timestamp>,
}

/// The newest report of a site.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewestReport {
    /// When it was written, by the clock of who wrote it.
    pub written: Timestamp,
    /// When it came to the store, by the clock of the store. `None` until the store
    /// tells.
    pub modified: Option<Timestamp>,
}

impl SiteReports {
    /// Nothing is asked of the store yet.
    pub(crate) fn new(bucket: Bucket, key: FleetKey) -> Self {
        Self {
            bucket,
            key,
            known: Arc::default(),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, KnownReports> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownReports {
    /// The store tells the time with an answer, or an object of this time is there.
    pub(super) fn hear(&mut self, told: Option<Timestamp>, modified: Timestamp) {
        match told {
            Some(time) => self.clock.set(time),
            None => self.clock.see(modified),
        }
    }

    /// A report was read. One that is not believed is known to be there, and the one before
    /// it is the last that is known.
    pub(super) fn note(&mut self, site: SiteName, object: &StoredObject, key: &FleetKey) {
        let read = opened(&site, object, key).and_then(|read| {
            self.is_newest(&site, read.written, object.modified)?;
            Ok(read.content)
        });
        if let Err(SealFault::Older) = read
            && self.is_late(&site, object)
        {
            return;
        }
        let fault = read.as_ref().err().map(|fault| chain(fault));
        if let Some(reason) = &fault {
            tracing::warn!(%site, reason, "the report of a site is not believed");
        }
        let before = self.sites.remove(&site).and_then(|known| known.report);
        let known = KnownReport {
            tag: object.tag.clone(),
            written: None,
            report: read.ok().or(before),
            fault,
        };
        self.sites.insert(site, known);
    }

    /// True if a newer report came to the store after this one: its answer was overtaken by
    /// that of another request of this process.
    fn is_late(&self, site: &SiteName, object: &StoredObject) -> bool {
        let newest = self.newest.get(site).and_then(|newest| newest.modified);
        self.sites.contains_key(site) && newest.is_some_and(|newest| object.modified < newest)
    }

    /// Keeps when the newest report was written. Somebody may put it there again: it is no
    /// younger then.
    fn is_newest(
        &mut self,
        site: &SiteName,
        written: Timestamp,
        modified: Timestamp,
    ) -> Result<(), SealFault> {
        let found = NewestReport {
            written,
            modified: Some(modified),
        };
        let known = self.newest.entry(site.clone()).or_insert(found);
        if written < known.written {
            return Err(SealFault::Older);
        }
        if written > known.written {
            *known = found;
        }
        known.modified.get_or_insert(modified);
        Ok(())
    }

    /// True if this is what is known. No two reports have the same bytes, so it is as old as
    /// it was.
    pub(super) fn has(&mut self, site: &SiteName, listed: &ListedObject) -> bool {
        let known = self.sites.get(site);
        let is_known = known.is_some_and(|known| known.tag.is_same_write(&listed.tag));
        if is_known && let Some(newest) = self.newest.get_mut(site) {
            newest.modified.get_or_insert(listed.modified);
        }
        is_known
    }

    /// How old the newest report of a site is, in seconds.
    pub(super) fn age(&self, site: &SiteName) -> u64 {
        let Some(newest) = self.newest.get(site) else {
            return 0;
        };
        let age = newest.modified.map_or(0, |at| self.clock.age(at));
        older(age, self.clock.age(newest.written))
    }
}

fn opened(
    site: &SiteName,
    object: &StoredObject,
    key: &FleetKey,
) -> Result<Dated<SiteReport>, SealFault> {
    // The name of the object is made of that of the site.
    let at = keys::report(site).map_err(|_| SealFault::Foreign)?;
    let opened = key.open(SealPurpose::Report, &at, &object.bytes)?;
    Ok(opened.content()?)
}

/// The answer to a request, waited for so long as a run can.
pub(super) async fn answer<T>(
    request: impl Future<Output = Result<T, BucketError>>,
) -> Result<T, FleetError> {
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(FleetError::Silent(PATIENCE)),
    }
}
