//! Watching the orders.
//!
//! Events say only that it is time to look; what a look finds (its fingerprint)
//! decides whether the loop is woken. So nothing hangs on an event being complete,
//! in order or true, and a burst of them costs one look.
//!
//! After every batch, and every now and then without one, all places are watched
//! anew: a watch stays with the inode, so it dies quietly where a directory is
//! replaced, moved or mounted over. Where the kernel has no watches left, the looks
//! alone have to do.
//!
//! No change is lost, whatever is replaced and whenever:
//!
//! 1. The watches stand before the survey that a look reports. What changed before
//!    them is in the survey, what changes after them is an event. The events that the
//!    former watches had not told yet are older, so they can go with them.
//! 2. Every directory of the way is watched, from the root on, and each before the one
//!    in it. So a watch that has come to stand on a directory that was replaced is no
//!    danger: either the holding directory was watched by then, and tells, or it was
//!    not, and the watch stands on the new one. The root cannot be replaced.
//! 3. A look that found other places than are watched, or missed one when watching,
//!    is made again. Equal places alone prove nothing: a directory can be gone for
//!    just as long as it takes to miss it.
//! 4. A survey that a further change could resemble is made again, too
//!    (`Survey::fresh`).
//!
//! Outside of this are file systems that send no events, mounts on the way, and
//! directories on the way that we may not read: the scheduled look is for them.
//!
//! A thread and not a task: a look can hang on a network file system, and must
//! then hang alone.

mod listen;
mod survey;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::listen::{Machine, OrdersListener, Real, hint};
use self::survey::{Places, Survey};
use super::error::DaemonError;
use super::wake::Waker;
use crate::model::Trigger;

/// How the orders are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watching {
    /// How long it has to be quiet before a look.
    pub quiet: Duration,
    /// A look comes after this long even if it never gets quiet.
    pub longest: Duration,
    /// From one look to the next where no event calls for one: events get lost,
    /// mounts make none, and some file systems know none.
    pub poll: Duration,
}

impl Default for Watching {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(2),
            longest: Duration::from_secs(10),
            poll: Duration::from_secs(30),
        }
    }
}

/// Rounds of arming and looking before the next look is left to the next event:
/// somebody is changing the tree faster than it can be listed.
const ROUNDS: usize = 4;

/// The longest time between two ticks of the kernel's clock: the slowest one in use ticks a
/// hundred times a second.
const TICK: Duration = Duration::from_millis(10);

/// A watch that stands; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    gone: oneshot::Receiver<()>,
    /// The thread ends when nobody holds this any more.
    alive: Option<Arc<()>>,
    nudge: SyncSender<()>,
}

impl Watch {
    /// Starts watching and returns when the watch stands (or polling does).
    pub(super) async fn start(
        orders: &Path,
        watching: Watching,
        waker: Waker,
    ) -> Result<Self, DaemonError> {
        Self::start_with(orders, watching, waker, Real).await
    }

    async fn start_with(
        orders: &Path,
        watching: Watching,
        waker: Waker,
        machine: impl Machine,
    ) -> Result<Self, DaemonError> {
        let orders = std::path::absolute(orders).map_err(DaemonError::Watch)?;
        let (nudge, nudges) = sync_channel(1);
        let (stands, standing) = oneshot::channel();
        let (going, gone) = oneshot::channel();
        let alive = Arc::new(());
        let sentry = Sentry {
            orders,
            watching,
            waker,
            machine,
            alive: Arc::downgrade(&alive),
            nudge: nudge.clone(),
            nudges,
            listener: None,
            seen: Survey::default(),
            polling: false,
        };
        thread::Builder::new()
            .name("orders-watch".to_owned())
            .spawn(move || {
                // Dropped at the end, in a panic too.
                let _going: oneshot::Sender<()> = going;
                sentry.stand(stands);
            })
            .map_err(DaemonError::Watch)?;
        standing.await.map_err(|_| DaemonError::WatchGone)?;
        Ok(Self {
            gone,
            alive: Some(alive),
            nudge,
        })
    }

    /// Returns if the thread has ended, which it does not by itself.
    pub(super) async fn gone(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.gone).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.alive = None;
        // Full is as good: the thread wakes up either way, and sees.
        let _ = self.nudge.try_send(());
    }
}

