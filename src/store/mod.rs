//! Files, and nothing but files: what the controller remembers and tells, and the
//! manifests.
//!
//! Each is small and written whole or not at all, so that `status`, `history` and
//! `events` work while the controller runs and while it does not. A file that cannot be
//! read is as good as none, and kept under another name before it is replaced: losing
//! the memory costs time and never an image. What an operator decides (`suspend`,
//! `approve`, `rollout`) is in files of its own, which the verbs change and the next run picks
//! up. What is kept was decided in `conclude`.

#![expect(
    clippy::disallowed_methods,
    reason = "reads and writes the controller's own files"
)]

mod alerts;
mod clock;
mod delivered;
mod error;
pub(crate) mod events;
mod file;
pub(crate) mod history;
pub(crate) mod manifest;
mod memory;
mod overrides;
mod refused;
pub(crate) mod revision;
mod rollouts;
pub(crate) mod saved;
mod sites;
mod status;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(crate) use clock::reading;
pub use delivered::FileRecords;
pub(crate) use error::StateError;
pub(crate) use rollouts::ResumedRollouts;

/// What is read of them by whoever asks for the present state.
const FILES: [&str; 6] = [
    "status.json",
    "memory.json",
    "suspended.json",
    "approved.json",
    "rollouts.json",
    "history.jsonl",
];

/// The directory of the controller's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateDir {
    dir: PathBuf,
}

impl StateDir {
    /// The directory at this path; it need not be there.
    pub(crate) fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes it, unless it is there.
    pub(crate) fn make(&self) -> Result<(), StateError> {
        std::fs::create_dir_all(&self.dir)
            .map_err(|source| StateError::io("create", &self.dir, source))
    }

    /// Fails where a file is there that this user may not read. Elsewhere it counts as
    /// absent, and the answer would be "nothing has run yet".
    ///
    /// # Errors
    /// [`StateError::Denied`], and nothing else.
    pub(crate) fn check_access(&self) -> Result<(), StateError> {
        match self.denied().next() {
            Some((path, source)) => Err(StateError::io("read", &path, source)),
            None => Ok(()),
        }
    }

    /// Fails where another user's file may not be read. One's own counts as absent, as in
    /// a run of the same user, and is set aside by that.
    ///
    /// # Errors
    /// [`StateError::Denied`], and nothing else.
    pub(crate) fn check_owner(&self) -> Result<(), StateError> {
        let own = rustix::process::geteuid().as_raw();
        let is_own = |path: &Path| std::fs::metadata(path).is_ok_and(|file| file.uid() == own);
        match self.denied().find(|(path, _)| !is_own(path)) {
            Some((path, source)) => Err(StateError::io("read", &path, source)),
            None => Ok(()),
        }
    }

    /// The files that this user may not read.
    fn denied(&self) -> impl Iterator<Item = (PathBuf, std::io::Error)> {
        FILES.into_iter().filter_map(|name| {
            let path = self.file(name);
            let denied = std::fs::metadata(&path).and_then(|file| match file.is_file() {
                true => std::fs::File::open(&path).map(drop),
                // Opening a pipe may wait for ever.
                false => Ok(()),
            });
            let source = denied.err()?;
            (source.kind() == std::io::ErrorKind::PermissionDenied).then_some((path, source))
        })
    }
}
