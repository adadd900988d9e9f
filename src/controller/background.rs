//! What a run leaves running: downloads that take long, in a cache that stays locked.

use tokio::task::JoinHandle;

use crate::app::{DirLock, LiveReconciler};
use crate::daemon::Waker;
use crate::model::Trigger;

/// What there is between two runs.
pub(super) struct Background {
    /// The cache, for as long as a run has left downloads running in it.
    blocked: Option<DirLock>,
    waker: Waker,
    /// Requests a run when a download ends that none waits for.
    listener: JoinHandle<()>,
}

impl Background {
    pub(super) fn new(reconciler: &LiveReconciler, waker: Waker) -> Self {
        Self {
            blocked: None,
            listener: listen(reconciler, waker.clone()),
            waker,
        }
    }

    /// The lock on the cache, if the last run left it locked.
    pub(super) fn lock(&mut self) -> Option<DirLock> {
        self.blocked.take()
    }

    /// Keeps the cache locked if the run has left downloads running in it.
    pub(super) fn keep(&mut self, lock: Option<DirLock>, reconciler: &LiveReconciler) {
        self.blocked = lock.filter(|_| reconciler.downloads.is_busy());
    }

    /// Another run takes the place of the old one, and with that one its downloads end.
    pub(super) fn renew(&mut self, reconciler: &LiveReconciler) {
        self.blocked = None;
        self.listener.abort();
        self.listener = listen(reconciler, self.waker.clone());
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn listen(reconciler: &LiveReconciler, waker: Waker) -> JoinHandle<()> {
    // The notice alone: whoever holds the downloads keeps them running.
    let unclaimed = reconciler.downloads.unclaimed();
    tokio::spawn(async move {
        loop {
            unclaimed.notified().await;
            waker.wake(Trigger::Retry);
        }
    })
}
