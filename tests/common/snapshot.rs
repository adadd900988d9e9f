//! Everything below a directory, to compare before with after.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::Digest;
use talos_order::model::Sha256;

/// What there is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    mode: u32,
    inode: u64,
    size: u64,
    mtime_ns: i128,
    content: String,
}

/// The things below a directory, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot(pub BTreeMap<PathBuf, Thing>);

impl Snapshot {
    /// Reads everything below some paths; one that is not there gives nothing.
    pub fn of(paths: &[&Path]) -> Self {
        let mut things = BTreeMap::new();
        for path in paths {
            take(path, &mut things);
        }
        Self(things)
    }

    /// Without what the program remembers for itself in its cache: when it last
    /// heard of versions, when an image was last wanted, who held the lock. That
    /// changes with every run.
    pub fn without_memory(mut self) -> Self {
        let memory: Vec<PathBuf> = self
            .0
            .keys()
            .filter(|path| {
                let text = path.to_string_lossy();
                text.contains("/.talos-order") && !text.ends_with("/.talos-order.jsonl")
                    || text.ends_with(".meta.json")
            })
            .cloned()
            .collect();
        for path in memory {
            self.0.remove(&path);
            // The directory's own time follows.
            if let Some(dir) = path.parent().and_then(|dir| self.0.get_mut(dir)) {
                dir.mtime_ns = 0;
            }
        }
        self
    }

    /// Fails the test where anything differs, and says what.
    #[track_caller]
    pub fn assert_same(&self, later: &Self) {
        let paths = self.0.keys().chain(later.0.keys());
        let mut differ: Vec<String> = paths
            .filter(|path| self.0.get(*path) != later.0.get(*path))
            .map(|path| {
                let (before, after) = (self.0.get(path), later.0.get(path));
                format!("{}:\n  {before:?}\n  {after:?}", path.display())
            })
            .collect();
        differ.dedup();
        assert!(differ.is_empty(), "changed:\n{}", differ.join("\n"));
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(path, thing)| writeln!(f, "{} {}", path.display(), thing.size))
    }
}

fn take(path: &Path, things: &mut BTreeMap<PathBuf, Thing>) {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return;
    };
    let content = if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            take(&entry.unwrap().path(), things);
        }
        "directory".to_owned()
    } else if meta.is_symlink() {
        fs::read_link(path).unwrap().display().to_string()
    } else if meta.file_type().is_socket() {
        "socket".to_owned()
    } else {
        digest(path).expect("the file was just listed").to_string()
    };
    let thing = Thing {
        mode: meta.mode(),
        inode: meta.ino(),
        size: meta.size(),
        mtime_ns: i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()),
        content,
    };
    things.insert(path.to_owned(), thing);
}

/// The digest of a file, if it is there.
pub fn digest(path: &Path) -> Option<Sha256> {
    let bytes = fs::read(path).ok()?;
    Some(Sha256::from_bytes(sha2::Sha256::digest(&bytes).into()))
}

/// The names in a directory, sorted, hidden ones and records left out.
pub fn images(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .map(|entries| {
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| !name.starts_with('.') && !name.ends_with(".sha256"))
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}
