//! Work on files that are in the cache already: unpacking, reading again.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Cache, CacheError, receive, record};
use crate::facts::Meta;
use crate::io::flow::growing::GrowingFile;
use crate::io::flow::unpack;
use crate::io::{Meter, hash};
use crate::model::{ArtifactId, FileName};

impl Cache {
    /// Unpacks a compressed file that is in the cache, and records the result.
    /// The compressed file is checked against its record while it is read.
    ///
    /// # Errors
    /// If it is damaged, or the unpacked file cannot be written.
    pub(crate) async fn unpack(
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
            growing: GrowingFile::default(),
        };
        let meta = record::RecordDraft {
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
            let landed = unpack::unpack_file(&source, recorded, &cache.dir, &job, &meter)?;
            let meta = cache.publish(&file, landed, meta, now)?;
            cache.sync()?;
            Ok(meta)
        })
        .await
    }

    /// Reads a file again and compares it with its record. Where it differs, the record
    /// describes nothing any more (modification time 0), so that the next plan replaces
    /// the file, and it is still known to be ours.
    ///
    /// # Errors
    /// [`CacheError::Damaged`] if it differs; [`CacheError::Foreign`] if there is
    /// no record.
    pub(crate) async fn verify(&self, file: &FileName) -> Result<(), CacheError> {
        let (cache, file) = (self.clone(), file.clone());
        self.on_thread("verify", move || {
            let meta = cache.load(&file)?.ok_or_else(|| cache.foreign(&file))?;
            let path = cache.path(&file);
            let found =
                hash::hash_file(&path, &Meter::default()).map_err(CacheError::io("read", &path))?;
            if (found.size, found.sha256) == (meta.size, meta.sha256) {
                return Ok(());
            }
            let undescribed = Meta {
                mtime_ns: 0,
                ..meta.clone()
            };
            cache.store(&file, &undescribed)?;
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
}
