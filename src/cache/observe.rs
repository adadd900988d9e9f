//! Looking at the cache, without touching anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;

use super::names::{self, Entry};
use super::{Cache, CacheError};
use crate::io::landing::mtime_ns;
use crate::model::FileName;
use crate::plan::{CacheState, CachedFile, Meta};

impl Cache {
    /// What the cache holds. A directory that does not exist holds nothing, and
    /// directories within it are not looked at. Nothing is changed.
    ///
    /// # Errors
    /// If the directory or a record in it cannot be read: what is there is then
    /// not known.
    pub fn observe(&self) -> Result<CacheState, CacheError> {
        let mut found = Found::default();
        for (name, metadata) in self.list()? {
            self.sort(&mut found, name, &metadata)?;
        }
        let Found {
            records,
            partial,
            mut others,
        } = found;
        let mut files = BTreeMap::new();
        for (file, meta) in records {
            others.remove(&names::checksum_of(&file));
            let now = others.remove(file.as_str());
            let cached = CachedFile {
                size: now.map(|(size, _)| size),
                untouched: now.is_some_and(|(_, mtime)| mtime == meta.mtime_ns),
                meta,
            };
            files.insert(file, cached);
        }
        Ok(CacheState {
            files,
            foreign: others.into_keys().collect::<BTreeSet<_>>(),
            partial,
            free_bytes: self.free_bytes(),
        })
    }

    fn sort(&self, found: &mut Found, name: String, metadata: &Metadata) -> Result<(), CacheError> {
        if metadata.is_dir() {
            return Ok(());
        }
        match Entry::of(&name) {
            Entry::Lock | Entry::Temporary | Entry::PartialRecord(_) => {}
            Entry::Partial(file) => {
                found.partial.insert(file, metadata.len());
            }
            Entry::Record(file) => match self.load(&file)? {
                Some(meta) => {
                    found.records.insert(file, meta);
                }
                None => {
                    let facts = (metadata.len(), mtime_ns(metadata));
                    found.others.insert(name, facts);
                }
            },
            Entry::Other => {
                // A link under a name of ours is not the file that we wrote.
                let mtime = if metadata.is_file() {
                    mtime_ns(metadata)
                } else {
                    i64::MIN
                };
                found.others.insert(name, (metadata.len(), mtime));
            }
        }
        Ok(())
    }

    /// Every entry of the directory, links not followed.
    pub(super) fn list(&self) -> Result<Vec<(String, Metadata)>, CacheError> {
        let failed = |error| CacheError::io("list", &self.dir)(error);
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut list = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            match entry.metadata() {
                Ok(metadata) => {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    list.push((name, metadata));
                }
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
struct Found {
    records: BTreeMap<FileName, Meta>,
    partial: BTreeMap<FileName, u64>,
    /// Size in bytes and modification time of everything else, by name.
    others: BTreeMap<String, (u64, i64)>,
}
