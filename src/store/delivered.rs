//! The record of what was delivered to nodes on which no record can lie.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::file::{self, Found};
use crate::facts::RecordEntry;
use crate::model::{Dir, FileName, NodeId, SiteName};
use crate::nodes::{DeliveredEntries, DeliveryRecords, RecordEditions, RecordsError};

/// By node and directory, as the file has it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct DeliveredFiles {
    nodes: DeliveredEntries,
    /// For each site of a fleet, the edition of the record in the store that this continues.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    shared: BTreeMap<SiteName, String>,
    /// The edition that was to be written there, where nobody answered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attempted: BTreeMap<SiteName, String>,
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

    /// What is recorded of the nodes of a site, and the editions of the record in the store
    /// that it continues. One that cannot be read says nothing.
    pub(crate) fn of_site(
        &self,
        site: &SiteName,
        covers: impl Fn(&NodeId) -> bool,
    ) -> (DeliveredEntries, RecordEditions) {
        let mut files = self.load().unwrap_or_default();
        files.nodes.retain(|node, _| covers(node));
        let editions = RecordEditions {
            known: files.shared.remove(site),
            attempted: files.attempted.remove(site),
        };
        (files.nodes, editions)
    }

    /// The record of the nodes of a site is this from now on. `covers` is true for its nodes,
    /// `is_elsewhere` for those of other sites: what is recorded of them stays, since the
    /// record of a site keeps nodes that have left it.
    ///
    /// # Errors
    /// Where it cannot be written; the record is what it was.
    pub(crate) fn take_over(
        &self,
        site: &SiteName,
        covers: impl Fn(&NodeId) -> bool,
        is_elsewhere: impl Fn(&NodeId) -> bool,
        entries: DeliveredEntries,
        editions: RecordEditions,
    ) -> Result<(), RecordsError> {
        self.rewrite(|files| {
            files.nodes.retain(|node, _| !covers(node));
            let entries = entries.into_iter();
            let own = entries.filter(|(node, _)| !is_elsewhere(node));
            files.nodes.extend(own);
            for (editions, edition) in [
                (&mut files.shared, editions.known),
                (&mut files.attempted, editions.attempted),
            ] {
                match edition {
                    Some(edition) => editions.insert(site.clone(), edition),
                    None => editions.remove(site),
                };
            }
        })
    }

    /// Says that it is not known what others delivered, and why; `None` that it is.
    pub(crate) fn set_doubt(&self, why: Option<String>) {
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

    fn doubt(&self) -> Option<String> {
        let doubt = self.doubt.lock().unwrap_or_else(PoisonError::into_inner);
        doubt.clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(node: &str, name: &str) -> DeliveredEntries {
        let entry = serde_json::json!({
            "name": name, "size": 1, "mtime": 2, "inode": 1, "sha256": "ab".repeat(32),
            "artifact": { "version": "v1.11.3", "platform": "nocloud", "arch": "amd64",
                "secureboot": false, "schematic": "37".repeat(32), "format": "iso" },
            "orders": [], "placed_at": "2026-08-05T12:00:00Z",
        });
        let files = [(
            name.parse().unwrap(),
            serde_json::from_value(entry).unwrap(),
        )]
        .into();
        let dirs = [("/var/lib/vz/template/iso".parse().unwrap(), files)].into();
        [(node.parse().unwrap(), dirs)].into()
    }

    #[test]
    fn a_node_that_moved_keeps_what_its_new_site_knows() {
        let dir = tempfile::tempdir().unwrap();
        let records = FileRecords::new(dir.path().join("delivered.json"));
        let (brno, prague) = ("brno".parse().unwrap(), "prague".parse().unwrap());
        let editions = |name: &str| RecordEditions {
            known: Some(name.to_owned()),
            attempted: Some(format!("{name}+")),
        };
        // The node was of prague, whose record still has it.
        let (all, none) = (|_: &NodeId| true, |_: &NodeId| false);
        let fresh = entries("pve-1", "fresh.iso");
        let taken = records.take_over(&brno, all, none, fresh.clone(), editions("b"));
        taken.unwrap();
        let mut stale = entries("pve-1", "stale.iso");
        stale.extend(entries("later", "a.iso"));
        let is_elsewhere = |node: &NodeId| node.as_str() == "pve-1";
        let taken = records.take_over(&prague, none, is_elsewhere, stale, editions("p"));
        taken.unwrap();
        let mut known = fresh.clone();
        // Its cluster has not told of this one yet.
        known.extend(entries("later", "a.iso"));
        assert_eq!(*records.all().unwrap(), known);
        assert_eq!(records.of_site(&brno, is_elsewhere), (fresh, editions("b")));
    }
}
