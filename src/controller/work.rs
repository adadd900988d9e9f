//! A controller: what the loop runs, and what is around a run.

mod calls;
mod telling;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::background::Background;
use super::collection::Collection;
use super::end::RunEnd;
use super::lead::{Lead, LeadError};
use super::leading::{LeadWatch, LedSites};
use super::metrics_file::MetricsFile;
use super::notifier::Notifier;
use super::orders_follower::OrdersFollower;
use super::queue::RunQueue;
use super::run::{FinishedRun, RunError};
use super::session::Session;
use super::site_reports::{FleetWatch, SiteTeller};
use super::teller::Teller;
use super::vitals::LoopVitals;
use crate::app::{App, Instructions, LiveReconciler, Mode, StartError};
use crate::conclude::Scope;
use crate::daemon::{RunContext, Waker};
use crate::error::chain;
use crate::live::{Finished, Live};
use crate::model::{ListenAddress, SiteName, Trigger};
use crate::plan::{RunOptions, Selection};
use crate::source::SourceTally;
use crate::store::StateDir;
use crate::upstream::RequestTally;
use crate::web::{Control, WebError, WebParts, WebServer};

/// How long a run of the loop waits for a manual run that holds the cache.
const LOCK_PATIENCE: Duration = Duration::from_secs(300);

/// Runs whenever the loop says so.
pub(super) struct Controller {
    config: Option<PathBuf>,
    orders: OrdersFollower,
    once: bool,
    app: App,
    reconciler: LiveReconciler,
    read_back: bool,
    /// Who says that closed windows do not count in the next run.
    windows_ignored_by: Option<String>,
    led: LedSites,
    /// The sites that the last run was for.
    led_before: Option<BTreeSet<SiteName>>,
    queue: RunQueue,
    background: Background,
    waker: Waker,
    /// What is removed from the store of a fleet.
    collection: Collection,
    metrics: Option<MetricsFile>,
    notifier: Notifier,
    /// Where somebody watches.
    live: Option<Live>,
    /// The server of the status page.
    web: Option<Arc<WebServer>>,
}

impl Controller {
    pub(super) fn start(
        config: Option<&Path>,
        orders: Option<&Path>,
        once: bool,
        queue: RunQueue,
        waker: &Waker,
    ) -> Result<Self, StartError> {
        let app = App::start(config, Mode::ReadWrite)?;
        let mut orders = OrdersFollower::new(orders, queue.look_now().clone());
        orders.check(&app)?;
        if !once {
            orders.watch(&app);
        }
        let reconciler = match once {
            true => app.reconciler()?,
            false => app.resident_reconciler()?,
        };
        // A single run is over before it is known what others want.
        let collection = match once {
            true => Collection::default(),
            false => Collection::new(&app),
        };
        Ok(Self {
            notifier: Notifier::new(&app),
            collection,
            config: config.map(Path::to_owned),
            orders,
            once,
            app,
            read_back: false,
            windows_ignored_by: None,
            led: LedSites::default(),
            led_before: None,
            queue,
            background: Background::new(&reconciler, waker.clone()),
            waker: waker.clone(),
            reconciler,
            metrics: None,
            live: None,
            web: None,
        })
    }

    /// Begins to lead, or to stand by.
    pub(super) fn lead(&mut self) -> Result<Lead, StartError> {
        let lead = Lead::keep(&self.app)?;
        self.led = lead.sites().clone();
        Ok(lead)
    }

    /// Tells of what is led from now on, and wakes the loop when that changes.
    pub(super) fn watch_lead(&self, lead: &Lead, waker: &Waker) -> Option<LeadWatch> {
        let (sites, state) = (lead.sites().clone(), self.app.state());
        LeadWatch::start(sites, state, self.live.clone(), waker.clone())
    }

    /// Does not wait for windows in the next run, by the word of somebody.
    pub(super) fn ignore_windows(&mut self, by: Option<String>) {
        self.windows_ignored_by = by;
    }

    /// Renews what other sites are told of those that are led, and shows what they tell.
    pub(super) fn watch_fleet(&self, lead: &Lead, waker: &Waker) -> Option<FleetWatch> {
        FleetWatch::start(&self.app, lead.sites(), self.live.clone(), waker.clone())
    }

    /// Writes its metrics to this file after each run.
    pub(super) fn write_metrics_to(&mut self, file: Option<MetricsFile>) {
        self.metrics = file;
    }

    /// Where requests to the upstreams are counted, and questions to the repository of the
    /// orders.
    pub(super) fn tallies(&self) -> (RequestTally, SourceTally) {
        (self.app.tally().clone(), self.app.asked().clone())
    }

    /// Listens for visitors, where the configuration or `listen` says so.
    pub(super) async fn open_web(
        &mut self,
        listen: Option<&ListenAddress>,
        control: Arc<dyn Control>,
        vitals: LoopVitals,
    ) -> Result<Option<Arc<WebServer>>, WebError> {
        let Some(address) = listen.or(self.app.settings().web.listen.as_ref()).cloned() else {
            return Ok(None);
        };
        let state = self.app.state();
        let status = state.status().unwrap_or_default();
        // What is shown before the first run is no less than what was shown before.
        self.app.count_on(&status.counters);
        let live = Live::new(status, self.app.now());
        let parts = WebParts {
            live: live.clone(),
            state,
            control,
            vitals: Arc::new(vitals),
            config: self.app.web(),
        };
        let server = Arc::new(WebServer::open(&address, parts).await?);
        let scheme = match server.address() {
            ListenAddress::Tcp(_) => "http://",
            ListenAddress::Unix(_) => "",
        };
        tracing::info!("status page at {scheme}{}", server.address());
        (self.live, self.web) = (Some(live), Some(Arc::clone(&server)));
        Ok(Some(server))
    }

