//! Removing and reading back: only what the record has, and only what still is that.

use super::place::{BucketPlace, remote};
use super::record::BucketRecord;
use crate::facts::RecordEntry;
use crate::model::FileName;
use crate::nodes::authority::Fence;
use crate::nodes::error::NodeError;
use crate::nodes::interface::{Removal, Removed, Verified};

impl BucketPlace {
    pub(super) async fn remove(&self, removal: &Removal) -> Result<Removed, NodeError> {
        let fence = self.authority.fence()?;
        let record = self.update(fence.as_ref(), |_| ()).await?;
        let entry = record.entries.get(&removal.file);
        self.refuse_theirs(&removal.file, entry)?;
        if let Some(found) = self.find(&removal.file).await? {
            let Some(entry) = entry else {
                return Err(NodeError::Foreign {
                    place: self.shown(&removal.file),
                });
            };
            let is_recorded = entry.describes(&remote(&found));
            let digest = match is_recorded {
                true => Some(entry.sha256),
                false => self.digest(&removal.file).await?,
            };
            match digest {
                Some(digest) if digest != removal.sha256 => return Ok(Removed::Differs(digest)),
                _ => {}
            }
            // Reading back takes minutes, and others work meanwhile.
            if !is_recorded {
                self.update(fence.as_ref(), |_| ()).await?;
                let now = self.find(&removal.file).await?;
                if now.as_ref().is_some_and(|now| now.tag != found.tag) {
                    return Err(NodeError::Foreign {
                        place: self.shown(&removal.file),
                    });
                }
            }
            let removed = self.bucket.remove(&self.key(&removal.file)).await;
            removed.map_err(|error| self.failed("removing the file", error))?;
        }
        self.forget(&removal.file, fence.as_ref()).await?;
        Ok(Removed::Gone)
    }

    /// Reads an object back, which costs all of its bytes.
    pub(super) async fn verify(&self, check: &Removal) -> Result<Verified, NodeError> {
        let fence = self.authority.fence()?;
        let (record, _) = self.read_record().await?;
        let entry = record.entries.get(&check.file);
        self.refuse_theirs(&check.file, entry)?;
        match self.digest(&check.file).await? {
            None => {
                self.forget(&check.file, fence.as_ref()).await?;
                Ok(Verified::Missing)
            }
            Some(found) if found == check.sha256 => Ok(Verified::Same),
            Some(found) => {
                let void = |record: &mut BucketRecord| {
                    if let Some(entry) = record.entries.get_mut(&check.file) {
                        (entry.mtime, entry.inode) = (0, 0);
                    }
                };
                self.update(fence.as_ref(), void).await?;
                Ok(Verified::Differs(found))
            }
        }
    }

    async fn forget(&self, file: &FileName, fence: Option<&Fence>) -> Result<(), NodeError> {
        let forget = |record: &mut BucketRecord| {
            record.entries.remove(file);
        };
        self.update(fence, forget).await.map(|_| ())
    }

    fn refuse_theirs(&self, file: &FileName, entry: Option<&RecordEntry>) -> Result<(), NodeError> {
        match entry {
            Some(entry) if entry.owner != self.owner => Err(NodeError::NotOurs {
                place: self.shown(file),
                owner: entry.owner.clone(),
            }),
            _ => Ok(()),
        }
    }
}
