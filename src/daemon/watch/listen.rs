//! Listening at all places at once.
//!
//! One instance of inotify serves for as long as it does its work, and every listening
//! watches all places anew with it. An instance for each listening was what there was
//! first: the kernel lets go of old instances when it has time for it, a machine under
//! load reaches `max_user_instances` (128) on the way, and then nothing is watched.
//!
//! notify's watches tell of every opening of a file, too, of which there are many in a
//! directory like `/etc`. They are dropped where they arrive: a thousand of them a second
//! take half a per cent of a processor.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use notify::{ErrorKind, EventHandler, RecommendedWatcher, RecursiveMode, Watcher};
use rustix::io::Errno;

use super::survey::{Places, Survey, survey};

/// What the watch asks of the machine. Tests put themselves in between, to change the
/// orders at any point of a look, to see what a look found, and to have no watches left.
pub(super) trait Machine: Send + 'static {
    /// A watcher that watches nothing yet.
    fn watcher(&self, handler: Handler) -> notify::Result<RecommendedWatcher> {
        let config = notify::Config::default().with_follow_symlinks(false);
        RecommendedWatcher::new(handler, config)
    }

    /// Watches one more directory.
    fn watch(&self, watcher: &mut RecommendedWatcher, dir: &Path) -> notify::Result<()> {
        watcher.watch(dir, RecursiveMode::NonRecursive)
    }

    /// Looks at the orders.
    fn survey(&self, orders: &Path) -> Survey {
        survey(orders)
    }

    /// A look is over, and whoever had to be woken is.
    fn looked(&self, _seen: &Survey) {}
}

/// The machine as it is.
pub(super) struct Real;

impl Machine for Real {}

/// Nudges where something happens at the places.
pub(super) struct OrdersListener {
    watcher: RecommendedWatcher,
    places: Arc<Mutex<Places>>,
    watched: Vec<PathBuf>,
}

impl OrdersListener {
    /// Listens nowhere yet.
    pub(super) fn new(machine: &impl Machine, nudge: SyncSender<()>) -> notify::Result<Self> {
        let places = Arc::default();
        let handler = Handler {
            places: Arc::clone(&places),
            nudge,
        };
        Ok(Self {
            watcher: machine.watcher(handler)?,
            places,
            watched: Vec::new(),
        })
    }

    /// Listens at these places and no others from now on, at each directory after the
    /// one that holds it. False if one was not there.
    pub(super) fn listen(
        &mut self,
        machine: &impl Machine,
        places: &Places,
    ) -> notify::Result<bool> {
        // Under its path, another directory than the watched one may be by now, and
        // notify forgets a watch when it is asked for another under the same path.
        for dir in self.watched.drain(..) {
            // Where the directory went, its watch went with it.
            let _ = self.watcher.unwatch(&dir);
        }
        self.places
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(places);
        let mut complete = true;
        for dir in places.all() {
            match machine.watch(&mut self.watcher, dir) {
                Ok(()) => self.watched.push(dir.to_owned()),
                Err(error) if is_absence(&error) => complete = false,
                // A directory that may be passed through but not read. If it is
                // replaced, only the next scheduled look sees that, which is no reason
                // to do without the events of all others.
                Err(error) if is_refusal(&error) && !places.dirs.contains(dir) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(complete)
    }
}

/// Runs on notify's thread for every event, so it does next to nothing.
pub(super) struct Handler {
    places: Arc<Mutex<Places>>,
    nudge: SyncSender<()>,
}

impl Handler {
    fn matters(&self, event: &notify::Event) -> bool {
        // Reading is no change, and our own looks would call for looks.
        if event.kind.is_access() {
            return false;
        }
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        event.need_rescan() || event.paths.iter().any(|path| places.concern(path))
    }
}

impl EventHandler for Handler {
    fn handle_event(&mut self, event: notify::Result<notify::Event>) {
        // An error means that something was lost.
        if event.as_ref().map_or(true, |event| self.matters(event)) {
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

fn is_refusal(error: &notify::Error) -> bool {
    matches!(&error.kind, ErrorKind::Io(error) if error.kind() == io::ErrorKind::PermissionDenied)
}

/// A hint for the user.
pub(super) fn hint(error: &notify::Error) -> &'static str {
    match &error.kind {
        ErrorKind::MaxFilesWatch => "raise fs.inotify.max_user_watches",
        ErrorKind::Io(error) if Errno::from_io_error(error) == Some(Errno::MFILE) => {
            "raise fs.inotify.max_user_instances or LimitNOFILE="
        }
        _ => "make the orders and the directories above them readable",
    }
}
