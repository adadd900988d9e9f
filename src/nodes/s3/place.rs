//! A directory of a bucket: what is in it, and its record.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use sha2::Digest;
use tokio::sync::OwnedMutexGuard;

use super::config::BucketNodesConfig;
use super::record::{BucketRecord, NoEntry};
use crate::bucket::{
    Bucket, BucketError, ListedObject, ObjectKey, ObjectPrefix, ObjectTag, ObjectWritten,
    WriteCondition,
};
use crate::error::chain;
use crate::facts::RemoteFile;
use crate::io::process::printable;
use crate::model::{Dir, FileName, Node, NodeId, Sha256};
use crate::nodes::authority::{Authority, Fence};
use crate::nodes::error::NodeError;

/// The object with the record of a directory.
const RECORD: &str = ".talos-order.jsonl";

/// How often writing the record is begun anew, because another controller wrote to it.
const ATTEMPTS: u32 = 10;

/// How long to wait before that; longer each time, and not the same for everybody.
const PAUSE: Duration = Duration::from_millis(50);

/// A directory of a bucket.
#[derive(Debug, Clone)]
pub(super) struct BucketPlace {
    pub node: NodeId,
    pub dir: Dir,
    pub owner: String,
    pub bucket: Bucket,
    pub authority: Authority,
    /// The directory as the beginning of keys.
    prefix: ObjectPrefix,
}

/// Operations of this process on one directory wait for each other.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<(NodeId, Dir), Turn>>);

type Turn = Arc<tokio::sync::Mutex<()>>;

impl Turns {
    pub(super) async fn of(&self, node: &NodeId, dir: &Dir) -> OwnedMutexGuard<()> {
        let turn = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry((node.clone(), dir.clone())).or_default())
        };
        turn.lock_owned().await
    }
}

impl BucketPlace {
    pub(super) fn new(
        config: &BucketNodesConfig,
        node: &Node,
        dir: &Dir,
    ) -> Result<Self, NodeError> {
        let refused = |message: String| NodeError::Refused {
            node: node.id.clone(),
            what: "finding the directory",
            message,
        };
        let bucket = config.nodes.get(&node.id);
        let bucket =
            bucket.ok_or_else(|| refused("it is no bucket of the configuration".into()))?;
        let prefix = dir.as_str().trim_start_matches('/').parse();
        let authority = config.authority_of.get(&node.id);
        Ok(Self {
            node: node.id.clone(),
            dir: dir.clone(),
            owner: config.owner.clone(),
            bucket: bucket.clone(),
            authority: authority.unwrap_or(&config.authority).clone(),
            prefix: prefix.map_err(|error: crate::model::Invalid| refused(error.message))?,
        })
    }

    /// `node:path`, for messages.
    pub(super) fn shown(&self, file: &FileName) -> String {
        format!("{}:{}", self.node, self.dir.join(file))
    }

    pub(super) fn key(&self, file: &FileName) -> ObjectKey {
        let key = format!("{}{file}", self.prefix).parse();
        key.expect("a file name has no character that a key has not")
    }

    fn record_key(&self) -> ObjectKey {
        let key = format!("{}{RECORD}", self.prefix).parse();
        key.expect("a plain name behind a good prefix")
    }

    pub(super) fn failed(&self, what: &'static str, error: BucketError) -> NodeError {
        if let BucketError::File { path, source } = error {
            return NodeError::Source { path, source };
        }
        let why = printable(chain(&error).as_bytes());
        match error {
            BucketError::Failed { .. } | BucketError::Late { .. } => NodeError::Unreachable {
                why,
                transient: true,
                is_denied: false,
                hint: None,
                stderr: String::new(),
            },
            BucketError::Denied { .. } | BucketError::NoBucket { .. } => NodeError::Unreachable {
                why,
                transient: false,
                is_denied: matches!(error, BucketError::Denied { .. }),
                hint: error.hint(),
                stderr: String::new(),
            },
            _ => NodeError::Refused {
                node: self.node.clone(),
                what,
                message: why,
            },
        }
    }

    /// What stands directly in the directory, by name; hidden names are left out.
    pub(super) async fn list(&self) -> Result<BTreeMap<String, ListedObject>, BucketError> {
        let listed = self.bucket.list(&self.prefix).await?;
        let prefix = self.prefix.to_string();
        let named = listed.into_iter().filter_map(|object| {
            let name = object.key.as_str().strip_prefix(&prefix)?.to_owned();
            let is_ours = !name.contains('/') && !name.starts_with('.');
            is_ours.then_some((name, object))
        });
        Ok(named.collect())
    }

    pub(super) async fn find(&self, file: &FileName) -> Result<Option<ListedObject>, NodeError> {
        let found = self.bucket.head(&self.key(file)).await;
        found.map_err(|error| self.failed("looking for the file", error))
    }

