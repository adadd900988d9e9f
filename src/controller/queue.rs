//! Who waits for a run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::source_watch::LookNow;
use crate::conclude::{Scope, Status};
use crate::daemon::Waker;
use crate::model::Trigger;

/// What a run that was asked for came to; the error is why there is no status.
pub(super) type RunAnswer = Result<Box<Status>, String>;

/// Someone asks for a run, and waits.
#[derive(Debug)]
pub(super) struct RunRequest {
    /// What they want to see in order.
    pub scope: Scope,
    /// Closed windows do not count for that.
    pub ignores_windows: bool,
    answer: oneshot::Sender<RunAnswer>,
}

impl RunRequest {
    /// Answers; that nobody waits any more is fine.
    pub(super) fn answer(self, answer: RunAnswer) {
        let _ = self.answer.send(answer);
    }
}

/// How requests for a run reach the loop, from any task.
///
/// Whoever asks is answered at the end of the next run, not of the one that goes on:
/// that one may have looked before whatever they want to see was there.
#[derive(Debug, Clone)]
pub(super) struct RunQueue {
    /// `None` as soon as no other run begins.
    waiting: Arc<Mutex<Option<Vec<RunRequest>>>>,
    waker: Waker,
    look: LookNow,
}

impl RunQueue {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            waiting: Arc::new(Mutex::new(Some(Vec::new()))),
            look: LookNow::new(waker.clone()),
            waker,
        }
    }

    /// Asks for a run. The answer is dropped, as is what comes back of it here, when
    /// the controller is about to stop.
    pub(super) fn ask(&self, scope: Scope, ignores_windows: bool) -> oneshot::Receiver<RunAnswer> {
        let (answer, answered) = oneshot::channel();
        if let Some(waiting) = &mut *self.lock() {
            waiting.push(RunRequest {
                scope,
                ignores_windows,
                answer,
            });
            self.waker.wake(Trigger::Manual);
        }
        answered
    }

    /// Starts a run for which nobody waits, with the back-off as it is.
    pub(super) fn start(&self) {
        self.waker.wake(Trigger::Manual);
    }

    /// Lets the controller look for new orders.
    pub(super) fn look_now(&self) -> &LookNow {
        &self.look
    }

    /// Everyone who waits, for the run that begins now.
    pub(super) fn take(&self) -> Vec<RunRequest> {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().as_ref().map_or(0, Vec::len)
    }

    /// No other run begins: nobody who waits, or asks from now on, is answered.
    pub(super) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<RunRequest>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
