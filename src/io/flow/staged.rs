//! A file that is complete and checked, and has everything but its name.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::io::flow::error::StagingError;
use crate::io::flow::temporary::temporary_of;
use crate::model::{DataDigest, Sha256};

/// A complete file on the disk that has everything but its name.
#[derive(Debug)]
pub(crate) struct StagedFile {
    pub(super) dir: PathBuf,
    pub name: String,
    /// Length in bytes.
    pub size: u64,
    /// The digest of the content.
    pub sha256: Sha256,
    pub data: DataDigest,
    /// Modification time in nanoseconds since 1970; taking the name keeps it.
    pub mtime_ns: i64,
    /// Held until the file has its name, so that nobody writes to it.
    pub(super) _lock: File,
}

impl StagedFile {
    /// Gives the file its name, in place of what had it. The directory is not
    /// synced; see [`crate::io::file::atomic::sync_dir`].
    ///
    /// # Errors
    /// [`StagingError::Io`].
    pub(crate) fn publish(self) -> Result<(), StagingError> {
        let path = self.dir.join(&self.name);
        fs::rename(temporary_of(&self.dir, &self.name), &path)
            .map_err(StagingError::io("rename a file to", &path))
    }
}
