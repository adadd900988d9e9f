//! What the loop asks of whoever does the work.
//!
//! The one seam between *when* and *what*. The loop never looks into a run: it
//! hands over a token to stop by and a way to show progress, and gets back what
//! the run came to and one line about it.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::schedule::{LoopRequest, LoopSchedule};
use super::wake::Triggers;
use super::watch::Watching;

/// What the loop has to know. Plain values.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The orders: a file or a directory; it may come later. `None` where nothing of the
    /// file system is watched.
    pub orders: Option<PathBuf>,
    /// When runs are due.
    pub schedule: LoopSchedule,
    /// How the orders are watched.
    pub watching: Watching,
    /// One run, then end.
    pub once: bool,
}

/// A reconciler, as the loop sees it.
pub trait Work: Send {
    /// One run. Never called while another one runs.
    ///
    /// `triggers` is for the log and the records: a run does the same whatever started it.
    fn run(
        &mut self,
        triggers: Triggers,
        running: RunContext,
    ) -> impl Future<Output = RunResult> + Send;

    /// Why no run is to begin now, on one line, where that is so. Whoever does the work
    /// wakes the loop when one may.
    fn standby(&mut self) -> Option<String> {
        None
    }

    /// Notes something for the next run, which follows at once.
    fn take_note(&mut self, request: LoopRequest);

    /// Reads the configuration anew. Called between runs only: no run changes
    /// its mind half-way.
    ///
    /// # Errors
    /// Why the new configuration is refused, on one line; the old one is kept.
    fn reload(&mut self) -> Result<(), String>;

    /// What the loop has to know; asked for again after each reload.
    fn options(&self) -> Options;

    /// The loop goes to sleep; `next` is when it will wake by itself at the
    /// latest (a change or a signal wakes it sooner).
    fn waiting(&mut self, next: Option<Timestamp>) {
        let _ = next;
    }
}

/// What a run is given for as long as it runs.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Cancelled when the daemon is to stop: leave things resumable and return.
    pub stop: CancellationToken,
    /// Cancelled when another run is called for: come to an end soon, and leave what
    /// may take hours running for the next run to find.
    pub handover: CancellationToken,
    /// To be called whenever something moved.
    pub heartbeat: Heartbeat,
}

/// Signs of life of a current run.
///
/// They feed the service manager's watchdog, and nothing else does during a
/// run: a run that hangs is meant to be found out.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat(Arc<Notify>);

impl Heartbeat {
    /// Something moved. Cheap, and may be called as often as there are events.
    pub fn beat(&self) {
        self.0.notify_one();
    }

    pub(super) async fn beaten(&self) {
        self.0.notified().await;
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunResult {
    /// Everything is in sync.
    pub converged: bool,
    /// What calls for the next one.
    pub next: NextRun,
    /// When something can begin that could not yet, if that is known: a run follows then,
    /// whatever else there is.
    pub due: Option<Timestamp>,
    /// What it means for the user, on one line.
    pub line: String,
}

/// What calls for the next run, if nothing happens before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextRun {
    /// The schedule: all is well, or an operator has to act.
    Scheduled,
    /// A retry may help.
    Retry {
        /// When, if the run knows (a step's own backoff, a `Retry-After`);
        /// otherwise the loop waits longer each time.
        after: Option<Duration>,
    },
}
