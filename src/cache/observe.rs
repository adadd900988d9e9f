//! Looking at the cache, without touching anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;

use super::names::{self, CacheName};
use super::{Cache, CacheError};
use crate::facts::{CacheState, CachedFile, Meta};
use crate::io::file::mtime_ns;
use crate::model::FileName;

impl Cache {
    /// What the cache holds. A directory that does not exist holds nothing, and
    /// directories within it are not looked at. Nothing is changed.
    ///
    /// # Errors
    /// If the directory or a record in it cannot be read: what is there is then
    /// not known.
    pub(crate) fn observe(&self) -> Result<CacheState, CacheError> {
        let mut found = CacheListing::default();
        for name in self.list()? {
            self.sort(&mut found, name)?;
        }
        let CacheListing {
            records,
            partial,
            mut others,
            unrecorded,
        } = found;
        // Not foreign, and nothing is known about it: as good as missing.
        for file in unrecorded {
            others.remove(file.as_str());
            others.remove(&names::checksum_of(&file));
        }
        let mut files = BTreeMap::new();
        for (file, meta) in records {
            others.remove(&names::checksum_of(&file));
            let now = match others.remove(file.as_str()) {
                true => self.examine(file.as_str())?,
                false => None,
            };
            let mut cached = CachedFile {
                size: now.as_ref().map(Metadata::len),
                // A link under a name of ours is not the file that we wrote.
                untouched: now.is_some_and(|now| now.is_file() && mtime_ns(&now) == meta.mtime_ns),
                fault: None,
                meta,
            };
            cached.fault = self.fault(&file, &cached);
            files.insert(file, cached);
        }
        Ok(CacheState {
            files,
            foreign: others,
            partial,
            free_bytes: self.free_bytes(),
        })
    }

    fn sort(&self, found: &mut CacheListing, name: String) -> Result<(), CacheError> {
        match CacheName::of(&name) {
            CacheName::Lock | CacheName::Temporary | CacheName::PartialRecord(_) => {}
            CacheName::Partial(file) => {
                if let Some(metadata) = self.examine(&name)? {
                    found.partial.insert(file, metadata.len());
                }
            }
            CacheName::Record(file) => match self.load(&file)? {
                Some(meta) => {
                    found.records.insert(file, meta);
                }
                None => {
                    found.others.insert(name);
                    if self.is_ours_by_checksum(&file) {
                        found.unrecorded.insert(file);
                    }
                }
            },
            CacheName::Other => {
                found.others.insert(name);
            }
        }
        Ok(())
    }

    /// What an entry is, links not followed; `None` where it has gone since it was
    /// listed.
    fn examine(&self, name: &str) -> Result<Option<Metadata>, CacheError> {
        let path = self.dir.join(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CacheError::io("examine", &path)(error)),
        }
    }

    /// The name of every entry but directories; one in the place of a record counts, too,
    /// since it hides whose the image is. Three files are there for an image, and only one
    /// of them has to be examined, so the rest is left unasked.
    pub(super) fn list(&self) -> Result<Vec<String>, CacheError> {
        let failed = |error| CacheError::io("list", &self.dir)(error);
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut list = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            match entry.file_type() {
                Ok(kind)
                    if kind.is_dir() && !matches!(CacheName::of(&name), CacheName::Record(_)) => {}
                Ok(_) => list.push(name),
                // Gone between listing and looking.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(CacheError::io("examine", &entry.path())(error)),
            }
        }
        Ok(list)
    }

    /// Bytes that an unprivileged writer can still write; asked of the nearest
    /// directory that exists.
    fn free_bytes(&self) -> Option<u64> {
        let stat = self
            .dir
            .ancestors()
            .find_map(|dir| rustix::fs::statvfs(dir).ok())?;
        stat.f_bavail.checked_mul(stat.f_frsize)
    }
}

#[derive(Default)]
struct CacheListing {
    records: BTreeMap<FileName, Meta>,
    partial: BTreeMap<FileName, u64>,
    others: BTreeSet<String>,
    /// Files of ours whose records cannot be read.
    unrecorded: BTreeSet<FileName>,
}
