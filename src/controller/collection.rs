//! When a controller removes from the store what no site wants.

#![expect(
    clippy::disallowed_methods,
    reason = "counts the time between two collections"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::leading::LedSites;
use crate::app::App;
use crate::error::chain;
use crate::fleet::{CollectError, Collected, FleetWants, SiteReports, StoreCollector, WantsDoubt};
use crate::model::SiteName;

/// How often at most, as long as it is known what all sites want: what is removed is older than the shortest time that images are kept.
const EVERY: Duration = Duration::from_secs(3600);

/// Removes from the store what no site wants, in the background after a run. Dropped, it
/// removes nothing more.
#[derive(Default)]
pub(super) struct Collection {
    /// `None` where this controller never does it.
    collecting: Option<Arc<Mutex<Collecting>>>,
    /// The sites of the configuration.
    sites: BTreeSet<SiteName>,
    last: Option<Instant>,
    /// Last time it was not known what all sites want.
    is_in_doubt: Arc<AtomicBool>,
    task: Option<JoinHandle<()>>,
}

struct Collecting {
    collector: StoreCollector,
    reports: SiteReports,
    /// Why nothing was removed, as it was last told.
    told: Option<String>,
}

impl Collection {
    /// Whoever cannot use the store hears of it elsewhere.
    pub(super) fn new(app: &App) -> Self {
        let collector = app.store_collector().ok().flatten();
        let reports = app.site_reports().ok().flatten();
        let collecting = collector.zip(reports).map(|(collector, reports)| {
            Arc::new(Mutex::new(Collecting {
                collector,
                reports: reports.clone(),
                told: None,
            }))
        });
        Self {
            collecting,
            sites: app.settings().network.sites.keys().cloned().collect(),
            last: None,
            is_in_doubt: Arc::default(),
            task: None,
        }
    }

    /// The settings have changed.
    pub(super) fn renew(&mut self, app: &App) {
        let last = self.last;
        *self = Self::new(app);
        self.last = last;
    }

    /// A run is over. The leader of the first site does it for all of them: if nobody leads
    /// that one, it is not known what it wants either.
    pub(super) fn run_ended(&mut self, led: &LedSites) {
        let (Some(collecting), Some(now_led)) = (&self.collecting, led.led()) else {
            return;
        };
        let is_in_doubt = self.is_in_doubt.load(Ordering::Relaxed);
        let is_due = is_in_doubt || self.last.is_none_or(|last| last.elapsed() >= EVERY);
        let is_ours = self
            .sites
            .first()
            .is_some_and(|site| now_led.contains(site));
        let is_idle = self.task.as_ref().is_none_or(JoinHandle::is_finished);
        if !(is_due && is_ours && is_idle) {
            return;
        }
        self.last = Some(Instant::now());
        let (collecting, led) = (Arc::clone(collecting), led.clone());
        let (sites, is_in_doubt) = (self.sites.clone(), Arc::clone(&self.is_in_doubt));
        self.task = Some(tokio::spawn(async move {
            let mut collecting = collecting.lock().await;
            let done = collecting.collect(&sites, &led, &now_led).await;
            let doubts = matches!(done, Err(CollectError::Doubt(_)));
            is_in_doubt.store(doubts, Ordering::Relaxed);
            collecting.tell(done);
        }));
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Collecting {
    async fn collect(
        &mut self,
        sites: &BTreeSet<SiteName>,
        led: &LedSites,
        now_led: &BTreeSet<SiteName>,
    ) -> Result<Collected, CollectError> {
        let leads = || led.led().is_some_and(|led| led.is_superset(now_led));
        let view = self.reports.view(&BTreeSet::new()).await;
        let wants = FleetWants::of(sites, &view)?;
        self.collector.collect(&wants, now_led, leads).await
    }

    /// The same is told once, until it was different.
    fn tell(&mut self, done: Result<Collected, CollectError>) {
        let Err(error) = done else {
            self.told = None;
            return;
        };
        let reason = chain(&error);
        if self.told.as_ref() == Some(&reason) {
            return;
        }
        self.told = Some(reason.clone());
        match &error {
            CollectError::Doubt(
                doubt @ (WantsDoubt::NoReport { .. }
                | WantsDoubt::Old { .. }
                | WantsDoubt::Invalid { .. }),
            ) => {
                let hint = doubt.hint().map(|hint| format!("; hint: {hint}"));
                let reason = format!("{reason}{}", hint.unwrap_or_default());
                tracing::warn!(reason, "unwanted images stay in the store");
            }
            CollectError::Another | CollectError::NotLeading => {
                tracing::debug!(reason, "unwanted images stay in the store");
            }
            CollectError::Doubt(_) | CollectError::Bucket(_) | CollectError::Cut(_) => {
                tracing::info!(reason, "unwanted images stay in the store for now");
            }
        }
    }
}
