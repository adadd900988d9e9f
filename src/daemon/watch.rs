//! Watching the orders.
//!
//! Events say only that it is time to look; what a look finds (its fingerprint)
//! decides whether the loop is woken. So nothing hangs on an event being complete,
//! in order or true, and a burst of them costs one look.
//!
//! After every batch, and every now and then without one, the watches are made
//! anew from nothing: a watch stays with the inode, so it dies quietly where a
//! directory is replaced, moved or mounted over. Where the kernel has no watches
//! left, the looks alone have to do.
//!
//! A thread and not a task: a look can hang on a network file system, and must
//! then hang alone.

mod survey;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use notify::{ErrorKind, EventHandler, RecommendedWatcher, RecursiveMode, Watcher};
use rustix::io::Errno;
use tokio::sync::oneshot;

use self::survey::{Places, Survey, survey};
use super::error::DaemonError;
use super::wake::{Cause, Waker};

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
    pub async fn start(
        orders: &Path,
        watching: Watching,
        waker: Waker,
    ) -> Result<Self, DaemonError> {
        Self::start_with(orders, watching, waker, Arm::Inotify).await
    }

    async fn start_with(
        orders: &Path,
        watching: Watching,
        waker: Waker,
        arm: Arm,
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
            arm,
            alive: Arc::downgrade(&alive),
            nudge: nudge.clone(),
            nudges,
            watcher: None,
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
    pub async fn gone(&mut self) {
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

/// Where events come from.
#[derive(Debug, Clone, Copy)]
enum Arm {
    Inotify,
    /// For tests: a kernel that has no watches left.
    #[cfg(test)]
    Exhausted,
}

impl Arm {
    fn watcher(self, handler: impl EventHandler) -> notify::Result<RecommendedWatcher> {
        match self {
            Self::Inotify => {
                let config = notify::Config::default().with_follow_symlinks(false);
                RecommendedWatcher::new(handler, config)
            }
            #[cfg(test)]
            Self::Exhausted => Err(notify::Error::new(ErrorKind::MaxFilesWatch)),
        }
    }
}

/// The thread's own state.
struct Sentry {
    orders: PathBuf,
    watching: Watching,
    waker: Waker,
    arm: Arm,
    alive: Weak<()>,
    nudge: SyncSender<()>,
    nudges: Receiver<()>,
    watcher: Option<RecommendedWatcher>,
    seen: Survey,
    polling: bool,
}

impl Sentry {
    fn stand(mut self, stands: oneshot::Sender<()>) {
        // What is there at the start is no change.
        self.seen = self.look();
        self.warn_of(None);
        let _ = stands.send(());
        while self.wait() {
            let before = std::mem::take(&mut self.seen);
            self.seen = self.look();
            self.warn_of(Some(&before));
            if self.seen.fingerprint != before.fingerprint {
                self.waker.wake(Cause::Orders);
            }
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

    /// Listens first and looks then, so that nothing falls in between; and again
    /// where the look found more places to listen at.
    fn look(&mut self) -> Survey {
        let mut found = survey(&self.orders);
        for _ in 0..ROUNDS {
            // The old watches go first: they count against the same limit.
            self.watcher = None;
            let armed = self.arm(&found.places);
            self.note(armed.as_ref().err());
            self.watcher = armed.ok();
            let again = survey(&self.orders);
            let settled = again.places == found.places;
            found = again;
            if settled {
                return found;
            }
        }
        // To come back soon; a full channel says the same.
        let _ = self.nudge.try_send(());
        found
    }

    fn arm(&self, places: &Places) -> notify::Result<RecommendedWatcher> {
        let handler = Handler {
            places: places.clone(),
            nudge: self.nudge.clone(),
        };
        let mut watcher = self.arm.watcher(handler)?;
        for dir in &places.dirs {
            match watcher.watch(dir, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                // Gone since the look: the next one will see that.
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(watcher)
    }

    /// Says once that polling has to do, and once that it is over.
    fn note(&mut self, error: Option<&notify::Error>) {
        match error {
            Some(error) if !self.polling => tracing::warn!(
                %error,
                poll = ?self.watching.poll,
                hint = hint(error),
                "the orders cannot be watched, so they are looked at now and then"
            ),
            None if self.polling => tracing::info!("the orders are watched again"),
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
            (true, false) => tracing::warn!(%path, "the orders are not there; waiting for them"),
            (false, true) => tracing::info!(%path, "the orders are there"),
            (true, true) | (false, false) => {}
        }
        if self.seen.truncated && !before.is_some_and(|before| before.truncated) {
            tracing::warn!(
                %path,
                "too many files for orders; changes in some of them are seen by the schedule only"
            );
        }
    }
}

/// Runs on notify's thread for every event, so it does next to nothing.
struct Handler {
    places: Places,
    nudge: SyncSender<()>,
}

impl EventHandler for Handler {
    fn handle_event(&mut self, event: notify::Result<notify::Event>) {
        let matters = match &event {
            // Reading is no change, and our own looks would call for looks.
            Ok(event) if event.kind.is_access() => false,
            Ok(event) => {
                event.need_rescan() || event.paths.iter().any(|path| self.places.concern(path))
            }
            // Something was lost.
            Err(_) => true,
        };
        if matters {
            // One nudge in the channel says all there is to say.
            let _ = self.nudge.try_send(());
        }
    }
}

fn is_absence(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ),
        _ => false,
    }
}

/// What a person can do.
fn hint(error: &notify::Error) -> &'static str {
    match &error.kind {
        ErrorKind::MaxFilesWatch => "raise fs.inotify.max_user_watches",
        ErrorKind::Io(error) if Errno::from_io_error(error) == Some(Errno::MFILE) => {
            "raise fs.inotify.max_user_instances or LimitNOFILE="
        }
        _ => "see that the orders and the directories above them can be read",
    }
}
