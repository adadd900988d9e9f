//! Writing the report of a site that is led.

use std::time::Duration;

use tokio::time::Instant;

use super::age::RENEWED;
use super::error::FleetError;
use super::keys;
use super::reports::{KnownReport, NewestReport, ReportTerm, SiteReports, UntoldReport, answer};
use crate::bucket::{ObjectKey, ObjectTag, ObjectWritten, SMALL, WriteCondition};
use crate::facts::SiteReport;
use crate::fleet::seal::{Dated, SealPurpose};
use crate::model::{LeaderEpoch, SiteName};
use crate::nodes::Authority;

/// So often writing is tried where somebody else writes meanwhile: at most a process beside
/// this one does, or a leader before it once.
const ATTEMPTS: u32 = 4;

/// A report that was written so long ago is written again although it is the same. Who looks
/// every minute does so before [`RENEWED`] is over.
const AGAIN: Duration = Duration::from_secs(RENEWED.as_secs() - 60);

/// What is behind in a site that has a leader and had no run.
const NO_RUN: &str = "there has been no run yet";

/// What the report of a leader says whose run does not end.
fn no_end(lasts: Duration) -> String {
    format!("no run has ended for {} minutes", lasts.as_secs() / 60)
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publication {
    /// It is in the store.
    Written,
    /// It was there already.
    Unchanged,
    /// It was not written: this process does not lead the site, or not any more.
    NotLeading,
}

impl SiteReports {
    /// Writes the report of the site that this authority is over, under its epoch. What it
    /// says of rollouts is renewed for as long as it `lasts`.
    ///
    /// # Errors
    /// When the store cannot be asked. The report may have been written nevertheless.
    pub(crate) async fn publish(
        &self,
        authority: &Authority,
        report: &SiteReport,
        lasts: Duration,
    ) -> Result<Publication, FleetError> {
        if let Ok(Some(led)) = authority.fence() {
            // The end of time is far away.
            let end = Instant::now().checked_add(lasts);
            let report = SiteReport {
                epoch: Some(led.epoch),
                ..report.clone()
            };
            let mut known = self.known();
            let newest = known.newest.get(&led.site).map(|newest| newest.written);
            let untold = UntoldReport { report, newest };
            known
                .terms
                .insert(led.site.clone(), ReportTerm { lasts, end });
            known.untold.insert(led.site, untold);
        }
        let told = self.write(authority, |_, _| report.clone()).await?;
        if let Some(site) = authority.site() {
            self.known().untold.remove(site);
        }
        Ok(told)
    }

    /// Writes the report that is there again: under the epoch of a new leader, or so that it
    /// does not get old. `change` says what is different in it.
    ///
    /// What an earlier leader saw says nothing of now, and neither does what was seen before
    /// a run that does not end: then the report is not complete, and tells nothing of
    /// rollouts. What is wanted stays. What a run saw that could not be told is told now, in
    /// place of what an earlier run saw.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub(crate) async fn renew(
        &self,
        authority: &Authority,
        change: impl Fn(&mut SiteReport),
    ) -> Result<Publication, FleetError> {
        let term = authority
            .site()
            .and_then(|site| self.known().terms.get(site).copied());
        let is_over = |term: &ReportTerm| term.end.is_some_and(|end| end <= Instant::now());
        let over = term.filter(is_over).map(|term| no_end(term.lasts));
        let untold = || self.known().untold.get(authority.site()?).cloned();
        let newest = || Some(self.known().newest.get(authority.site()?)?.written);
        let before = untold();
        let told = self.write(authority, |known, epoch| {
            let untold = untold().filter(|untold| untold.report.epoch == Some(epoch));
            let untold = untold.filter(|untold| untold.newest == newest());
            let untold = untold.map(|untold| untold.report);
            let newest = untold.or_else(|| known.cloned());
            let mut report = newest.unwrap_or_else(|| SiteReport {
                troubles: vec![NO_RUN.to_owned()],
                ..SiteReport::default()
            });
            if report.epoch != Some(epoch) {
                report.doubt(NO_RUN);
            }
            if let Some(why) = &over {
                report.doubt(why);
            }
            change(&mut report);
            report
        });
        let told = told.await?;
        // A run that ended meanwhile has its own.
        if let Some(site) = authority.site()
            && untold() == before
        {
            self.known().untold.remove(site);
        }
        Ok(told)
    }

    async fn write(
        &self,
        authority: &Authority,
        make: impl Fn(Option<&SiteReport>, LeaderEpoch) -> SiteReport,
    ) -> Result<Publication, FleetError> {
        // A single controller has no site, and tells nobody of it.
        let Ok(Some(led)) = authority.fence() else {
            return Ok(Publication::NotLeading);
        };
        let (site, key) = (&led.site, keys::report(&led.site)?);
        if !self.known().sites.contains_key(site) {
            self.reread(site).await?;
        }
        for _ in 0..ATTEMPTS {
            let known = self.known().sites.get(site).cloned();
            let before = known.as_ref().and_then(|known| known.report.as_ref());
            let theirs = before.and_then(|report| report.epoch);
            // Somebody else leads, whatever this process believes; or the leadership was
            // lost from the store and began anew, and needs a higher epoch.
            if let Some(later) = theirs.filter(|epoch| *epoch > led.epoch) {
                authority.outranked(later);
            }
            if authority.fence().ok().flatten().as_ref() != Some(&led) {
                return Ok(Publication::NotLeading);
            }
            let report = SiteReport {
                epoch: Some(led.epoch),
                ..make(before, led.epoch)
            };
            if known.as_ref().is_some_and(|known| known.is_recent(&report)) {
                return Ok(Publication::Unchanged);
            }
            let tag = known.map(|known| known.tag);
            let condition = tag.map_or(WriteCondition::Absent, WriteCondition::Unchanged);
            let before = self.known().newest.get(site).map(|newest| newest.written);
            let dated = Dated::after(before, report);
            let bytes = self.text(&key, &dated).map_err(|source| FleetError::Form {
                key: key.clone(),
                source,
            })?;
            match answer(self.bucket.put(&key, bytes, condition)).await? {
                ObjectWritten::Done(tag) => {
                    self.wrote(site, tag, dated);
                    return Ok(Publication::Written);
                }
                ObjectWritten::Refused => self.reread(site).await?,
            }
        }
        Err(FleetError::Contended {
            key,
            times: ATTEMPTS,
        })
    }

    fn wrote(&self, site: &SiteName, tag: ObjectTag, report: Dated<SiteReport>) {
        let mut known = self.known();
        if let Some(time) = self.bucket.server_time() {
            known.clock.set(time);
        }
        let newest = NewestReport {
            written: report.written,
            modified: known.clock.now(),
        };
        known.newest.insert(site.clone(), newest);
        let written = KnownReport {
            tag,
            written: Some(Instant::now()),
            report: Some(report.content),
            fault: None,
        };
        known.sites.insert(site.clone(), written);
    }

    /// As it is written. One that is too large for an object that is read as a whole does
    /// not say what is wanted, and says that.
    fn text(
        &self,
        key: &ObjectKey,
        report: &Dated<SiteReport>,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let sealed = |report: &Dated<SiteReport>| {
            serde_json::to_vec(&self.key.seal(SealPurpose::Report, key, report)?)
        };
        let whole = sealed(report)?;
        if (whole.len() as u64) < SMALL {
            return Ok(whole);
        }
        let mut report = report.clone();
        report.content.is_complete = false;
        report.content.wanted.clear();
        sealed(&report)
    }
}

impl KnownReport {
    /// True if this process wrote the same not long ago.
    fn is_recent(&self, report: &SiteReport) -> bool {
        let is_recent = self.written.is_some_and(|at| at.elapsed() < AGAIN);
        is_recent && self.fault.is_none() && self.report.as_ref() == Some(report)
    }
}
