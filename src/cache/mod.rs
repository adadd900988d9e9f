//! The local store of images: what was fetched, with a record of each file.
//!
//! Beside a file `NAME` of ours lie `NAME.sha256`, for `sha256sum -c`, and
//! `.NAME.meta.json`, the record. The record is what makes a file ours: one
//! without is foreign, is listed, and is never touched. A new file comes in this
//! order: content complete and checked in `.NAME.part`, record, `NAME.sha256`,
//! and last the rename to `NAME`. So a file of ours never lacks its record; a
//! crash in between leaves a record whose size or time the file does not match,
//! or no file at all, and a look at the cache sees either as not current.
//! `.NAME.part.json` says which URL a partial download is from.
//!
//! A [`Cache`] is a value without open files; whoever changes anything holds
//! [`Cache::lock`]. Methods that are not `async` do short work on the file system.

#![expect(clippy::disallowed_methods, reason = "this room keeps files")]

mod error;
mod instance;
mod names;
mod observe;
mod receive;
mod record;
#[cfg(test)]
mod tests;
mod tidy;
mod whole;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use error::CacheError;
pub use receive::{Incoming, Receive, Received};

use crate::facts::Meta;
use crate::io::codec::BUFFERED;
use crate::io::file::lock::DirLock;
use crate::io::flow::unpack;
use crate::io::process::task;
use crate::io::{Meter, hash};
use crate::model::{ArtifactId, FileName};

/// A directory of images.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    /// How many bytes each image that is unpacked may hold in memory.
    buffered: usize,
    /// The largest image that is accepted, in bytes.
    max: u64,
}

/// The largest image that is accepted where nothing else is said, in bytes. The
/// factory's largest disks have 8 GiB.
pub const IMAGE_MAX: u64 = 16 << 30;

impl Cache {
    /// The cache in a directory, which need not exist and is not looked at.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            buffered: BUFFERED,
            max: IMAGE_MAX,
        }
    }

    /// The same with another largest size of an image, packed or not, in bytes.
    #[must_use]
    pub fn accepting_up_to(mut self, bytes: u64) -> Self {
        self.max = bytes;
        self
    }

    /// The same for so many images at once: they share the memory for unpacking.
    #[must_use]
    pub fn unpacking_at_once(mut self, images: usize) -> Self {
        self.buffered = BUFFERED / images.max(1);
        self
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a file is, or would be.
    pub fn path(&self, file: &FileName) -> PathBuf {
        self.dir.join(file)
    }

    /// Makes the directory if it is missing, and locks it against other
    /// processes; waits for up to `wait`.
    ///
    /// # Errors
    /// If it stays locked, with who holds it.
    pub async fn lock(&self, wait: Duration) -> Result<DirLock, CacheError> {
        self.make_dir()?;
        Ok(DirLock::acquire(&self.dir, names::LOCK, wait).await?)
    }

    /// Unpacks a compressed file that is in the cache, and records the result.
    /// The compressed file is checked against its record while it is read.
    ///
    /// # Errors
    /// If it is damaged, or the unpacked file cannot be written.
    pub async fn unpack(
        &self,
        from_file: &FileName,
        from: &Meta,
        to: ArtifactId,
        file: &FileName,
        meter: Arc<Meter>,
        now: Timestamp,
    ) -> Result<Meta, CacheError> {
        let codec = from
            .artifact
            .format
            .codec()
            .ok_or_else(|| CacheError::NotCompressed {
                file: from_file.clone(),
            })?;
        self.make_way(file)?;
        self.refuse_foreign(file)?;
        let job = unpack::Unpack {
            codec,
            name: file.to_string(),
            kind: receive::kind_of(to.format),
            buffered: self.buffered,
            max: self.max,
            is_kept: true,
        };
        let meta = record::Draft {
            artifact: to,
            url: from.url.clone(),
            unpacked_from: Some(from.sha256),
            provenance: from.provenance,
            etag: from.etag.clone(),
        };
        let recorded = hash::Hashed {
            size: from.size,
            sha256: from.sha256,
        };
        let (cache, source, file) = (self.clone(), self.path(from_file), file.clone());
        self.on_thread("unpack", move || {
            let staged = unpack::unpack_file(&source, recorded, &cache.dir, &job, &meter)?;
            let meta = cache.publish(&file, staged, meta, now)?;
            cache.sync()?;
            Ok(meta)
        })
        .await
    }

    /// Reads a file again and compares it with its record.
    ///
    /// # Errors
    /// [`CacheError::Damaged`] if it differs; [`CacheError::Foreign`] if there is
    /// no record.
    pub async fn verify(&self, file: &FileName) -> Result<(), CacheError> {
        let (cache, file) = (self.clone(), file.clone());
        self.on_thread("verify", move || {
            let meta = cache.load(&file)?.ok_or_else(|| cache.foreign(&file))?;
            let path = cache.path(&file);
            let found =
                hash::hash_file(&path, &Meter::default()).map_err(CacheError::io("read", &path))?;
            if (found.size, found.sha256) == (meta.size, meta.sha256) {
                return Ok(());
            }
            Err(CacheError::Damaged {
                file,
                expected: meta.sha256,
                expected_size: meta.size,
                found: found.sha256,
                found_size: found.size,
            })
        })
        .await
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<T, CacheError> + Send + 'static,
    ) -> Result<T, CacheError> {
        task::on_thread(name, work)
            .await
            .map_err(CacheError::io("work in", &self.dir))?
    }
}
