//! Keeping the cache in order: removing, sweeping, noting what is wanted.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::names::{self, CacheName};
use super::{Cache, CacheError, whole};
use crate::facts::{CacheState, Meta};
use crate::io::file::make_way;
use crate::io::flow::resume::ResumeRecord;
use crate::io::flow::temporary::{self, temporary_of};
use crate::model::FileName;

/// How old a note about when a file was wanted may get. Retention counts in days,
/// and a run with nothing to do should write nothing.
const NOTE_AGE: SignedDuration = SignedDuration::from_hours(1);

/// How far ahead a note may be: clocks are corrected, and a download of this run ends
/// after the look.
const CLOCKS: SignedDuration = SignedDuration::from_mins(1);

impl Cache {
    /// Removes a file of ours with everything beside it, and what there is of an
    /// incomplete one. Returns the bytes on the disk that this freed. That there
    /// is nothing is fine.
    ///
    /// # Errors
    /// [`CacheError::Foreign`] for a file that we have no record of.
    pub(crate) fn remove(&self, file: &FileName) -> Result<u64, CacheError> {
        self.refuse_foreign(file)?;
        // Checked before anything goes: without a record, a checksum file of the
        // same name is not ours either.
        let ours = self.load(file)?.is_some();
        let mut freed = self.remove_partial(file)?;
        if ours {
            // The record goes last: as long as anything is there, it is ours.
            freed += remove(&self.path(file))?;
            freed += remove(&self.dir.join(names::checksum_of(file)))?;
            freed += remove(&names::record_of(&self.dir, file))?;
        }
        if freed > 0 {
            self.sync()?;
        }
        Ok(freed)
    }

    /// Removes what interrupted work left and nothing can be done with: temporaries
    /// of small files, unpacked forms that are not complete, and downloads that
    /// cannot be resumed. Returns the bytes on the disk that this freed.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn sweep(&self, busy: &BTreeSet<FileName>) -> Result<u64, CacheError> {
        let mut freed = 0;
        let mut downloads = BTreeSet::new();
        for name in self.list()? {
            match CacheName::of(&name) {
                CacheName::Temporary => freed += remove(&self.dir.join(&name))?,
                CacheName::Partial(file) | CacheName::PartialRecord(file) => {
                    downloads.insert(file);
                }
                CacheName::Record(_) | CacheName::Lock | CacheName::Other => {}
            }
        }
        for file in downloads.difference(busy) {
            let resumable = ResumeRecord::load(&self.dir, file.as_str()).is_some()
                && temporary_of(&self.dir, file.as_str()).is_file();
            if !resumable {
                freed += self.remove_partial(file)?;
            }
        }
        Ok(freed)
    }

    /// Notes in the records of files that orders want them now, where the note
    /// there was older than an hour when the cache was looked at. What was not there
    /// then has a new record, or none. That a file was found to be a whole image when
    /// the cache was looked at is noted, too, so that nobody has to look again. A note of
    /// a time that is ahead, by a clock that was wrong, counts as one of now, whoever
    /// wants the file.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn mark_wanted<'a>(
        &self,
        files: impl IntoIterator<Item = &'a FileName>,
        seen: &CacheState,
        now: Timestamp,
    ) -> Result<(), CacheError> {
        let wanted: BTreeSet<&FileName> = files.into_iter().collect();
        for (file, seen) in &seen.files {
            let is_wanted = wanted.contains(file);
            let is_due = |meta: &Meta| {
                let age = now.duration_since(meta.last_wanted);
                age < -CLOCKS || (is_wanted && age > NOTE_AGE)
            };
            let is_to_note = is_wanted && whole::is_to_note(seen);
            if !is_to_note && !is_due(&seen.meta) {
                continue;
            }
            // Read again: it may have been fetched anew since.
            if let Some(mut meta) = self.load(file)?
                && meta.sha256 == seen.meta.sha256
                && (is_to_note || is_due(&meta))
            {
                meta.last_wanted = now;
                if is_to_note {
                    self.note_whole(file, &mut meta);
                }
                self.store(file, &meta)?;
            }
        }
        Ok(())
    }

    fn remove_partial(&self, file: &FileName) -> Result<u64, CacheError> {
        let temporary = remove(&temporary_of(&self.dir, file.as_str()))?;
        let record = remove(&temporary::record_of(&self.dir, file.as_str()))?;
        Ok(temporary + record)
    }
}

/// Removes a file, if it is there; the bytes that it had on the disk.
fn remove(path: &Path) -> Result<u64, CacheError> {
    let removed = fs::symlink_metadata(path).and_then(|metadata| {
        if metadata.is_dir() {
            // It is nothing that we made.
            make_way(path)?;
            return Ok(0);
        }
        fs::remove_file(path)?;
        // Blocks count 512 bytes each, whatever the file system's are (stat(2)).
        Ok(metadata.blocks() * 512)
    });
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        other => other.map_err(CacheError::io("remove", path)),
    }
}
