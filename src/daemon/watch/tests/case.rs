//! A watch to test, and what tests see of it.
//!
//! Nothing here waits for a length of time. What has to happen is waited for; what
//! must not happen is asked for after a look that began later, so it would have
//! happened by then.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use notify::{ErrorKind, RecommendedWatcher};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::listen::{Handler, Machine, Real};
use super::super::survey::{Survey, survey};
use super::super::{Watch, Watching};
use crate::daemon::wake::Waker;
use crate::model::Trigger;

/// Long enough for anything that is to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Quick, and without looks that no event called for.
pub(super) const EVENTS_ONLY: Watching = Watching {
    quiet: Duration::from_millis(5),
    longest: Duration::from_millis(50),
    poll: Duration::from_secs(3600),
};

/// Looks at short intervals.
pub(super) const OFTEN: Watching = Watching {
    poll: Duration::from_millis(10),
    ..EVENTS_ONLY
};

/// What the kernel has to say to being asked for a watch.
#[derive(Clone, Copy)]
pub(super) enum Kernel {
    Willing,
    /// No to everything: it has no watches left.
    Exhausted,
    /// No to directories of this name: they may not be read.
    Refusing(&'static str),
}

/// What came of the looks that are over.
#[derive(Debug, Default, Clone)]
pub(super) struct Looks {
    /// Surveys that had begun.
    surveys: usize,
    /// Looks that woke.
    pub wakes: usize,
    /// What the last one found.
    pub seen: Survey,
}

pub(super) type Step = Box<dyn FnOnce() + Send>;

/// What is done to the orders in the midst of a look, and at which of its points.
#[derive(Default)]
struct Script {
    point: usize,
    steps: VecDeque<(usize, Step)>,
}

/// The machine, with tests in between.
#[derive(Clone)]
struct Staged {
    kernel: Kernel,
    restless: Arc<AtomicBool>,
    waker: Waker,
    script: Arc<Mutex<Script>>,
    instances: Arc<AtomicUsize>,
    surveys: watch::Sender<usize>,
    looks: watch::Sender<Looks>,
}

impl Staged {
    /// A point of a look: right before a survey, or before one more directory is
    /// watched.
    fn point(&self) {
        let mut script = self.script.lock().unwrap();
        let point = script.point;
        script.point += 1;
        while script.steps.front().is_some_and(|(at, _)| *at <= point) {
            let (_, step) = script.steps.pop_front().unwrap();
            step();
        }
    }
}

impl Machine for Staged {
    fn watcher(&self, handler: Handler) -> notify::Result<RecommendedWatcher> {
        match self.kernel {
            Kernel::Exhausted => Err(notify::Error::new(ErrorKind::MaxFilesWatch)),
            Kernel::Willing | Kernel::Refusing(_) => {
                self.instances.fetch_add(1, Ordering::Relaxed);
                Real.watcher(handler)
            }
        }
    }

    fn watch(&self, watcher: &mut RecommendedWatcher, dir: &Path) -> notify::Result<()> {
        self.point();
        match self.kernel {
            Kernel::Refusing(name) if dir.ends_with(name) => {
                Err(notify::Error::io(io::ErrorKind::PermissionDenied.into()))
            }
            _ => Real.watch(watcher, dir),
        }
    }

    fn survey(&self, orders: &Path) -> Survey {
        self.point();
        self.surveys.send_modify(|surveys| *surveys += 1);
        let mut found = Real.survey(orders);
        found.fresh |= self.restless.load(Ordering::Relaxed);
        found
    }

    fn looked(&self, seen: &Survey) {
        self.script.lock().unwrap().point = 0;
        let woken = self.waker.take();
        self.looks.send_modify(|looks| {
            looks.surveys = *self.surveys.borrow();
            looks.wakes += usize::from(woken.contains(Trigger::Change));
            looks.seen = seen.clone();
        });
    }
}

pub(super) struct Case {
    dir: TempDir,
    orders: PathBuf,
    staged: Staged,
    _watch: Watch,
}

impl Case {
    /// Watches `orders` in a fresh directory that `prepare` fills.
    pub(super) async fn begin(orders: &str, prepare: impl FnOnce(&Path)) -> Self {
        Self::with(orders, EVENTS_ONLY, Kernel::Willing, prepare).await
    }

