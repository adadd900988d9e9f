//! Finding and reading the files of an orders directory.
//!
//! The tree may be made of links: git-sync points a link at its newest worktree,
//! Kubernetes mounts `a.yaml -> ..data/a.yaml`. So links are followed, every real
//! directory and file is visited once, and names that start with a dot are not
//! looked at (they hold the other end of those links, or an editor's leavings).

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::OrdersError;
use crate::model::Problem;
use crate::yaml::{MAX_BYTES, Source};

/// A file of orders, read or not.
pub(super) struct Found {
    /// Its name as messages give it.
    pub file: String,
    /// Its text, or why there is none.
    pub content: Result<Source, Box<Problem>>,
}

/// The files at a path, in the order they are to be read.
pub(super) fn find(path: &Path) -> Result<Vec<Found>, OrdersError> {
    let unreadable = |source| OrdersError::new(path.to_owned(), source);
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_dir() {
        let bytes = read(path).map_err(unreadable)?;
        return Ok(vec![found(path, &bytes)]);
    }
    let mut walk = Walk::default();
    walk.directory(path).map_err(unreadable)?;
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    seen: HashSet<PathBuf>,
    found: Vec<Found>,
}

impl Walk {
    /// Visits a directory; fails only where it cannot be listed.
    fn directory(&mut self, dir: &Path) -> io::Result<()> {
        if !self.is_new(dir)? {
            return Ok(());
        }
        let mut names: Vec<OsString> = fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<_>>()?;
        names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
        names.sort();
        for name in names {
            self.entry(&dir.join(name));
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path) {
        let is_yaml = path
            .extension()
            .is_some_and(|ext| ext == "yaml" || ext == "yml");
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            // A broken link that could be orders, or a directory of them, must
            // not look like "nothing is wanted".
            Err(why) if is_yaml || path.extension().is_none() => {
                let text = match why.kind() {
                    io::ErrorKind::NotFound => "the link leads nowhere".to_owned(),
                    _ => cannot_read(&why),
                };
                return self.reject(path, text);
            }
            Err(_) => return,
        };
        if meta.is_dir() {
            if let Err(why) = self.directory(path) {
                self.reject(path, cannot_read(&why));
            }
        } else if is_yaml {
            self.file(path, &meta);
        }
    }

    fn file(&mut self, path: &Path, meta: &fs::Metadata) {
        // A pipe would be waited for until someone writes into it.
        if !meta.is_file() {
            return self.reject(path, "this is not a regular file".to_owned());
        }
        match self.is_new(path) {
            Ok(false) => return,
            Ok(true) => {}
            Err(why) => return self.reject(path, cannot_read(&why)),
        }
        match read(path) {
            Ok(bytes) => self.found.push(found(path, &bytes)),
            Err(why) => self.reject(path, cannot_read(&why)),
        }
    }

    /// True the first time that the real thing behind a path is met.
    fn is_new(&mut self, path: &Path) -> io::Result<bool> {
        Ok(self.seen.insert(fs::canonicalize(path)?))
    }

    fn reject(&mut self, path: &Path, message: String) {
        let file = path.display().to_string();
        self.found.push(Found {
            content: Err(Box::new(Problem::of_file(&file, message))),
            file,
        });
    }
}

fn cannot_read(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::PermissionDenied => "it cannot be read: permission denied".to_owned(),
        _ => format!("it cannot be read: {why}"),
    }
}

fn found(path: &Path, bytes: &[u8]) -> Found {
    let file = path.display().to_string();
    Found {
        content: Source::from_bytes(&file, bytes),
        file,
    }
}

/// The bytes of a file, at most one more than is accepted.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
