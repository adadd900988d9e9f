//! The directory that a cache is: where its files are, its lock, its threads.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::CacheError;
use super::names;
use crate::io::codec::BUFFERED;
use crate::io::file::lock::{self, DirLock};
use crate::io::process::task;
use crate::model::FileName;

/// A directory of images.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    pub(super) dir: PathBuf,
    /// How many bytes each image that is unpacked may hold in memory.
    pub(super) buffered: usize,
    /// The largest image that is accepted, in bytes.
    pub(super) max: u64,
}

/// The largest image that is accepted where nothing else is said, in bytes. The
/// factory's largest disks have 8 GiB.
pub(super) const IMAGE_MAX: u64 = 16 << 30;

impl Cache {
    /// The cache in a directory, which need not exist and is not looked at.
    pub(crate) fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            buffered: BUFFERED,
            max: IMAGE_MAX,
        }
    }

    /// The same with another largest size of an image, packed or not, in bytes.
    #[must_use]
    pub(crate) fn accepting_up_to(mut self, bytes: u64) -> Self {
        self.max = bytes;
        self
    }

    /// The same for so many images at once: they share the memory for unpacking.
    #[must_use]
    pub(crate) fn unpacking_at_once(mut self, images: usize) -> Self {
        self.buffered = BUFFERED / images.max(1);
        self
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a file is, or would be.
    pub(crate) fn path(&self, file: &FileName) -> PathBuf {
        self.dir.join(file)
    }

    /// Makes the directory if it is missing, and locks it against other
    /// processes; waits for up to `wait`.
    ///
    /// # Errors
    /// If it stays locked, with who holds it.
    pub(crate) async fn lock(&self, wait: Duration) -> Result<DirLock, CacheError> {
        self.make_dir()?;
        Ok(DirLock::acquire(&self.dir, names::LOCK, wait).await?)
    }

    /// True if a run holds the lock now, and false if none does; `None` where this user
    /// cannot tell.
    pub(crate) fn is_locked(&self) -> Option<bool> {
        lock::is_held(&self.dir, names::LOCK).ok()
    }

    pub(super) async fn on_thread<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<T, CacheError> + Send + 'static,
    ) -> Result<T, CacheError> {
        task::on_thread(name, work)
            .await
            .map_err(CacheError::io("work in", &self.dir))?
    }
}
