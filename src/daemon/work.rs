//! What the loop asks of whoever does the work.
//!
//! The one seam between *when* and *what*. The loop never looks into a pass: it
//! hands over a token to stop by and a way to show progress, and gets back what
//! the pass came to and one line about it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::run::Options;
use super::wake::Causes;

/// A reconciler, as the loop sees it.
pub trait Work: Send {
    /// One pass. Never called while another one runs.
    ///
    /// `causes` is for the log: a pass does the same whatever called for it.
    fn pass(&mut self, causes: Causes, running: Running) -> impl Future<Output = PassEnd> + Send;

    /// Notes something for the next pass, which follows at once.
    fn errand(&mut self, errand: Errand);

    /// Reads the configuration anew. Called between passes only: no pass changes
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

/// What the next pass is to do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Ask upstream for the released versions, whatever is remembered of them.
    RefreshVersions,
    /// Hash delivered files anew.
    DeepVerify,
}

/// What a pass is given for as long as it runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// Cancelled when the daemon is to stop: leave things resumable and return.
    pub stop: CancellationToken,
    /// Cancelled when another pass is called for: come to an end soon, and leave what
    /// may take hours running for the next pass to find.
    pub handover: CancellationToken,
    /// To be called whenever something moved.
    pub progress: Progress,
}

/// Signs of life of a running pass.
///
/// They feed the service manager's watchdog, and nothing else does while a pass
/// runs: a pass that hangs is meant to be found out.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Notify>);

impl Progress {
    /// Something moved. Cheap, and may be called as often as there are events.
    pub fn beat(&self) {
        self.0.notify_one();
    }

    pub(super) async fn beaten(&self) {
        self.0.notified().await;
    }
}

/// What a pass came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassEnd {
    /// What it means for the next one.
    pub verdict: Verdict,
    /// What it means for a person, on one line.
    pub line: String,
}

/// What the end of a pass means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is in place; the schedule decides.
    Converged,
    /// Trying again may help.
    Retry {
        /// When, if the pass knows (a step's own backoff, a `Retry-After`);
        /// otherwise the loop waits longer each time.
        after: Option<Duration>,
    },
    /// A person has to act; the schedule or a change of the orders decides.
    Stalled,
}
