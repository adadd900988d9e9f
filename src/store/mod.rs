//! Files, and nothing but files: what the controller remembers and tells, and the
//! manifests.
//!
//! Each is small and written whole or not at all, so that `status`, `history` and
//! `events` work while the controller runs and while it does not. A file that cannot be
//! read is as good as none, and kept under another name before it is replaced: losing
//! the memory costs time and never an image. What an operator decides (`suspend`,
//! `approve`) is in files of its own, which the verbs change and the next run picks
//! up. What is kept was decided in `conclude`.

#![expect(
    clippy::disallowed_methods,
    reason = "reads and writes the controller's own files"
)]

mod clock;
mod error;
pub(crate) mod events;
mod file;
pub(crate) mod history;
pub(crate) mod manifest;
mod memory;
mod overrides;
pub(crate) mod revision;
pub(crate) mod saved;
mod status;

use std::path::{Path, PathBuf};

pub(crate) use clock::reading;
pub(crate) use error::StateError;

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
        std::fs::create_dir_all(&self.dir).map_err(|source| StateError::Io {
            doing: "make",
            path: self.dir.clone(),
            source,
        })
    }
}