    /// The orders, for the log.
    pub(super) fn orders_name(&self) -> String {
        self.orders.name(&self.app)
    }

    /// The controller's own files.
    pub(super) fn state(&self) -> StateDir {
        self.app.state()
    }

    /// Where it is kept what operators say of rollouts.
    pub(super) fn instructions(&self) -> Result<Instructions, StartError> {
        self.app.instructions()
    }

    /// Who tells people of runs.
    pub(super) fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    /// A run of the loop: what [`Session`] does, and what is around it.
    async fn one_run(
        &mut self,
        trigger: Trigger,
        mut asked: Vec<Scope>,
        ignore_windows: Vec<Selection>,
        running: &RunContext,
    ) -> RunEnd {
        let epochs = self.led.epochs();
        let led = epochs.as_ref().map(|led| led.keys().cloned().collect());
        if led != self.led_before {
            // What failed under another leadership is tried at once.
            asked.push(Scope::All);
        }
        self.led_before.clone_from(&led);
        self.tell_begin(trigger);
        // Held from before the memory is read until what was learned is kept: a manual
        // run in between would be forgotten.
        let lock = match self.background.lock() {
            Some(lock) => Ok(lock),
            None => tokio::select! {
                lock = self.app.lock(LOCK_PATIENCE) => lock.map_err(RunError::from),
                () = running.stop.cancelled() => Err(RunError::Stopped),
            },
        };
        let options = RunOptions {
            ignore_windows,
            ..self.app.run_options(false, self.read_back)
        };
        let fetched = self
            .orders
            .fetch(&self.app, trigger, lock.is_ok(), &running.stop);
        let orders = match fetched.await {
            Ok(orders) => orders,
            Err(error) => return RunEnd::failed(told(&error), None, self.due()),
        };
        let session = Session::begin(&self.app, &orders, trigger, &asked, options).await;
        let session = session.for_sites(led.clone()).renewing(!self.once);
        let session = session.waking((!self.once).then(|| self.waker.clone()));
        let stop = running.stop.child_token();
        let mut teller = Teller::new(
            self.app.state(),
            running.heartbeat.clone(),
            self.live.clone(),
        );
        if !self.once {
            teller = teller.handing_over(running.handover.clone());
        }
        let (lock, (done, lost)) = match lock {
            Ok(lock) => {
                let run = session.run(&self.reconciler, &stop, &running.handover, &mut teller);
                let done = self.led.while_led(epochs.as_ref(), &stop, run);
                (Some(lock), Box::pin(done).await)
            }
            Err(error) => (None, (Err(error), None)),
        };
        self.background.keep(lock, &self.reconciler);
        let now = self.app.now();
        match done {
            Ok(FinishedRun {
                report,
                kept,
                orders,
                is_recalled,
            }) => {
                self.read_back = false;
                match kept {
                    Ok((status, memory)) => {
                        self.collection.run_ended(&self.led);
                        self.write_metrics(&status, Some((&report, &memory)));
                        let notices = Some(&*report.look.plan.notices);
                        let is_partial = stop.is_cancelled() || is_recalled;
                        let told = self.notifier.run_ended(&status, notices, is_partial);
                        told.await;
                        let (verdict, next) =
                            (report.verdict, session.next_try(&memory, &report.look.plan));
                        self.tell_end(Some(&status), || Finished {
                            report,
                            orders,
                            memory,
                            at: now,
                        });
                        RunEnd::of(&verdict, status, next, now).stopped(lost)
                    }
                    Err(error) => {
                        let why = chain(&error);
                        tracing::error!(reason = why, "what the run did cannot be saved");
                        self.notifier.run_unsaved(&session.failed(&why)).await;
                        self.tell_failure(None);
                        RunEnd::failed(why, None, self.due())
                    }
                }
            }
            // Nothing failed: whoever leads now does what is to be done.
            Err(RunError::Stopped) if let Some(why) = lost => {
                self.tell_nothing_done();
                RunEnd::failed(why, None, self.due())
            }
            Err(error) => {
                let why = chain(&error);
                tracing::error!(reason = why, "the run failed before planning");
                let status = session.unable(&why).ok();
                if let Some(status) = &status {
                    self.write_metrics(status, None);
                }
                // Whoever asked it to stop knows.
                if let (Some(status), false) = (&status, matches!(error, RunError::Stopped)) {
                    self.notifier.run_ended(status, None, false).await;
                    if let Some(led) = &led {
                        let teller = SiteTeller::new(&self.app, led, !self.once);
                        teller.run_failed(&why).await;
                    }
                }
                self.tell_failure(status.as_ref());
                RunEnd::failed(why, status, self.due())
            }
        }
    }

    /// When a window opens or a ring has soaked that something waits for, as the last run
    /// that planned said.
    fn due(&self) -> Option<Timestamp> {
        self.app.state().status()?.still_due(self.app.now())
    }

    /// Leads for the one run.
    async fn lead_once(&mut self, stop: &CancellationToken) -> Result<Lead, LeadError> {
        let lead = Lead::for_run(&self.app, stop, |text| tracing::info!("{text}")).await?;
        self.led = lead.sites().clone();
        Ok(lead)
    }

    /// About when the next run is, before the loop has said it.
    fn about_next(&self) -> Option<Timestamp> {
        let interval = self.app.settings().reconcile.interval?;
        self.app.now().checked_add(interval).ok()
    }
}

/// An error on one line, with everything that is wrong in the configuration.
fn told(error: &StartError) -> String {
    let mut text = chain(error);
    if let StartError::Config(config) = error {
        for problem in config.problems() {
            text.push_str("; ");
            text.push_str(&problem.headline());
        }
    }
    text
}
