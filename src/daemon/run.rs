//! The loop.
//!
//! It sleeps until something requests a run, runs it, and learns from its end how
//! long to sleep at most. There is one place where a run is started, so runs
//! cannot overlap; signals, requests and reloads that arrive meanwhile wait for its
//! end. `--once` is the same loop, left after the first run.

use std::pin::pin;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::clock::{Clock, WallClock};
use super::error::DaemonError;
use super::pulse::Pulse;
use super::retry::Retry;
use super::schedule::Timetable;
use super::signals::{self, Signal};
use super::systemd::Manager;
use super::wake::{Triggers, Waker};
use super::watch::Watch;
use super::work::{Heartbeat, Options, RunContext, RunResult, Work};
use crate::model::Trigger;

/// How the loop ended, where nothing went wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The one run that was asked for is over.
    Once(RunResult),
    /// A signal asked for the end; with what the last run came to.
    Stopped(Option<RunResult>),
}

/// Executes runs until a signal asks for the end, or once.
///
/// `waker` may be kept and cloned by whoever else may request a run, and `pulse` by whoever
/// asks whether the loop lives.
///
/// # Errors
/// When the process lacks what the loop stands on: signals, a thread, the
/// scheduler. A run that fails is no such error; its end says so.
pub async fn run<W: Work>(
    work: W,
    options: Options,
    waker: Waker,
    pulse: Pulse,
) -> Result<Ended, DaemonError> {
    let signals = signals::listen(waker.clone()).map_err(DaemonError::Signals)?;
    let clock = WallClock::start().await?;
    let random = fastrand::Rng::new();
    let mut daemon = Daemon::new(work, options, waker, clock, signals, random);
    daemon.manager = Manager::from_env().beating(pulse);
    daemon.run(true).await
}

/// The loop's state between two runs.
pub(super) struct Daemon<W, C> {
    work: W,
    options: Options,
    waker: Waker,
    clock: C,
    signals: mpsc::UnboundedReceiver<Signal>,
    pub(super) manager: Manager,
    watch: Option<Watch>,
    random: fastrand::Rng,
    table: Timetable,
    retry: Retry,
    retry_at: Option<Instant>,
    stop: CancellationToken,
    reload: bool,
    /// Why the last configuration was refused.
    refused: Option<String>,
    last: Option<RunResult>,
    /// The next time that the work was told of since the last run, if it was: a
    /// run forgets it, even where the next one is due when it was before.
    told: Option<Option<Timestamp>>,
}

impl<W: Work, C: Clock> Daemon<W, C> {
    pub(super) fn new(
        work: W,
        options: Options,
        waker: Waker,
        clock: C,
        signals: mpsc::UnboundedReceiver<Signal>,
        mut random: fastrand::Rng,
    ) -> Self {
        let table = Timetable::new(&options.schedule, clock.now(), random.fork());
        Self {
            work,
            options,
            waker,
            clock,
            signals,
            manager: Manager::default(),
            watch: None,
            random,
            table,
            retry: Retry::default(),
            retry_at: None,
            stop: CancellationToken::new(),
            reload: false,
            refused: None,
            last: None,
            told: None,
        }
    }

    /// The loop itself. Without `watched` nobody looks after the orders, which is
    /// for tests on a paused clock.
    pub(super) async fn run(mut self, watched: bool) -> Result<Ended, DaemonError> {
        if watched && !self.options.once {
            self.watch().await?;
        }
        self.manager.ready("starting the first run");
        self.waker.wake(Trigger::Start);
        loop {
            if self.reload {
                self.reload().await?;
            }
            self.call_for_what_is_due();
            let triggers = self.waker.take();
            if triggers.is_empty() {
                self.sleep().await?;
            } else if let Some(why) = self.work.standby() {
                self.retry_at = None;
                self.manager.status(&why);
            } else {
                let end = self.execute(triggers).await;
                if self.options.once {
                    return Ok(Ended::Once(end));
                }
            }
            if self.stop.is_cancelled() {
                return Ok(Ended::Stopped(self.last));
            }
        }
    }

    async fn watch(&mut self) -> Result<(), DaemonError> {
        // The old one first: its watches may be what the new one lacks.
        self.watch = None;
        let options = &self.options;
        let Some(orders) = &options.orders else {
            return Ok(());
        };
        let watch = Watch::start(orders, options.watching, self.waker.clone());
        self.watch = Some(watch.await?);
        Ok(())
    }

    fn call_for_what_is_due(&mut self) {
        let due = self.table.take_due(self.clock.now());
        for request in due.iter().flatten() {
            self.work.take_note(*request);
        }
        if !due.is_empty() {
            self.waker.wake(Trigger::Schedule);
        }
        if self.retry_at.is_some_and(|at| at <= Instant::now()) {
            self.retry_at = None;
            self.waker.wake(Trigger::Retry);
        }
    }

    async fn execute(&mut self, triggers: Triggers) -> RunResult {
        tracing::info!(trigger = %triggers, "run started");
        self.manager.alive();
        let began = Instant::now();
        let end = self.execute_run(triggers).await;
        let took = began.elapsed();
        self.told = None;
        self.table.run_ended(self.clock.now(), end.due);
        let wait = self.retry.after(end.next, self.table.interval());
        self.retry_at = wait.map(|wait| Instant::now() + wait);
        tell_end(&end, took, wait);
        self.last = Some(end.clone());
        self.manager.alive();
        if !self.stop.is_cancelled() {
            self.manager.status(&self.status());
        }
        end
    }

