//! Whether the images in the cache are whole. New ones are checked before they get
//! their names; those that earlier releases wrote are looked at here, and only once.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::{Cache, CacheError, names, receive};
use crate::facts::{CachedFile, Meta};
use crate::io::file::{atomic, make_way, set_aside};
use crate::io::image::container::{self, EDITION, ImageFault, OpenFile};
use crate::model::{ArtifactId, FileName, Format, Sha256};

/// How many digests of earlier files a record keeps.
const REFUTED_MAX: usize = 16;

/// How much of a checksum file is read, in bytes: a digest and a name are shorter.
const CHECKSUM_MAX: u64 = 1024;

/// True if nobody has noted yet whether the file is a whole image, as far as its format
/// tells that.
fn is_unchecked(meta: &Meta) -> bool {
    let tells = matches!(
        meta.artifact.format,
        Format::Iso | Format::Raw | Format::Qcow2
    );
    tells && meta.whole.is_none_or(|edition| edition < EDITION)
}

/// True if the file is as it was recorded, so that it is worth a look.
fn is_as_recorded(cached: &CachedFile) -> bool {
    cached.untouched && cached.size == Some(cached.meta.size)
}

/// True if a look at the cache found nothing wrong with the file, and its record does
/// not say so yet.
pub(super) fn is_to_note(cached: &CachedFile) -> bool {
    is_unchecked(&cached.meta) && is_as_recorded(cached) && cached.fault.is_none()
}

impl Cache {
    /// Why a file is not a whole image; `None` if it is, as far as can be told. Reads a
    /// few sectors of files that nobody has looked at yet.
    pub(super) fn fault(&self, file: &FileName, cached: &CachedFile) -> Option<String> {
        if !is_unchecked(&cached.meta) || !is_as_recorded(cached) {
            return None;
        }
        match self.examine_image(file, &cached.meta) {
            // What cannot be read may be anything.
            Ok(()) | Err(ImageFault::Unreadable(_)) => None,
            Err(fault) => Some(fault.to_string()),
        }
    }

    /// Notes in a record that its file is a whole image, if a look says so.
    pub(super) fn note_whole(&self, file: &FileName, meta: &mut Meta) {
        if self.examine_image(file, meta).is_ok() {
            meta.whole = Some(EDITION);
        }
    }

    fn examine_image(&self, file: &FileName, meta: &Meta) -> Result<(), ImageFault> {
        let opened = File::open(self.path(file))?;
        let kind = receive::kind_of(meta.artifact.format);
        container::check(kind, &OpenFile::of(&opened)?)
    }

    /// The digests of files that had a name before and were not whole, for the record
    /// of the one that takes their place: copies of them may be on nodes.
    pub(super) fn refuted(
        &self,
        file: &FileName,
        artifact: &ArtifactId,
        now: Sha256,
    ) -> Result<BTreeSet<Sha256>, CacheError> {
        let Some(meta) = self.load(file)?.filter(|meta| meta.artifact == *artifact) else {
            return Ok(BTreeSet::new());
        };
        let is_there = fs::symlink_metadata(self.path(file))
            .is_ok_and(|found| found.is_file() && found.len() == meta.size);
        let mut refuted = meta.refuted.clone();
        if is_there && is_unchecked(&meta) && refuted.len() < REFUTED_MAX {
            match self.examine_image(file, &meta) {
                Ok(()) | Err(ImageFault::Unreadable(_)) => {}
                Err(_) => drop(refuted.insert(meta.sha256)),
            }
        }
        refuted.remove(&now);
        Ok(refuted)
    }

    /// True if a file was ours before its record was damaged: something is in the place of
    /// the record, and the checksum file beside it is one that we write.
    pub(super) fn is_ours_by_checksum(&self, file: &FileName) -> bool {
        let is_file = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
        let checksum = self.dir.join(names::checksum_of(file));
        let record = names::record_of(&self.dir, file);
        if fs::symlink_metadata(record).is_err() || !is_file(&checksum) {
            return false;
        }
        let mut text = String::new();
        let read = File::open(&checksum)
            .and_then(|checksum| checksum.take(CHECKSUM_MAX).read_to_string(&mut text));
        let line = text
            .strip_suffix('\n')
            .and_then(|line| line.split_once("  "));
        read.is_ok()
            && line.is_some_and(|(digest, name)| {
                name == file.as_str() && digest.parse::<Sha256>().is_ok()
            })
    }

    /// Makes sure that an image and what is beside it can be written: whatever else
    /// has one of the names is set aside, and so is a record that cannot be read. A file
    /// that is not ours is left for [`Self::refuse_foreign`], and so is a link without a
    /// record.
    ///
    /// # Errors
    /// If something cannot be moved.
    pub(super) fn make_way(&self, file: &FileName) -> Result<(), CacheError> {
        let record = names::record_of(&self.dir, file);
        if self.is_ours_by_checksum(file) && self.load(file)?.is_none() {
            // Its file is there to be replaced, which a new record permits.
            let old = self.path(file);
            set_aside(&record).map_err(CacheError::io("set aside", &record))?;
            atomic::remove_if_there(&old).map_err(CacheError::io("remove", &old))?;
        }
        let checksum = self.dir.join(names::checksum_of(file));
        for path in [record, checksum] {
            make_way(&path).map_err(CacheError::io("set aside", &path))?;
        }
        let path = self.path(file);
        let is_in_the_way = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(CacheError::io("examine", &path)(error)),
            Ok(found) => found.is_dir() || (!found.is_file() && self.load(file)?.is_some()),
        };
        if is_in_the_way {
            make_way(&path).map_err(CacheError::io("set aside", &path))?;
        }
        Ok(())
    }
}
