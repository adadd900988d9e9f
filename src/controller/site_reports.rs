//! What the controller of a fleet tells the other sites: after each run, and while nothing
//! happens.

#![expect(
    clippy::disallowed_methods,
    reason = "waits between two reports while nothing happens"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::leading::LedSites;
use crate::app::App;
use crate::conclude::{FleetAnswer, Report, Status, ring_reports, site_report};
use crate::error::chain;
use crate::facts::{Memory, SiteReport};
use crate::fleet::{FleetError, Publication, RENEWED, SiteReports, index_name};
use crate::live::Live;
use crate::model::SiteName;
use crate::plan::{Desired, Origin};

/// How often it is looked whether a report has to be renewed.
const LOOK: Duration = Duration::from_secs(60);

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

    /// A run is over: tells how the sites are. What cannot be told is in the log, and is no
    /// failure of the run.
    pub(super) async fn run_ended(&self, status: &Status, report: &Report, memory: &Memory) {
        let Some(reports) = reports(self.app) else {
            return;
        };
        let wanted = wanted(&report.look.desired);
        for (site, authority) in self.app.authorities_over(self.sites) {
            let only = BTreeSet::from([site.clone()]);
            let nodes = self.app.site_nodes(&only);
            let covers = |node: &_| nodes.covers(node);
            let now = self.app.now();
            let rings = ring_reports(&report.look.plan, &report.outcomes, memory, now, covers);
            let told = site_report(status, report, wanted.clone(), rings, covers);
            let told = self.signed(told);
            note(site, reports.publish(authority, &told).await);
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
                report.is_complete = false;
                report.rollouts.clear();
                report.troubles.retain(|line| line != why);
                report.troubles.insert(0, why.to_owned());
                report.troubles.truncate(SiteReport::MOST_TROUBLES);
                *report = self.signed(std::mem::take(report));
            });
            note(site, told.await);
        }
    }

    fn signed(&self, report: SiteReport) -> SiteReport {
        SiteReport {
            leader: self.leader.clone(),
            renewed_within: self.is_resident.then_some(RENEWED.as_secs()),
            ..report
        }
    }
}

/// Renews the reports of the sites that are led, and shows those of all, until it is dropped.
pub(super) struct FleetWatch(JoinHandle<()>);

impl FleetWatch {
    /// `None` for a single controller.
    pub(super) fn start(app: &App, led: &LedSites, live: Option<Live>) -> Option<Self> {
        let mut shown = led.shown()?;
        let reports = reports(app)?.clone();
        let authorities = app.authorities().clone();
        let leader = app.host();
        let sites: Vec<_> = app.settings().network.sites.keys().cloned().collect();
        Some(Self(tokio::spawn(async move {
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
                if let Some(live) = &live {
                    let view = reports.view(&BTreeSet::new()).await;
                    live.fleet_changed(FleetAnswer::new(&view, &sites));
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = shown.changed() => {}
                }
            }
        })))
    }
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
