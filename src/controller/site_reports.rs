//! What the controller of a fleet tells the other sites: after each run, and while nothing
//! happens.

#![expect(
    clippy::disallowed_methods,
    reason = "waits between two reports while nothing happens"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::leading::LedSites;
use crate::app::App;
use crate::conclude::{
    FleetAnswer, Report, RingReports, RolloutLine, Status, rings_begun, rollouts, site_report,
};
use crate::daemon::Waker;
use crate::error::chain;
use crate::facts::{FleetView, Memory, RolloutInstruction, SiteReport};
use crate::fleet::{FleetError, Publication, RENEWED, RolloutNews, SiteReports, index_name};
use crate::live::Live;
use crate::model::{OrderId, SiteName, Trigger};
use crate::plan::{Desired, Look, Origin};
use crate::store::StateError;

/// How often it is looked whether a report has to be renewed.
const LOOK: Duration = Duration::from_secs(60);

/// How long a run waits to tell others what it did: they can wait, and the next run cannot.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same while the process is asked to stop.
const HASTE: Duration = Duration::from_secs(2);

/// So many runs may be missing before what the last one saw counts no more.
const MISSING: u32 = 3;

/// How long it counts where no runs are planned: as long as the report of a single run.
const UNPLANNED: Duration = Duration::from_secs(36 * 3600);

/// Who tells, and where.
pub(super) struct SiteTeller<'a> {
    app: &'a App,
    sites: &'a BTreeSet<SiteName>,
    /// The machine that it runs on.
    leader: String,
    /// It renews its reports for as long as it runs.
    is_resident: bool,
}

impl<'a> SiteTeller<'a> {
    /// For these sites, those that are led.
    pub(super) fn new(app: &'a App, sites: &'a BTreeSet<SiteName>, is_resident: bool) -> Self {
        Self {
            app,
            sites,
            leader: app.host(),
            is_resident,
        }
    }

    /// The rings of a plan, by site; none where nothing is in rings.
    pub(super) fn begun(&self, look: &Look) -> BTreeMap<SiteName, RingReports> {
        let is_any = !look.plan.rollouts.is_empty() && !look.plan.steps.is_empty();
        let sites = self.sites.iter().filter(|_| is_any).map(|site| {
            let only = BTreeSet::from([site.clone()]);
            let nodes = self.app.site_nodes(&only);
            (site.clone(), rings_begun(look, |node| nodes.covers(node)))
        });
        sites.collect()
    }

    /// A run has planned: tells which images go through rings now, as far as the last report
    /// does not, so that an operator may stop them from any machine. How far they are is told
    /// when the run is over.
    pub(super) async fn run_planned(&self, begun: BTreeMap<SiteName, RingReports>) {
        let Some(reports) = reports(self.app).filter(|_| !begun.is_empty()) else {
            return;
        };
        for (site, authority) in self.app.authorities_over(self.sites) {
            let begun = begun.get(site).into_iter().flatten();
            let told = reports.renew(authority, |report| {
                for (order, releases) in begun.clone() {
                    let known = report.rollouts.entry(order.clone()).or_default();
                    for (release, rings) in releases {
                        let known = known.entry(release.clone());
                        known.or_insert_with(|| rings.clone());
                    }
                }
                *report = self.signed(std::mem::take(report));
            });
            note(site, told.await);
        }
    }

    /// A run is over: tells how the sites are, or that this is not known where what the run
    /// did could not be `kept`. What cannot be told is in the log, and is no failure of the
    /// run.
    pub(super) async fn run_over(
        &self,
        kept: Result<(&Status, &Memory), &StateError>,
        report: &Report,
    ) {
        match kept {
            Ok((status, memory)) => self.run_ended(status, memory, report).await,
            Err(error) => self.run_failed(&chain(error)).await,
        }
    }

    async fn run_ended(&self, status: &Status, memory: &Memory, report: &Report) {
        let Some(reports) = reports(self.app) else {
            return;
        };
        let wanted = wanted(&report.look.desired);
        let ended = status.last_run.as_ref().map(|run| run.finished);
        let now = ended.unwrap_or_else(|| self.app.now());
        for (site, authority) in self.app.authorities_over(self.sites) {
            let only = BTreeSet::from([site.clone()]);
            let nodes = self.app.site_nodes(&only);
            let covers = |node: &_| nodes.covers(node);
            let told = site_report(status, report, memory, now, wanted.clone(), covers);
            let members = nodes.members();
            let told = self.signed(SiteReport { members, ..told });
            note(site, reports.publish(authority, &told, self.lasts()).await);
        }
    }

    /// A run could not plan: what the sites want is not known any more, and how far rings
    /// are is not either.
    pub(super) async fn run_failed(&self, why: &str) {
        let Some(reports) = reports(self.app) else {
            return;
        };
        for (site, authority) in self.app.authorities_over(self.sites) {
            let told = reports.renew(authority, |report| {
                report.doubt(why);
                *report = self.signed(std::mem::take(report));
            });
            note(site, told.await);
        }
    }

