//! Watches on all places at once, made from nothing.
//!
//! notify's watches tell of every opening of a file, too, of which there are many in a
//! directory like `/etc`. They are dropped where they arrive: a thousand of them a second
//! take half a per cent of a processor.

use std::io;
use std::path::Path;
use std::sync::mpsc::SyncSender;

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

/// Watches that stand.
pub(super) struct Armed {
    pub watcher: RecommendedWatcher,
    /// Every place was there to be watched.
    pub complete: bool,
}

/// Watches all places, each directory after the one that holds it.
pub(super) fn arm(
    machine: &impl Machine,
    places: &Places,
    nudge: &SyncSender<()>,
) -> notify::Result<Armed> {
    let handler = Handler {
        places: places.clone(),
        nudge: nudge.clone(),
    };
    let mut watcher = machine.watcher(handler)?;
    let mut complete = true;
    for dir in places.all() {
        match machine.watch(&mut watcher, dir) {
            Ok(()) => {}
            Err(error) if is_absence(&error) => complete = false,
            // A directory that may be passed through but not read. If it is replaced,
            // only the next scheduled look sees that, which is no reason to do without
            // the events of all others.
            Err(error) if is_refusal(&error) && !places.dirs.contains(dir) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Armed { watcher, complete })
}

/// Runs on notify's thread for every event, so it does next to nothing.
pub(super) struct Handler {
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

fn is_refusal(error: &notify::Error) -> bool {
    matches!(&error.kind, ErrorKind::Io(error) if error.kind() == io::ErrorKind::PermissionDenied)
}

/// What a person can do.
pub(super) fn hint(error: &notify::Error) -> &'static str {
    match &error.kind {
        ErrorKind::MaxFilesWatch => "raise fs.inotify.max_user_watches",
        ErrorKind::Io(error) if Errno::from_io_error(error) == Some(Errno::MFILE) => {
            "raise fs.inotify.max_user_instances or LimitNOFILE="
        }
        _ => "see that the orders and the directories above them can be read",
    }
}