    /// The record, and which write it is of.
    pub(super) async fn read_record(&self) -> Result<(BucketRecord, Option<ObjectTag>), NodeError> {
        let key = self.record_key();
        let found = self.bucket.get(&key).await;
        let found = found.map_err(|error| self.failed("reading the record", error))?;
        let Some(object) = found else {
            return Ok((BucketRecord::default(), None));
        };
        match BucketRecord::read(&object.bytes) {
            Some(record) => Ok((record, Some(object.tag))),
            None => Err(NodeError::Refused {
                node: self.node.clone(),
                what: "reading the record of earlier deliveries",
                message: format!("{key} is no record of this version"),
            }),
        }
    }

    /// Changes the record, as long as this process may: begun anew where another one wrote
    /// to it meanwhile. Gives the record as it is then.
    pub(super) async fn update(
        &self,
        fence: Option<&Fence>,
        change: impl Fn(&mut BucketRecord),
    ) -> Result<BucketRecord, NodeError> {
        let key = self.record_key();
        for attempt in 0..ATTEMPTS {
            let (before, tag) = self.read_record().await?;
            let mut record = before.clone();
            self.admit(&mut record, fence)?;
            change(&mut record);
            if record == before {
                return Ok(record);
            }
            let condition = match &tag {
                Some(tag) => WriteCondition::Unchanged(tag.clone()),
                None => WriteCondition::Absent,
            };
            let text = record.write();
            let written = match self.bucket.put(&key, text.clone(), condition).await {
                Ok(written) => written,
                Err(error) => self.settle(&text, tag.as_ref(), error).await?,
            };
            match written {
                ObjectWritten::Done(_) => return Ok(record),
                ObjectWritten::Refused => {
                    let most = PAUSE.as_millis() as u64 * u64::from(attempt + 1);
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=most))).await;
                }
            }
        }
        Err(NodeError::Refused {
            node: self.node.clone(),
            what: "writing the record",
            message: "every write is refused: other controllers change it, or the server gets \
                      conditional writes wrong; hint: run `talos-order validate --online`"
                .to_owned(),
        })
    }

    /// What became of a write whose answer does not say it. Ceph RGW before 20 answers all
    /// but one of those who write at once as if it had failed. Another record than before is
    /// the proof that this write is done or will never be: its condition holds no more.
    async fn settle(
        &self,
        text: &str,
        before: Option<&ObjectTag>,
        error: BucketError,
    ) -> Result<ObjectWritten, NodeError> {
        let is_open = matches!(error, BucketError::Failed { .. } | BucketError::Late { .. });
        let found = match is_open {
            true => self.bucket.get(&self.record_key()).await.ok().flatten(),
            false => None,
        };
        let is_other = |tag: &ObjectTag| match before {
            Some(before) => before.is_known() && tag.is_known() && tag != before,
            None => true,
        };
        match found {
            // No other write has the same bytes.
            Some(found) if found.bytes == text => Ok(ObjectWritten::Done(found.tag)),
            Some(found) if is_other(&found.tag) => Ok(ObjectWritten::Refused),
            _ => Err(self.failed("writing the record", error)),
        }
    }

    fn admit(&self, record: &mut BucketRecord, fence: Option<&Fence>) -> Result<(), NodeError> {
        record.admit(&self.owner, fence).map_err(|refusal| {
            let node = self.node.clone();
            match refusal {
                NoEntry::Outranked(site, epoch) => {
                    self.authority.outranked(epoch);
                    NodeError::Outranked { node, site, epoch }
                }
                NoEntry::OfFleet(site) => NodeError::OfFleet { node, site },
            }
        })
    }

    /// The digest of an object, which is read whole through this machine. `None` if there
    /// is none.
    pub(super) async fn digest(&self, file: &FileName) -> Result<Option<Sha256>, NodeError> {
        let failed = |error| self.failed("reading the file", error);
        let Some(reading) = self.bucket.read(&self.key(file), 0).await.map_err(failed)? else {
            return Ok(None);
        };
        let mut digest = sha2::Sha256::new();
        let mut pieces = reading.pieces;
        while let Some(piece) = pieces.try_next().await.map_err(failed)? {
            digest.update(&piece);
        }
        Ok(Some(Sha256::from_bytes(digest.finalize().into())))
    }
}

/// An object as a file: in the place of an inode number stands its tag, which another
/// content changes. A line of a record that describes nothing any more has 0.
pub(super) fn remote(object: &ListedObject) -> RemoteFile {
    let digest = sha2::Sha256::digest(object.tag.to_string());
    let mut number = [0; 8];
    number.copy_from_slice(&digest[..8]);
    let seconds = object.modified.as_second();
    RemoteFile {
        size: object.size,
        mtime: seconds.saturating_mul(1_000_000_000),
        // Programs that read the record as JSON keep 53 bits.
        inode: (u64::from_be_bytes(number) >> 11).max(1),
    }
}
