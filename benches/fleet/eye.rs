//! Watches the directories of all nodes while controllers work on them: what was there
//! once may not be written again, and epochs only rise.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks at everything.
const PAUSE: Duration = Duration::from_millis(300);

/// Looks at directories until it is dropped.
pub struct Eye {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What was found wrong.
#[derive(Debug, Clone, Default)]
pub struct Wrong {
    /// Files that were there under their final name, and were replaced or removed.
    pub replaced: Vec<String>,
    /// Numbers beside a record that fell.
    pub fallen: Vec<String>,
    /// How often everything was looked at.
    pub looks: u64,
}

#[derive(Default)]
struct Seen {
    files: BTreeMap<PathBuf, (u64, u64)>,
    epochs: BTreeMap<(PathBuf, String), u64>,
    wrong: Wrong,
}

impl Eye {
    pub fn open(dirs: Vec<PathBuf>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (also_seen, also_stop) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            loop {
                // What is written after the last look began is not missed.
                let is_last = also_stop.load(Ordering::Relaxed);
                let mut seen = also_seen.lock().unwrap_or_else(PoisonError::into_inner);
                for dir in &dirs {
                    seen.look(dir);
                }
                seen.wrong.looks += 1;
                drop(seen);
                if is_last {
                    return;
                }
                std::thread::sleep(PAUSE);
            }
        });
        Self {
            seen,
            stop,
            thread: Some(thread),
        }
    }

    /// Looks once more, and says what was wrong.
    pub fn close(mut self) -> Wrong {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.wrong.clone()
    }
}

impl Drop for Eye {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Seen {
    fn look(&mut self, dir: &Path) {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut here = BTreeMap::new();
        for entry in entries {
            let is_final = !entry.file_name().to_string_lossy().starts_with('.');
            if let (true, Ok(about)) = (is_final, entry.metadata()) {
                here.insert(entry.path(), (about.ino(), about.size()));
            }
        }
        let known = self.files.range(dir.to_owned()..);
        let known = known.take_while(|(path, _)| path.starts_with(dir));
        for (path, as_it_was) in known {
            if here.get(path) != Some(as_it_was) {
                self.wrong.replaced.push(path.display().to_string());
            }
        }
        self.files.extend(here);
        for (scope, epoch) in epochs(dir) {
            let place = (dir.to_owned(), scope);
            let before = self.epochs.insert(place.clone(), epoch);
            if before.is_some_and(|before| before > epoch) {
                let (dir, scope) = place;
                let what = format!("{} of {scope}: {before:?} {epoch}", dir.display());
                self.wrong.fallen.push(what);
            }
        }
    }
}

/// The numbers beside a record: of the leases, and of the leaders of each site.
fn epochs(dir: &Path) -> Vec<(String, u64)> {
    let text = fs::read_to_string(dir.join(".talos-order.epoch")).unwrap_or_default();
    let words = text.split_whitespace().enumerate();
    let numbers = words.filter_map(|(at, word)| match at {
        0 => Some(("leases".to_owned(), word.parse().ok()?)),
        _ => {
            let (scope, epoch) = word.rsplit_once(':')?;
            Some((scope.to_owned(), epoch.parse().ok()?))
        }
    });
    numbers.collect()
}

/// The highest epoch of a leader that a directory knows.
pub fn leader_epoch(dir: &Path) -> u64 {
    let of_leaders = epochs(dir).into_iter().skip(1);
    of_leaders.map(|(_, epoch)| epoch).max().unwrap_or_default()
}