    /// Stays awake for signals during a run.
    async fn execute_run(&mut self, triggers: Triggers) -> RunResult {
        let heartbeat = Heartbeat::default();
        let running = RunContext {
            stop: self.stop.clone(),
            handover: CancellationToken::new(),
            heartbeat: heartbeat.clone(),
        };
        let handover = running.handover.clone();
        let mut run = pin!(self.work.run(triggers, running));
        loop {
            tokio::select! {
                end = &mut run => return end,
                Some(signal) = self.signals.recv() => match signal {
                    Signal::Stop => stop(&mut self.manager, &self.stop),
                    Signal::Reload => self.reload = true,
                },
                () = heartbeat.beaten() => self.manager.alive(),
                () = self.waker.woken(), if !handover.is_cancelled() => {
                    if self.waker.is_called() {
                        handover.cancel();
                    }
                }
            }
        }
    }

    /// Sleeps until something may have to be done; not always is there something.
    async fn sleep(&mut self) -> Result<(), DaemonError> {
        let now = self.clock.now();
        self.table.correct(now);
        let next = self.table.next();
        self.clock.set(next).await?;
        self.tell_next(now, next);
        self.manager.alive();
        // The clock may be set back, and the watchdog has to hear of us.
        let longest = self.options.watching.poll.max(Duration::from_secs(1));
        let longest = self.manager.feed_every().unwrap_or(longest).min(longest);
        let retry = self.retry_at.unwrap_or_else(Instant::now);
        let gone = async {
            match &mut self.watch {
                Some(watch) => watch.gone().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.waker.woken() => {}
            () = self.clock.rung() => {}
            () = sleep_until(retry), if self.retry_at.is_some() => {}
            () = sleep(longest) => {}
            () = gone => return Err(DaemonError::WatchGone),
            Some(signal) = self.signals.recv() => match signal {
                Signal::Stop => stop(&mut self.manager, &self.stop),
                Signal::Reload => self.reload = true,
            },
        }
        Ok(())
    }

    /// Tells the work when the next run will be, where that changed.
    fn tell_next(&mut self, now: Timestamp, due: Option<Timestamp>) {
        let retry = self.retry_at.and_then(|at| {
            let wait = SignedDuration::try_from(at - Instant::now()).ok()?;
            // To the second: the same instant must not look like another one.
            now.checked_add(wait)
                .and_then(|at| at.round(jiff::Unit::Second))
                .ok()
        });
        let next = retry.into_iter().chain(due).min();
        if self.told != Some(next) {
            self.told = Some(next);
            self.work.waiting(next);
        }
    }

    async fn reload(&mut self) -> Result<(), DaemonError> {
        self.reload = false;
        self.manager.reloading();
        let done = self.work.reload();
        let result = match done {
            Ok(()) => {
                tracing::info!("configuration reloaded");
                self.refused = None;
                self.adopt(self.work.options()).await
            }
            Err(why) => {
                tracing::error!(
                    reason = why,
                    "the new configuration is invalid, the old one stays in effect"
                );
                self.refused = Some(why);
                Ok(())
            }
        };
        self.manager.ready(&self.status());
        result
    }

    /// Goes on with other options; what did not change is left as it is.
    async fn adopt(&mut self, options: Options) -> Result<(), DaemonError> {
        let old = std::mem::replace(&mut self.options, options);
        self.options.once = old.once;
        if self.options.schedule != old.schedule {
            let now = self.clock.now();
            self.table = Timetable::new(&self.options.schedule, now, self.random.fork());
        }
        self.waker.wake(Trigger::Reload);
        let same = (&self.options.orders, &self.options.watching) == (&old.orders, &old.watching);
        match same || self.options.once {
            true => Ok(()),
            false => self.watch().await,
        }
    }

    /// What the last run came to, and what is wrong with the configuration.
    fn status(&self) -> String {
        let line = self.last.as_ref().map_or("", |end| end.line.as_str());
        match &self.refused {
            None => line.to_owned(),
            // In front, as a status is cut at its end.
            Some(why) => format!("the new configuration is invalid: {why}; {line}"),
        }
    }
}

/// `retry` is how long the next attempt waits, where one is due before the schedule.
/// What went wrong was told when it did.
fn tell_end(end: &RunResult, took: Duration, retry: Option<Duration>) {
    let (result, converged) = (&end.line, end.converged);
    let took = format_args!("{:.1}s", took.as_secs_f64());
    match retry {
        None => tracing::info!(converged, took = %took, "run finished: {result}"),
        Some(wait) => {
            // Whole seconds: the rest is jitter.
            let retry_in = SignedDuration::from_secs(wait.as_secs().cast_signed());
            let retry_in = format_args!("{retry_in:#}");
            tracing::info!(converged, took = %took, retry_in = %retry_in, "run finished: {result}");
        }
    }
}

fn stop(manager: &mut Manager, token: &CancellationToken) {
    tracing::info!("stopping; send a second signal to exit at once");
    manager.stopping();
    token.cancel();
}
