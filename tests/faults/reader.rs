//! Somebody who looks at every final name all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::Digest;
use talos_order::model::Sha256;

/// What a name may hold, by the name.
pub type Truth = BTreeMap<String, BTreeSet<Sha256>>;

/// A thread that reads every file under a final name again as soon as anything about
/// it changes. A final name is one that is not hidden; what is hidden may be anything.
pub struct Reader {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    digests: AtomicU64,
    looks: AtomicU64,
    lies: Mutex<Vec<String>>,
}

impl Reader {
    /// Looks at images in `images`, and at files that hold JSON in `state`.
    pub fn start(images: Vec<PathBuf>, state: Vec<PathBuf>, truth: Truth) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            digests: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            lies: Mutex::default(),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || theirs.watch(&images, &state, &truth));
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// What was wrong since the last time this was asked, after one more look at
    /// everything.
    pub fn lies(&self) -> Vec<String> {
        let looks = &self.shared.looks;
        let until = looks.load(Ordering::Acquire) + 2;
        while looks.load(Ordering::Acquire) < until {
            let thread = self.thread.as_ref().unwrap();
            assert!(!thread.is_finished(), "the reader stopped");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::mem::take(&mut self.shared.lies.lock().unwrap())
    }

    /// How many files were read.
    pub fn digests(&self) -> u64 {
        self.shared.digests.load(Ordering::Relaxed)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn watch(&self, images: &[PathBuf], state: &[PathBuf], truth: &Truth) {
        let mut known = BTreeMap::new();
        while !self.stop.load(Ordering::Relaxed) {
            for path in images.iter().flat_map(|dir| finals(dir)) {
                if let Some(bytes) = changed(&path, &mut known) {
                    let name = path.file_name().unwrap().to_str().unwrap();
                    self.judge(&path, &bytes, truth.get(name));
                }
            }
            let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
            for path in state.iter().flat_map(|dir| finals(dir)).filter(is_json) {
                if let Some(bytes) = changed(&path, &mut known)
                    && let Err(why) = serde_json::from_slice::<serde_json::Value>(&bytes)
                {
                    self.lie(format!("{}: {why}", path.display()));
                }
            }
            self.looks.fetch_add(1, Ordering::Release);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn judge(&self, path: &Path, bytes: &[u8], truth: Option<&BTreeSet<Sha256>>) {
        self.digests.fetch_add(1, Ordering::Relaxed);
        let found = Sha256::from_bytes(sha2::Sha256::digest(bytes).into());
        if !truth.is_some_and(|allowed| allowed.contains(&found)) {
            let length = bytes.len();
            self.lie(format!(
                "{} holds {length} bytes with {found}",
                path.display()
            ));
        }
    }

    fn lie(&self, text: String) {
        self.lies.lock().unwrap().push(text);
    }
}

/// The content of a file, if anything about it is new.
fn changed(path: &Path, known: &mut BTreeMap<PathBuf, (u64, u64, i64, i64)>) -> Option<Vec<u8>> {
    // The facts come first: what changes after them is read again.
    let mut file = fs::File::open(path).ok()?;
    let meta = file.metadata().ok()?;
    let facts = (meta.ino(), meta.len(), meta.mtime_nsec(), meta.ctime_nsec());
    if known.insert(path.to_owned(), facts) == Some(facts) {
        return None;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The files under final names in a directory, checksums left out.
pub fn finals(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap();
            path.is_file() && !name.starts_with('.') && !name.ends_with(".sha256")
        })
        .collect()
}
