//! The record of a file: written before the file gets its name.

use std::fs;
use std::io;

use jiff::Timestamp;

use super::{Cache, CacheError, names};
use crate::facts::{Meta, Provenance};
use crate::io::file::{atomic, input};
use crate::io::flow::StagedFile;
use crate::io::image::container::EDITION;
use crate::model::{ArtifactId, FileName, Sha256};

/// Longer than a record is ever, in bytes: the refuted digests in it take some sixty each.
const RECORD_MAX: u64 = 1 << 20;

/// What is known of a file before its content is.
#[derive(Debug, Clone)]
pub(super) struct RecordDraft {
    pub artifact: ArtifactId,
    pub url: String,
    pub unpacked_from: Option<Sha256>,
    pub provenance: Provenance,
    pub etag: Option<String>,
}

impl Cache {
    /// The record of a file; `None` if there is none, or none that can be read:
    /// the file is not known to be ours then.
    pub(super) fn load(&self, file: &FileName) -> Result<Option<Meta>, CacheError> {
        let path = names::record_of(&self.dir, file);
        match input::read_file(&path, RECORD_MAX) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if input::is_no_file_of_ours(&error) => Ok(None),
            Err(error) => Err(CacheError::io("read", &path)(error)),
        }
    }

    pub(super) fn store(&self, file: &FileName, meta: &Meta) -> Result<(), CacheError> {
        let path = names::record_of(&self.dir, file);
        let mut text = serde_json::to_vec_pretty(meta)
            .map_err(|error| CacheError::io("write", &path)(error.into()))?;
        text.push(b'\n');
        atomic::write(&path, &text).map_err(CacheError::io("write", &path))
    }

    /// Records a file and gives it its name, in that order. The directory is not
    /// synced after the last step.
    pub(super) fn publish(
        &self,
        file: &FileName,
        staged: StagedFile,
        draft: RecordDraft,
        now: Timestamp,
    ) -> Result<Meta, CacheError> {
        // Looked at again: the download may have taken minutes.
        self.refuse_foreign(file)?;
        let RecordDraft {
            artifact,
            url,
            unpacked_from,
            provenance,
            etag,
        } = draft;
        let meta = Meta {
            refuted: self.refuted(file, &artifact, staged.sha256)?,
            artifact,
            size: staged.size,
            sha256: staged.sha256,
            data: Some(staged.data),
            url,
            unpacked_from,
            provenance,
            etag,
            completed_at: now,
            mtime_ns: staged.mtime_ns,
            last_wanted: now,
            whole: Some(EDITION),
        };
        self.store(file, &meta)?;
        let checksum = self.dir.join(names::checksum_of(file));
        let line = format!("{}  {file}\n", meta.sha256);
        atomic::write(&checksum, line.as_bytes()).map_err(CacheError::io("write", &checksum))?;
        staged.publish()?;
        Ok(meta)
    }

    pub(super) fn sync(&self) -> Result<(), CacheError> {
        atomic::sync_dir(&self.dir).map_err(CacheError::io("write out", &self.dir))
    }

    pub(super) fn make_dir(&self) -> Result<(), CacheError> {
        fs::create_dir_all(&self.dir).map_err(CacheError::io("make", &self.dir))
    }

    /// Refuses a name that something has which is not ours.
    pub(super) fn refuse_foreign(&self, file: &FileName) -> Result<(), CacheError> {
        let path = self.path(file);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(CacheError::io("examine", &path)(error)),
            Ok(metadata) if metadata.is_file() && self.load(file)?.is_some() => Ok(()),
            Ok(metadata) if metadata.is_file() && self.is_ours_by_checksum(file) => Ok(()),
            Ok(_) => Err(self.foreign(file)),
        }
    }

    pub(super) fn foreign(&self, file: &FileName) -> CacheError {
        CacheError::Foreign {
            path: self.path(file),
        }
    }
}
