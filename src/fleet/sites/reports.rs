//! The reports of all sites, with what is known of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::age::StoreClock;
use super::error::FleetError;
use crate::bucket::{Bucket, BucketError, ListedObject, ObjectTag, StoredObject};
use crate::facts::{RolloutInstruction, SiteReport};
use crate::model::{OrderId, SiteName};

/// How long a run waits for an answer of the store. It goes on without one.
const PATIENCE: Duration = Duration::from_secs(10);

/// The reports of all sites and the instructions on rollouts, in a store. Clones are one.
#[derive(Debug, Clone)]
pub(crate) struct SiteReports {
    pub(super) bucket: Bucket,
    known: Arc<Mutex<KnownReports>>,
}

/// What the store said last.
#[derive(Debug, Default)]
pub(super) struct KnownReports {
    pub sites: BTreeMap<SiteName, KnownReport>,
    pub instructions: BTreeMap<OrderId, KnownInstruction>,
    pub clock: StoreClock,
    /// By site, of the last run that this process told of.
    pub terms: BTreeMap<SiteName, ReportTerm>,
    /// By site, what that run saw, while it is not known to be in the store.
    pub untold: BTreeMap<SiteName, SiteReport>,
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
    /// When it was written, by the clock of the store.
    pub modified: Timestamp,
    /// When this process wrote it, if it did.
    pub written: Option<Instant>,
    /// The last one that could be read.
    pub report: Option<SiteReport>,
    /// It is the one that is there.
    pub is_readable: bool,
}

/// An instruction, as the store said last.
#[derive(Debug, Clone)]
pub(super) struct KnownInstruction {
    pub tag: ObjectTag,
    /// The last one that could be read.
    pub last: Option<RolloutInstruction>,
    /// It is the one that is there.
    pub is_readable: bool,
}

impl SiteReports {
    /// Nothing is asked of the store yet.
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self {
            bucket,
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

    /// A report was read. What nobody can read is known to be there, and the one before it
    /// is the last that is known.
    pub(super) fn note(&mut self, site: SiteName, object: &StoredObject) {
        let read = serde_json::from_slice(&object.bytes);
        if let Err(error) = &read {
            tracing::warn!(%site, reason = %error, "the report of a site cannot be read");
        }
        let is_readable = read.is_ok();
        let before = self.sites.remove(&site).and_then(|known| known.report);
        let known = KnownReport {
            tag: object.tag.clone(),
            modified: object.modified,
            written: None,
            report: read.ok().or(before),
            is_readable,
        };
        self.sites.insert(site, known);
    }

    /// True if this is what is known. When it was written again, that is noted.
    pub(super) fn has(&mut self, site: &SiteName, listed: &ListedObject) -> bool {
        let known = self.sites.get_mut(site);
        let known = known.filter(|known| known.tag.is_same_write(&listed.tag));
        let Some(known) = known else { return false };
        known.modified = known.modified.max(listed.modified);
        true
    }
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
