//! The record of what was delivered to nodes on which no record can lie.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::file::{self, Found};
use crate::facts::RecordEntry;
use crate::model::{Dir, FileName, NodeId, SiteName};
use crate::nodes::{DeliveredEntries, DeliveryRecords, RecordsError};

/// By node and directory, as the file has it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct DeliveredFiles {
    nodes: DeliveredEntries,
    /// For each site of a fleet, the edition of the record in the store that this continues.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    shared: BTreeMap<SiteName, String>,
}

/// The record in one file. One process at a time writes to it: the one that has the cache.
#[derive(Debug)]
pub struct FileRecords {
    path: PathBuf,
    /// Reading and writing is one step.
    writing: Mutex<()>,
    known: Mutex<Option<(FileStamp, Arc<DeliveredEntries>)>>,
    /// Why it is not known what other controllers delivered.
    doubt: Mutex<Option<String>>,
}

/// What tells one content of a file from another: device, inode, length, and the times of
/// its last change.
type FileStamp = [i128; 5];

impl FileRecords {
    /// The record in the file of this path, which need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            writing: Mutex::default(),
            known: Mutex::default(),
            doubt: Mutex::default(),
        }
    }

    /// What is recorded of the nodes of a site, and the edition of the record in the store
    /// that it continues. One that cannot be read says nothing.
    pub(crate) fn of_site(
        &self,
        site: &SiteName,
        covers: impl Fn(&NodeId) -> bool,
    ) -> (DeliveredEntries, Option<String>) {
        let mut files = self.load().unwrap_or_default();
        files.nodes.retain(|node, _| covers(node));
        (files.nodes, files.shared.remove(site))
    }

    /// The record of the nodes of a site is this from now on.
    ///
    /// # Errors
    /// Where it cannot be written; the record is what it was.
    pub(crate) fn take_over(
        &self,
        site: &SiteName,
        covers: impl Fn(&NodeId) -> bool,
        entries: DeliveredEntries,
        edition: Option<String>,
    ) -> Result<(), RecordsError> {
        self.rewrite(|files| {
            files.nodes.retain(|node, _| !covers(node));
            files.nodes.extend(entries);
            match edition {
                Some(edition) => files.shared.insert(site.clone(), edition),
                None => files.shared.remove(site),
            };
        })
    }

    /// Says that it is not known what was delivered, and why; `None` that it is.
    pub(crate) fn doubt(&self, why: Option<String>) {
        *self.doubt.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn load(&self) -> Result<DeliveredFiles, RecordsError> {
        match file::find(&self.path) {
            Found::Nothing => Ok(DeliveredFiles::default()),
            Found::Content(content) => Ok(content),
            Found::Unreadable(why) => Err(RecordsError::new(why)),
        }
    }

    fn stamp(&self) -> Option<FileStamp> {
        let file = std::fs::metadata(&self.path).ok()?;
        let time =
            |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Some([
            i128::from(file.dev()),
            i128::from(file.ino()),
            i128::from(file.len()),
            time(file.mtime(), file.mtime_nsec()),
            time(file.ctime(), file.ctime_nsec()),
        ])
    }

    fn change(
        &self,
        node: &NodeId,
        dir: &Dir,
        change: impl FnOnce(&mut BTreeMap<FileName, RecordEntry>),
    ) -> Result<(), RecordsError> {
        self.rewrite(|files| {
            let dirs = files.nodes.entry(node.clone()).or_default();
            let record = dirs.entry(dir.clone()).or_default();
            change(record);
            if record.is_empty() {
                dirs.remove(dir);
            }
        })
    }

    fn rewrite(&self, change: impl FnOnce(&mut DeliveredFiles)) -> Result<(), RecordsError> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // One that cannot be read is kept under another name, and the record begins anew:
        // what was in it is removed by nobody.
        let mut files = self.load().unwrap_or_default();
        change(&mut files);
        files.nodes.retain(|_, dirs| !dirs.is_empty());
        file::write(&self.path, &files).map_err(RecordsError::new)
    }
}

impl DeliveryRecords for FileRecords {
    fn all(&self) -> Result<Arc<DeliveredEntries>, RecordsError> {
        let doubt = self.doubt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &*doubt {
            return Err(RecordsError::new(why.clone()));
        }
        drop(doubt);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Before reading: what is written meanwhile is read again.
        let stamp = self.stamp();
        if let (Some((seen, entries)), Some(stamp)) = (&*known, stamp)
            && *seen == stamp
        {
            return Ok(Arc::clone(entries));
        }
        let entries = Arc::new(self.load()?.nodes);
        *known = stamp.map(|stamp| (stamp, Arc::clone(&entries)));
        Ok(entries)
    }

    fn put(&self, node: &NodeId, dir: &Dir, entry: &RecordEntry) -> Result<(), RecordsError> {
        self.change(node, dir, |record| {
            record.insert(entry.name.clone(), entry.clone());
        })
    }

    fn drop_entry(&self, node: &NodeId, dir: &Dir, file: &FileName) -> Result<(), RecordsError> {
        // Nothing is written for a file that is not on record.
        if !self.read(node, dir)?.contains_key(file) {
            return Ok(());
        }
        self.change(node, dir, |record| {
            record.remove(file);
        })
    }
}
