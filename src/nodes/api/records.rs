//! What was delivered, as the controller remembers it: through the API nothing can be
//! left on a node but images.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::facts::RecordEntry;
use crate::model::{Dir, FileName, NodeId};

/// What was delivered, by node, directory and name.
pub type DeliveredEntries = BTreeMap<NodeId, BTreeMap<Dir, BTreeMap<FileName, RecordEntry>>>;

/// Which editions of a record that controllers share one of them continues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordEditions {
    /// The one that was read or written last; `None` for a record that was never shared.
    pub known: Option<String>,
    /// One that was to be written, and may have been: nobody answered.
    pub attempted: Option<String>,
}

impl RecordEditions {
    /// True if the record continues this edition.
    pub fn has(&self, edition: &str) -> bool {
        let own = [&self.known, &self.attempted];
        own.iter().any(|own| own.as_deref() == Some(edition))
    }
}

/// Keeps a record of what was delivered to each directory of a node. What is lost here is
/// removed by nobody any more, and adopted where an order wants it.
pub trait DeliveryRecords: fmt::Debug + Send + Sync + 'static {
    /// Everything that was delivered. A record that did not change is read once: each node
    /// of a cluster asks for all of it.
    ///
    /// # Errors
    /// Where it cannot be read, so that it is unknown.
    fn all(&self) -> Result<Arc<DeliveredEntries>, RecordsError>;

    /// Why it is not known what other controllers delivered or removed. What is on record
    /// may be past then: it is enough to adopt a file, and not to remove one.
    fn doubt(&self) -> Option<String> {
        None
    }

    /// The record of a directory; empty where nothing was delivered.
    ///
    /// # Errors
    /// Where it cannot be read, so that it is unknown.
    fn read(
        &self,
        node: &NodeId,
        dir: &Dir,
    ) -> Result<BTreeMap<FileName, RecordEntry>, RecordsError> {
        let all = self.all()?;
        let record = all.get(node).and_then(|dirs| dirs.get(dir));
        Ok(record.cloned().unwrap_or_default())
    }

    /// Adds an entry, or replaces the one of the same name. It is on the disk then.
    ///
    /// # Errors
    /// Where it cannot be written; the record is what it was.
    fn put(&self, node: &NodeId, dir: &Dir, entry: &RecordEntry) -> Result<(), RecordsError>;

    /// Drops an entry; that there is none is fine.
    ///
    /// # Errors
    /// Where it cannot be written; the record is what it was.
    fn drop_entry(&self, node: &NodeId, dir: &Dir, file: &FileName) -> Result<(), RecordsError>;
}

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the record of deliveries cannot be used")]
pub struct RecordsError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl RecordsError {
    /// The error with this cause.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// The record of one directory. Files are written on threads that may wait.
#[derive(Debug, Clone)]
pub(super) struct DirRecord {
    pub records: Arc<dyn DeliveryRecords>,
    pub node: NodeId,
    pub dir: Dir,
}

impl DirRecord {
    pub(super) async fn read(&self) -> Result<BTreeMap<FileName, RecordEntry>, RecordsError> {
        self.wait(|own| own.records.read(&own.node, &own.dir)).await
    }

    /// Nothing is removed while it is in doubt whose it is.
    pub(super) fn ensure_certain(&self) -> Result<(), RecordsError> {
        match self.records.doubt() {
            Some(why) => Err(RecordsError::new(why)),
            None => Ok(()),
        }
    }

    pub(super) async fn put(&self, entry: RecordEntry) -> Result<(), RecordsError> {
        self.wait(move |own| own.records.put(&own.node, &own.dir, &entry))
            .await
    }

    pub(super) async fn drop_entry(&self, file: &FileName) -> Result<(), RecordsError> {
        let file = file.clone();
        self.wait(move |own| own.records.drop_entry(&own.node, &own.dir, &file))
            .await
    }

    async fn wait<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, RecordsError> {
        let own = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&own)).await;
        done.map_err(RecordsError::new)?
    }
}

/// Everything that was delivered.
pub(super) async fn all(
    records: &Arc<dyn DeliveryRecords>,
) -> Result<Arc<DeliveredEntries>, RecordsError> {
    let records = Arc::clone(records);
    let done = tokio::task::spawn_blocking(move || records.all()).await;
    done.map_err(RecordsError::new)?
}