/// The thread's own state.
struct Sentry<M> {
    orders: PathBuf,
    watching: Watching,
    waker: Waker,
    machine: M,
    alive: Weak<()>,
    nudge: SyncSender<()>,
    nudges: Receiver<()>,
    listener: Option<OrdersListener>,
    seen: Survey,
    polling: bool,
}

impl<M: Machine> Sentry<M> {
    fn stand(mut self, stands: oneshot::Sender<()>) {
        // What is there at the start is no change.
        self.seen = self.look();
        self.warn_of(None);
        self.machine.looked(&self.seen);
        let _ = stands.send(());
        while self.wait() {
            let before = std::mem::take(&mut self.seen);
            self.seen = self.look();
            self.warn_of(Some(&before));
            // Where the last look could not tell, an equal fingerprint says nothing.
            if self.seen.fingerprint != before.fingerprint || before.fresh {
                self.waker.wake(Trigger::Change);
            }
            self.machine.looked(&self.seen);
        }
    }

    /// Waits until it is time to look; false when the watch is to end.
    fn wait(&self) -> bool {
        let first = self.nudges.recv_timeout(self.watching.poll);
        let started = Instant::now();
        let mut more = first;
        while more == Ok(()) && self.alive.strong_count() > 0 {
            let left = self.watching.longest.saturating_sub(started.elapsed());
            if left.is_zero() {
                break;
            }
            more = self.nudges.recv_timeout(self.watching.quiet.min(left));
        }
        // We hold a sender ourselves, so the channel does not close.
        debug_assert_ne!(more, Err(RecvTimeoutError::Disconnected));
        self.alive.strong_count() > 0
    }

    /// Watches first and surveys then, until the survey finds the places that are
    /// watched: see the head of this file.
    fn look(&mut self) -> Survey {
        let mut found = self.machine.survey(&self.orders);
        for _ in 0..ROUNDS {
            let listens = self.listen(&found.places);
            self.note(listens.as_ref().err());
            // Where nothing can be watched, there is nothing to wait for either.
            let complete = listens.unwrap_or(true);
            let again = self.survey_at_rest();
            let settled = complete && !again.fresh && again.places == found.places;
            found = again;
            if settled {
                return found;
            }
        }
        // To come back soon; a full channel says the same.
        let _ = self.nudge.try_send(());
        found
    }

    /// Watches all places anew. False if one was not there.
    fn listen(&mut self, places: &Places) -> notify::Result<bool> {
        // What failed is dropped with all its watches: they may be what was lacking.
        let mut listener = match self.listener.take() {
            Some(listener) => listener,
            None => OrdersListener::new(&self.machine, self.nudge.clone())?,
        };
        let complete = listener.listen(&self.machine, places)?;
        self.listener = Some(listener);
        Ok(complete)
    }

    /// Surveys until no file changed in the tick in which the survey began, if it ever
    /// comes to that.
    fn survey_at_rest(&self) -> Survey {
        let mut found = self.machine.survey(&self.orders);
        for _ in 0..ROUNDS {
            if !found.fresh {
                break;
            }
            thread::sleep(TICK);
            found = self.machine.survey(&self.orders);
        }
        found
    }

    /// Says once that polling has to do, and once that it is over.
    fn note(&mut self, error: Option<&notify::Error>) {
        match error {
            Some(error) if !self.polling => tracing::warn!(
                reason = %error,
                poll_seconds = self.watching.poll.as_secs_f64(),
                hint = hint(error),
                "cannot watch the orders; polling them instead"
            ),
            None if self.polling => tracing::info!("watching the orders again"),
            Some(_) | None => {}
        }
        self.polling = error.is_some();
    }

    /// Says once what is odd about the orders.
    fn warn_of(&self, before: Option<&Survey>) {
        let path = self.orders.display();
        match (
            before.is_none_or(|before| before.present),
            self.seen.present,
        ) {
            (true, false) => tracing::warn!(%path, "the orders do not exist; waiting for them"),
            (false, true) => tracing::info!(%path, "the orders exist now"),
            (true, true) | (false, false) => {}
        }
        if self.seen.truncated && !before.is_some_and(|before| before.truncated) {
            tracing::warn!(
                %path,
                "too many order files to watch; scheduled runs pick up changes in the others"
            );
        }
    }
}
