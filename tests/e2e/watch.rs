//! Somebody who looks at final names all the time, as a node's reader may.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::Digest;
use talos_order::model::Sha256;

use crate::world::World;

type Seen = BTreeMap<PathBuf, BTreeSet<Sha256>>;

/// A thread that reads every file under a final name again as soon as anything
/// about it changes, and keeps the digests of what it read.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Seen, u64)>,
}

impl Watch {
    pub fn start(dirs: &[PathBuf]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (dirs, told) = (dirs.to_vec(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || watch(&dirs, &told));
        Self { stop, thread }
    }

    /// Stops looking. Fails the test if any final name ever held anything but the
    /// image it says.
    #[track_caller]
    pub fn assert_only_whole_images(self, world: &World) {
        self.stop.store(true, Ordering::Relaxed);
        let (seen, looks) = self.thread.join().unwrap();
        assert!(looks > 3, "{looks} looks");
        assert!(!seen.is_empty(), "nothing was ever there");
        for (path, digests) in seen {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(
                digests,
                BTreeSet::from([world.truth(name)]),
                "{}",
                path.display()
            );
        }
    }
}

fn watch(dirs: &[PathBuf], stop: &AtomicBool) -> (Seen, u64) {
    let mut seen = Seen::new();
    let mut known = BTreeMap::new();
    let mut looks = 0;
    loop {
        // The last look is after what the test waited for.
        let is_last = stop.load(Ordering::Relaxed);
        for path in dirs.iter().flat_map(|dir| finals(dir)) {
            // The facts come first: what changes after them is read again.
            let Ok(mut file) = fs::File::open(&path) else {
                continue;
            };
            let meta = file.metadata().unwrap();
            let facts = (meta.ino(), meta.len(), meta.mtime_nsec(), meta.ctime_nsec());
            if known.insert(path.clone(), facts) == Some(facts) {
                continue;
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            let digest = Sha256::from_bytes(sha2::Sha256::digest(&bytes).into());
            seen.entry(path).or_default().insert(digest);
        }
        looks += 1;
        if is_last {
            return (seen, looks);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn finals(dir: &Path) -> Vec<PathBuf> {
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
