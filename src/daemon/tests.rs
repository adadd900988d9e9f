//! The loop on a paused clock: what wakes it, to the second.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_cron_scheduler::JobSchedulerError;

use super::clock::Clock;
use super::run::Daemon;
use super::signals::Signal;
use super::systemd::Manager;
use super::*;
use crate::model::Trigger;

mod manager;

/// A clock that follows tokio's.
struct PausedClock {
    start: Timestamp,
    origin: Instant,
    at: Option<Timestamp>,
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        self.start + SignedDuration::try_from(self.origin.elapsed()).unwrap()
    }

    async fn set(&mut self, at: Option<Timestamp>) -> Result<(), JobSchedulerError> {
        self.at = at;
        Ok(())
    }

    async fn rung(&self) {
        match self.at {
            None => std::future::pending().await,
            Some(at) => {
                let wait = at.duration_since(self.start);
                let wait = Duration::try_from(wait).unwrap_or_default();
                sleep_until(self.origin + wait).await;
            }
        }
    }
}

/// What the work was asked for, as `600 schedule`.
type Log = Arc<Mutex<Vec<String>>>;

struct Script {
    origin: Instant,
    log: Log,
    takes: Duration,
    ends: VecDeque<NextRun>,
    /// What each run says is due.
    dues: VecDeque<Option<Timestamp>>,
    /// What a reload finds; a refusal where there is nothing.
    reloads: VecDeque<Options>,
    options: Options,
    next: Arc<Mutex<Option<Timestamp>>>,
    beats: bool,
}

impl Script {
    fn note(&self, what: &str) {
        let seconds = self.origin.elapsed().as_secs();
        self.log.lock().unwrap().push(format!("{seconds} {what}"));
    }
}

impl Work for Script {
    async fn run(&mut self, triggers: Triggers, running: RunContext) -> RunResult {
        self.note(&triggers.to_string());
        let end = Instant::now() + self.takes;
        while Instant::now() < end {
            if self.beats {
                running.heartbeat.beat();
            }
            let step = (Instant::now() + Duration::from_secs(1)).min(end);
            tokio::select! {
                () = sleep_until(step) => {}
                () = running.stop.cancelled() => {
                    self.note("stopped");
                    break;
                }
            }
        }
        RunResult {
            converged: false,
            next: self.ends.pop_front().unwrap_or(NextRun::Scheduled),
            due: self.dues.pop_front().flatten(),
            line: "line".to_owned(),
        }
    }

    fn take_note(&mut self, request: LoopRequest) {
        self.note(&format!("{request:?}"));
    }

    fn reload(&mut self) -> Result<(), String> {
        self.note("reload");
        self.options = self.reloads.pop_front().ok_or("it is wrong")?;
        Ok(())
    }

    fn options(&self) -> Options {
        self.options.clone()
    }

    fn waiting(&mut self, next: Option<Timestamp>) {
        *self.next.lock().unwrap() = next;
    }
}

fn start() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn options() -> Options {
    Options {
        orders: Some(PathBuf::from("orders")),
        schedule: LoopSchedule {
            interval: Some(Duration::from_secs(600)),
            jitter: 0.0,
            cron: None,
            versions: None,
            verify: None,
            verify_cron: None,
        },
        watching: Watching::default(),
        once: false,
    }
}

/// A loop that runs, and everything that a test pokes it with.
struct Case {
    log: Log,
    next: Arc<Mutex<Option<Timestamp>>>,
    waker: Waker,
    signals: mpsc::UnboundedSender<Signal>,
    running: JoinHandle<Result<Ended, DaemonError>>,
}

impl Case {
    fn begin(options: Options, change: impl FnOnce(&mut Script, &mut Manager)) -> Self {
        let origin = Instant::now();
        let (log, next) = (Log::default(), Arc::default());
        let mut script = Script {
            origin,
            log: Arc::clone(&log),
            takes: Duration::ZERO,
            ends: VecDeque::new(),
            dues: VecDeque::new(),
            reloads: VecDeque::new(),
            options: options.clone(),
            next: Arc::clone(&next),
            beats: false,
        };
        let mut manager = Manager::default();
        change(&mut script, &mut manager);
        let clock = PausedClock {
            start: start(),
            origin,
            at: None,
        };
        let waker = Waker::default();
        let (signals, receiver) = mpsc::unbounded_channel();
        let random = fastrand::Rng::with_seed(1);
        let mut daemon = Daemon::new(script, options, waker.clone(), clock, receiver, random);
        daemon.manager = manager;
        Self {
            log,
            next,
            waker,
            signals,
            running: tokio::spawn(daemon.run(false)),
        }
    }

