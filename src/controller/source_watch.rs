//! Asking the git server between runs whether there is something new.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::daemon::Waker;
use crate::error::chain;
use crate::model::Trigger;
use crate::source::GitOrders;

/// After so many failures in a row a run is started, so that the status says so. One alone
/// may be a restart of the server.
const TOLD_AFTER: u32 = 3;

/// Lets the controller look for new orders now, from any task: for a hook. What it finds
/// is up to the orders themselves.
#[derive(Debug, Clone)]
pub(super) struct LookNow(Arc<LookBell>);

#[derive(Debug)]
struct LookBell {
    bell: Notify,
    waker: Waker,
    /// The orders are fetched: whether there is anything new is asked before a run.
    is_fetched: AtomicBool,
}

impl LookNow {
    pub(super) fn new(waker: Waker) -> Self {
        Self(Arc::new(LookBell {
            bell: Notify::new(),
            waker,
            is_fetched: AtomicBool::new(false),
        }))
    }

    /// Looks now. Any number of calls while a look is going on come to one more.
    pub(super) fn look(&self) {
        match self.0.is_fetched.load(Ordering::Relaxed) {
            true => self.0.bell.notify_one(),
            false => self.0.waker.wake(Trigger::Change),
        }
    }
}

/// Asks the git server regularly, and wakes the loop where it has something new.
#[derive(Debug)]
pub(super) struct SourceWatch(JoinHandle<()>);

impl SourceWatch {
    /// Begins, where the orders are fetched; ends when it is dropped.
    pub(super) fn start(source: Option<&Arc<GitOrders>>, look: &LookNow) -> Option<Self> {
        look.0.is_fetched.store(source.is_some(), Ordering::Relaxed);
        let source = Arc::clone(source?);
        Some(Self(tokio::spawn(watch(source, look.clone()))))
    }
}

impl Drop for SourceWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(source: Arc<GitOrders>, look: LookNow) {
    let LookBell { bell, waker, .. } = &*look.0;
    let mut failures = 0_u32;
    loop {
        tokio::select! {
            () = source.wait() => {}
            () = bell.notified() => {}
        }
        match source.poll().await {
            Ok(is_new) => {
                if failures > 0 {
                    tracing::info!(url = %source.source().url, "the git server answers again");
                }
                failures = 0;
                if is_new {
                    waker.wake(Trigger::Change);
                }
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(
                        url = %source.source().url,
                        reason = chain(&*error),
                        "cannot look for new orders"
                    );
                }
                if failures == TOLD_AFTER {
                    waker.wake(Trigger::Retry);
                }
            }
        }
    }
}