    /// The same, perhaps on a kernel that does not do everything.
    pub(super) async fn with(
        orders: &str,
        watching: Watching,
        kernel: Kernel,
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let waker = Waker::default();
        let staged = Staged {
            kernel,
            restless: Arc::default(),
            waker: waker.clone(),
            script: Arc::default(),
            instances: Arc::default(),
            surveys: watch::Sender::default(),
            looks: watch::Sender::default(),
        };
        let orders = dir.path().join(orders);
        let watch = Watch::start_with(&orders, watching, waker.clone(), staged.clone());
        let watch = watch.await.unwrap();
        Self {
            dir,
            orders,
            staged,
            _watch: watch,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(super) fn looks(&self) -> Looks {
        self.staged.looks.borrow().clone()
    }

    /// The action is noticed, by what it made of the orders.
    pub(super) async fn wakes(&self, what: &str, action: impl FnOnce()) {
        let before = self.looks();
        action();
        assert_ne!(
            survey(&self.orders).fingerprint,
            before.seen.fingerprint,
            "{what} changes nothing"
        );
        let after = self.sees(what).await;
        assert!(after.wakes > before.wakes, "{what} does not wake");
    }

    /// The action is not noticed.
    pub(super) async fn sleeps(&self, what: &str, action: impl FnOnce()) {
        let before = self.looks();
        action();
        let found = survey(&self.orders).fingerprint;
        assert_eq!(found, before.seen.fingerprint, "{what} changes something");
        let after = self.looks_again(what).await;
        assert_eq!(after.wakes, before.wakes, "{what} wakes");
    }

    /// Waits until a look has found the orders as they are.
    pub(super) async fn sees(&self, what: &str) -> Looks {
        let now = survey(&self.orders).fingerprint;
        let seen = |looks: &Looks| looks.seen.fingerprint == now && !looks.seen.fresh;
        self.until(what, seen).await
    }

    /// Waits until a look is over that saw everything that was done up to now.
    ///
    /// An event calls for it that changes nothing: one of a directory that every watch
    /// here has on its way.
    pub(super) async fn looks_again(&self, what: &str) -> Looks {
        let begun = *self.staged.surveys.borrow();
        let mode = fs::metadata(self.dir.path()).unwrap().permissions();
        fs::set_permissions(self.dir.path(), mode).unwrap();
        self.until(what, |looks| looks.surveys > begun).await
    }

    /// From now on, every survey comes upon a file that has just changed, or none does.
    pub(super) fn set_restless(&self, restless: bool) {
        self.staged.restless.store(restless, Ordering::Relaxed);
    }

    pub(super) async fn until(&self, what: &str, holds: impl FnMut(&Looks) -> bool) -> Looks {
        let mut looks = self.staged.looks.subscribe();
        let found = timeout(PATIENCE, looks.wait_for(holds)).await;
        match found {
            Ok(found) => found.unwrap().clone(),
            Err(_) => panic!("{what} is not noticed: {:?}", self.looks()),
        }
    }

    /// The instances of inotify that were made.
    pub(super) fn instances(&self) -> usize {
        self.staged.instances.load(Ordering::Relaxed)
    }

    /// Before which points something can happen in a look: the first survey, one for
    /// each directory, the survey behind them.
    pub(super) fn points(&self) -> usize {
        self.looks().seen.places.all().count() + 2
    }

    /// Does each step at a point of the next look, or after it where it has fewer.
    pub(super) async fn in_a_look(
        &self,
        what: &str,
        steps: impl IntoIterator<Item = (usize, Step)>,
    ) {
        self.staged.script.lock().unwrap().steps = steps.into_iter().collect();
        self.looks_again(what).await;
        let left = std::mem::take(&mut self.staged.script.lock().unwrap().steps);
        for (_, step) in left {
            step();
        }
    }

    /// Drops the watch, and waits until its thread is gone.
    pub(super) async fn ends(self) {
        let mut looks = self.staged.looks.subscribe();
        drop(self);
        // The thread holds the other end.
        let gone = async { while looks.changed().await.is_ok() {} };
        assert!(timeout(PATIENCE, gone).await.is_ok(), "the thread goes on");
    }
}

pub(super) fn make(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Puts a link in place of another one, as git-sync and Kubernetes do.
pub(super) fn turn(link: &Path, target: &str) {
    let temporary = link.with_file_name(".link-to-be");
    symlink(target, &temporary).unwrap();
    fs::rename(temporary, link).unwrap();
}
