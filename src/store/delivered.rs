//! The record of what was delivered to nodes on which no record can lie.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::file::{self, Found};
use crate::facts::RecordEntry;
use crate::model::{Dir, FileName, NodeId};
use crate::nodes::{DeliveryRecords, RecordsError};

/// By node and directory, as the file has it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct DeliveredFiles {
    nodes: BTreeMap<NodeId, BTreeMap<Dir, BTreeMap<FileName, RecordEntry>>>,
}

/// The record in one file. One process at a time writes to it: the one that has the cache.
#[derive(Debug)]
pub struct FileRecords {
    path: PathBuf,
    /// Reading and writing is one step.
    writing: Mutex<()>,
}

impl FileRecords {
    /// The record in the file of this path, which need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            writing: Mutex::default(),
        }
    }

    fn load(&self) -> Result<DeliveredFiles, RecordsError> {
        match file::find(&self.path) {
            Found::Nothing => Ok(DeliveredFiles::default()),
            Found::Content(content) => Ok(content),
            Found::Unreadable(why) => Err(RecordsError::new(why)),
        }
    }

    fn change(
        &self,
        node: &NodeId,
        dir: &Dir,
        change: impl FnOnce(&mut BTreeMap<FileName, RecordEntry>),
    ) -> Result<(), RecordsError> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // One that cannot be read is kept under another name, and the record begins anew:
        // what was in it is removed by nobody.
        let mut files = self.load().unwrap_or_default();
        let dirs = files.nodes.entry(node.clone()).or_default();
        let record = dirs.entry(dir.clone()).or_default();
        change(record);
        if record.is_empty() {
            dirs.remove(dir);
        }
        files.nodes.retain(|_, dirs| !dirs.is_empty());
        file::write(&self.path, &files).map_err(RecordsError::new)
    }
}

impl DeliveryRecords for FileRecords {
    fn read(
        &self,
        node: &NodeId,
        dir: &Dir,
    ) -> Result<BTreeMap<FileName, RecordEntry>, RecordsError> {
        let mut files = self.load()?;
        let dirs = files.nodes.get_mut(node);
        Ok(dirs.and_then(|dirs| dirs.remove(dir)).unwrap_or_default())
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