    /// For how long what a run saw counts.
    fn lasts(&self) -> Duration {
        let interval = self.app.settings().reconcile.interval;
        interval.map_or(UNPLANNED, |interval| interval.max(RENEWED) * MISSING)
    }

    fn signed(&self, report: SiteReport) -> SiteReport {
        SiteReport {
            leader: self.leader.clone(),
            renewed_within: self.is_resident.then_some(RENEWED.as_secs()),
            ..report
        }
    }
}

/// Tells the store something after a run. While it does not answer, neither the next run nor
/// the end of the process waits for long.
pub(super) async fn in_time(stop: &CancellationToken, telling: impl Future<Output = ()>) {
    let too_late = async {
        tokio::select! {
            () = tokio::time::sleep(PATIENCE) => {}
            () = async {
                stop.cancelled().await;
                tokio::time::sleep(HASTE).await;
            } => {}
        }
    };
    tokio::select! {
        () = telling => {}
        () = too_late => {
            tracing::warn!("the store does not answer in time; it is told of the run later");
        }
    }
}

/// Renews the reports of the sites that are led, shows those of all, and wakes the loop when
/// others say something new of rollouts, until it is dropped.
pub(super) struct FleetWatch(JoinHandle<()>);

impl FleetWatch {
    /// `None` for a single controller.
    pub(super) fn start(
        app: &App,
        led: &LedSites,
        live: Option<Live>,
        waker: Waker,
    ) -> Option<Self> {
        let mut shown = led.shown()?;
        let reports = reports(app)?.clone();
        let authorities = app.authorities().clone();
        let leader = app.host();
        let sites = app.fleet_sites();
        Some(Self(tokio::spawn(async move {
            let mut news = RolloutNews::default();
            loop {
                let led = shown.led();
                for (site, authority) in authorities.iter().filter(|(site, _)| led.contains(*site))
                {
                    let renewed = reports.renew(authority, |report| {
                        report.leader.clone_from(&leader);
                        report.renewed_within = Some(RENEWED.as_secs());
                    });
                    note(site, renewed.await);
                }
                let view = reports.view(&BTreeSet::new()).await;
                let instructed = reports.instructions(&BTreeMap::new()).await.ok();
                let known = live
                    .as_ref()
                    .map(|live| live.view().status.rollouts.clone());
                let known = known.unwrap_or_default();
                let reported = reported(&known, &view, &sites, instructed.as_ref());
                if news.are_there(&view, instructed, &led) && !led.is_empty() {
                    waker.wake(Trigger::Schedule);
                }
                if let Some(live) = &live {
                    live.fleet_changed(FleetAnswer::new(&view, &sites), reported);
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = shown.changed() => {}
                }
            }
        })))
    }
}

/// The images that go through rings at the sites of the fleet. `known` is from the last run,
/// for the order of the rings.
fn reported(
    known: &[RolloutLine],
    view: &FleetView,
    sites: &[SiteName],
    instructed: Option<&BTreeMap<OrderId, RolloutInstruction>>,
) -> Vec<RolloutLine> {
    let mut lines = rollouts::in_fleet(known, view, false, sites);
    for line in &mut lines {
        line.keep_to(instructed.and_then(|said| said.get(&line.planned.order)));
    }
    lines
}

impl Drop for FleetWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn reports(app: &App) -> Option<&SiteReports> {
    match app.site_reports() {
        Ok(reports) => reports,
        Err(error) => {
            tracing::warn!(
                reason = chain(&error),
                "other sites cannot be told of this one"
            );
            None
        }
    }
}

fn note(site: &SiteName, told: Result<Publication, FleetError>) {
    match told {
        Ok(Publication::Written | Publication::Unchanged) => {}
        Ok(Publication::NotLeading) => {
            tracing::debug!(%site, "nothing is told of a site that is not led any more");
        }
        Err(error) => {
            tracing::warn!(
                %site,
                reason = chain(&error),
                "the report of the site cannot be written"
            );
        }
    }
}

/// The names of the images in the index of the store.
fn wanted(desired: &Desired) -> BTreeSet<String> {
    let artifacts = desired.artifacts.iter();
    let names = artifacts.filter_map(|(artifact, want)| match &want.origin {
        Origin::Download { url } => index_name(artifact, url),
        Origin::Unpack { .. } => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_long_for_a_store_after_a_run() {
        let stop = CancellationToken::new();
        let begun = tokio::time::Instant::now();
        in_time(&stop, std::future::pending()).await;
        assert_eq!(begun.elapsed(), PATIENCE);
        stop.cancel();
        let begun = tokio::time::Instant::now();
        in_time(&stop, std::future::pending()).await;
        assert_eq!(begun.elapsed(), HASTE);
    }
}