    /// What happened in the next so many seconds.
    async fn within(&self, seconds: u64) -> Vec<String> {
        sleep(Duration::from_secs(seconds)).await;
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_converged_world_is_looked_at_by_the_schedule_only() {
    let case = Case::begin(options(), |_, _| {});
    assert_eq!(
        case.within(1801).await,
        ["0 start", "600 schedule", "1200 schedule", "1800 schedule"]
    );
    let next = case.next.lock().unwrap().unwrap();
    assert_eq!(next.duration_since(start()).as_secs(), 2400);
}

#[tokio::test(start_paused = true)]
async fn the_interval_starts_at_the_end_of_a_run_whatever_called_for_it() {
    let case = Case::begin(options(), |script, _| {
        script.takes = Duration::from_secs(100);
    });
    assert_eq!(case.within(300).await, ["0 start"]);
    case.waker.wake(Trigger::Change);
    assert_eq!(case.within(800).await, ["300 change", "1000 schedule"]);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_wake_ups_during_a_run_are_one_more_run() {
    let case = Case::begin(options(), |script, _| {
        script.takes = Duration::from_secs(50);
    });
    case.within(10).await;
    for _ in 0..10_000 {
        case.waker.wake(Trigger::Change);
    }
    case.waker.wake(Trigger::Manual);
    assert_eq!(case.within(500).await, ["50 manual, change"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_comes_when_the_run_says_and_backs_off_where_it_does_not() {
    let retry = |after: Option<u64>| NextRun::Retry {
        after: after.map(Duration::from_secs),
    };
    let case = Case::begin(options(), |script, _| {
        script.ends = VecDeque::from([
            retry(Some(90)),
            retry(None),
            retry(None),
            retry(None),
            NextRun::Scheduled,
            retry(Some(100_000)),
            NextRun::Scheduled,
        ]);
    });
    assert_eq!(
        case.within(1400).await,
        [
            "0 start",
            "90 retry",
            "91 retry",
            "93 retry",
            "97 retry",
            "697 schedule",
            // Not later than the run that would have been anyway.
            "1297 retry, schedule",
        ]
    );
    // Stalled waits for the schedule, or for a change.
    assert_eq!(case.within(400).await, [""; 0]);
    case.waker.wake(Trigger::Change);
    assert_eq!(case.within(1).await, ["1800 change"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_follows_when_what_the_last_one_announced_is_due() {
    let mut options = options();
    options.schedule.interval = Some(Duration::from_secs(86_400));
    let case = Case::begin(options, |script, _| {
        let at = |seconds| Some(start() + SignedDuration::from_secs(seconds));
        // The second is due while the run is going on, the third one stays as it is.
        script.takes = Duration::from_secs(10);
        script.dues = VecDeque::from([at(36_000), at(36_005), at(50_000), None]);
    });
    let log = case.within(80_000).await;
    assert_eq!(
        log,
        [
            "0 start",
            "36000 schedule",
            "36010 schedule",
            "50000 schedule"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_does_not_wait_for_a_retry() {
    let case = Case::begin(options(), |script, _| {
        script.ends.push_back(NextRun::Retry {
            after: Some(Duration::from_secs(300)),
        });
    });
    case.within(20).await;
    case.waker.wake(Trigger::Change);
    // The run converged, so the retry is off.
    assert_eq!(case.within(600).await, ["20 change"]);
}

#[tokio::test(start_paused = true)]
async fn versions_and_verification_have_their_own_times() {
    let mut options = options();
    options.schedule.interval = None;
    options.schedule.versions = Some(Duration::from_secs(3600));
    options.schedule.verify_cron = Some(Cron::parse("30 13 * * *", Some("UTC")).unwrap());
    let case = Case::begin(options, |_, _| {});
    assert_eq!(
        case.within(7300).await,
        [
            "0 start",
            "3600 RefreshVersions",
            "3600 schedule",
            "5400 DeepVerify",
            "5400 schedule",
            "7200 RefreshVersions",
            "7200 schedule",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn cron_times_missed_during_a_run_are_one_more_run() {
    let mut options = options();
    options.schedule.interval = None;
    options.schedule.cron = Some(Cron::parse("*/10 * * * *", Some("UTC")).unwrap());
    let case = Case::begin(options, |script, _| {
        script.takes = Duration::from_secs(2000);
    });
    assert_eq!(
        case.within(5000).await,
        ["0 start", "2000 schedule", "4000 schedule"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_configuration_leaves_everything_as_it_was() {
    let mut faster = options();
    faster.schedule.interval = Some(Duration::from_secs(60));
    let case = Case::begin(options(), |script, _| {
        script.takes = Duration::from_secs(30);
        script.reloads.push_back(faster);
    });
    // Asked for during a run, done after it.
    case.within(10).await;
    case.signals.send(Signal::Reload).unwrap();
    assert_eq!(
        case.within(150).await,
        ["30 reload", "30 reload", "120 schedule"]
    );
    case.signals.send(Signal::Reload).unwrap();
    assert_eq!(case.within(100).await, ["160 reload", "210 schedule"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_reaches_a_run_and_an_idle_loop() {
    let case = Case::begin(options(), |script, _| {
        script.takes = Duration::from_secs(1000);
    });
    case.within(10).await;
    case.signals.send(Signal::Stop).unwrap();
    assert_eq!(case.within(1).await, ["10 stopped"]);
    let ended = case.running.await.unwrap().unwrap();
    assert!(matches!(ended, Ended::Stopped(Some(_))), "{ended:?}");

    let case = Case::begin(options(), |_, _| {});
    case.within(10).await;
    case.signals.send(Signal::Stop).unwrap();
    let ended = case.running.await.unwrap().unwrap();
    assert!(matches!(ended, Ended::Stopped(Some(_))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn once_is_one_run_of_the_same_loop() {
    let mut options = options();
    options.once = true;
    let case = Case::begin(options, |script, _| {
        script.ends.push_back(NextRun::Scheduled);
    });
    let ended = case.running.await.unwrap().unwrap();
    let Ended::Once(end) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(end.line, "line");
    assert_eq!(*case.log.lock().unwrap(), ["0 start"]);
}
