//! A directory of a node, as the API has it: a content type of a storage.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::config::{ApiNode, ApiPlace};
use super::error::ApiError;
use super::records::DirRecord;
use crate::error::chain;
use crate::facts::{FailureKind, RecordEntry, RemoteFile};
use crate::io::process::printable;
use crate::model::{FileName, NodeId, Sha256};
use crate::nodes::error::NodeError;
use crate::nodes::interface::Delivery;
use crate::proxmox::{ImagePlace, PveApi, PveError, StorageContent, StorageStatus, Volume};

/// In place of an inode number, which the API does not tell. A line of a record that
/// describes nothing any more has 0.
const NO_INODE: u64 = 1;

/// A directory of a node. Everything is its own, so that work on it can outlive a run
/// that is dropped.
#[derive(Debug, Clone)]
pub(super) struct PlaceOnNode {
    pub node: NodeId,
    pub api: PveApi,
    /// The name of the node in the cluster.
    pub name: String,
    pub place: ApiPlace,
    pub record: DirRecord,
    /// The file that is worked on.
    pub _held: Option<HeldFile>,
}

/// Keeps others from working on a file, until the last clone is dropped: also what goes on
/// behind a run that was dropped.
pub(super) type HeldFile = Arc<OwnedMutexGuard<()>>;

/// A file as a storage lists it. Its modification time is that of its inode, in whole
/// seconds: it changes with every delivery.
pub(super) fn remote(volume: &Volume) -> RemoteFile {
    RemoteFile {
        size: volume.size,
        mtime: volume.ctime.unwrap_or(0).saturating_mul(1_000_000_000),
        inode: NO_INODE,
    }
}

/// Why a node is not known, and what only an operator can end.
pub(super) fn silence(error: &PveError) -> (String, Option<FailureKind>) {
    let lasting = match error {
        PveError::Unauthorized { .. } | PveError::Forbidden { .. } => {
            Some(FailureKind::PermissionDenied)
        }
        error if error.is_transient() => None,
        _ => Some(FailureKind::Unreachable),
    };
    let why = match error.hint() {
        Some(hint) => format!("{}; hint: {hint}", chain(error)),
        None => chain(error),
    };
    (printable(why.as_bytes()), lasting)
}

/// A failed call as the error of a node.
pub(super) fn failed(node: &NodeId, what: &'static str, source: PveError) -> NodeError {
    failed_with(node, what, source, String::new())
}

/// The same, with the end of the log of a task.
pub(super) fn failed_with(
    node: &NodeId,
    what: &'static str,
    source: PveError,
    log: String,
) -> NodeError {
    match &source {
        PveError::NodeUnreachable { .. }
        | PveError::Transport { .. }
        | PveError::Timeout { .. }
        | PveError::Unavailable { .. } => NodeError::Unreachable {
            why: printable(chain(&source).as_bytes()),
            transient: source.is_transient(),
            is_denied: false,
            hint: None,
            stderr: log,
        },
        _ => NodeError::Api(ApiError::Call {
            node: node.clone(),
            what,
            log,
            source: Box::new(source),
        }),
    }
}

impl From<super::records::RecordsError> for NodeError {
    fn from(error: super::records::RecordsError) -> Self {
        Self::Api(error.into())
    }
}

impl PlaceOnNode {
    pub(super) fn new(node: &NodeId, known: &ApiNode, place: &ApiPlace, record: DirRecord) -> Self {
        Self {
            node: node.clone(),
            api: known.api.clone(),
            name: known.name.clone(),
            place: place.clone(),
            record,
            _held: None,
        }
    }

    /// `node:path`, for messages.
    pub(super) fn shown(&self, file: &FileName) -> String {
        format!("{}:{}", self.node, self.record.dir.join(file))
    }

    pub(super) fn volume(&self, file: &FileName) -> String {
        self.place
            .content
            .volume(&self.place.storage, file.as_str())
    }

    /// What to look for where virtual machines may use it.
    pub(super) fn image(&self, file: &FileName) -> ImagePlace {
        ImagePlace {
            volid: self.volume(file),
            path: Some(self.record.dir.join(file)),
        }
    }

    /// The status of the storage and what it lists under a name.
    pub(super) async fn find(
        &self,
        file: &FileName,
    ) -> Result<(StorageStatus, Option<Volume>), NodeError> {
        let ApiPlace { storage, content } = &self.place;
        let asked = self.api.storage_content(&self.name, storage, *content);
        let (status, content) = asked
            .await
            .map_err(|error| failed(&self.node, "listing the storage", error))?;
        match content {
            StorageContent::Known(volumes) => {
                let is_it = |volume: &Volume| volume.file_name() == file.as_str();
                Ok((status, volumes.into_iter().find(is_it)))
            }
            StorageContent::Unknown(source) => Err(NodeError::Api(ApiError::Storage {
                place: format!("{}:{}", self.node, self.record.dir),
                source,
            })),
        }
    }

    /// What the record says of a file.
    pub(super) async fn recorded(&self, file: &FileName) -> Result<Option<RecordEntry>, NodeError> {
        Ok(self.record.read().await?.remove(file))
    }

    /// The entry for a file that was delivered, or found to be right.
    pub(super) fn entry(
        &self,
        delivery: &Delivery,
        sha256: Sha256,
        owner: &str,
        volume: &Volume,
    ) -> RecordEntry {
        let file = remote(volume);
        RecordEntry {
            name: delivery.file.clone(),
            size: file.size,
            mtime: file.mtime,
            inode: file.inode,
            sha256,
            image_sha256: (!delivery.form.is_same()).then_some(delivery.sha256),
            artifact: delivery.artifact.clone(),
            orders: delivery.orders.clone(),
            owner: owner.to_owned(),
            deletion: delivery.deletion,
            revision: delivery.revision.clone(),
            placed_at: delivery.now,
        }
    }
}
