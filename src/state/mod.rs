//! What the controller remembers from pass to pass, and what it tells about itself.
//!
//! All of it is small files in one directory, each written whole or not at all, so
//! that `status`, `history` and `events` work while the controller runs and while it
//! does not. A file that cannot be read is as good as none, and kept under another name
//! before it is replaced: losing the memory costs time and never an image. What a person decides (`suspend`, `approve`) lies in
//! files of its own, which the verbs change and the next pass picks up; asking for a
//! pass now goes through a socket ([`control`]). What is to be remembered after a
//! pass is decided by a pure function, [`memory::after`].

#![expect(
    clippy::disallowed_methods,
    reason = "reads and writes the controller's own files and its socket"
)]

pub mod clock;
pub mod condition;
pub mod control;
mod error;
pub mod events;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod history;
pub mod memory;
mod people;
pub mod record;
pub mod revision;
pub mod status;
mod travel;
mod words;

use std::path::{Path, PathBuf};

pub use condition::{Condition, Ready, Reason};
pub use error::StateError;
pub use memory::{Limits, after};
pub use people::Resumed;
pub use record::{Cause, PassRecord, PassVerdict, StepRecord};
pub use status::Status;

/// The directory of the controller's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    dir: PathBuf,
}

impl StateDir {
    /// The directory at this path; it need not be there.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn make(&self) -> Result<(), StateError> {
        std::fs::create_dir_all(&self.dir).map_err(|source| StateError::Io {
            doing: "make",
            path: self.dir.clone(),
            source,
        })
    }
}
