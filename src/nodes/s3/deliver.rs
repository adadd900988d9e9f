//! A delivery: compare what is there, upload, record.

use std::time::Instant;

use super::place::{BucketPlace, remote};
use crate::bucket::{BucketError, ListedObject, SentObject};
use crate::facts::RecordEntry;
use crate::nodes::authority::Fence;
use crate::nodes::error::NodeError;
use crate::nodes::interface::{Delivered, Delivery};

impl BucketPlace {
    pub(super) async fn deliver(&self, delivery: &Delivery) -> Result<Delivered, NodeError> {
        let begun = Instant::now();
        let fence = self.authority.fence()?;
        delivery.meter.set_total(delivery.size);
        // Also the proof that this process may write here, before a byte is sent.
        let record = self.update(fence.as_ref(), |_| ()).await?;
        let recorded = record.entries.get(&delivery.file);
        let before = self.find(&delivery.file).await?;
        if let Some(found) = &before
            && let Some(entry) = self
                .occupant(delivery, found, recorded, fence.as_ref())
                .await?
        {
            delivery.meter.set_done(delivery.size);
            return Ok(Delivered {
                copied: false,
                wire_bytes: Some(0),
                took: begun.elapsed(),
                entry,
            });
        }
        let sent = self.send(delivery).await?;
        // Sending takes minutes, and others work meanwhile.
        let checked = self.check_again(delivery, before.as_ref(), fence.as_ref());
        if let Err(error) = checked.await {
            sent.give_up().await;
            return Err(error);
        }
        let tag = sent.finish().await;
        let tag = tag.map_err(|error| self.failed("sending the file", error))?;
        // What somebody else put there since is not what was sent.
        let found = self.find(&delivery.file).await?;
        let is_sent = match &found {
            Some(found) if tag.is_known() => found.tag == tag,
            Some(_) => self.digest(&delivery.file).await? == Some(delivery.sha256),
            None => false,
        };
        let Some(object) = found.filter(|_| is_sent) else {
            return Err(NodeError::Refused {
                node: self.node.clone(),
                what: "finding the delivered file",
                message: format!("somebody else changed {}", self.shown(&delivery.file)),
            });
        };
        let entry = self.record(delivery, &object, fence.as_ref()).await?;
        Ok(Delivered {
            copied: true,
            wire_bytes: Some(delivery.size),
            took: begun.elapsed(),
            entry,
        })
    }

    /// What has the name already: the right bytes are adopted, and others that are not ours
    /// to replace end the delivery. `None` if it can be replaced.
    async fn occupant(
        &self,
        delivery: &Delivery,
        found: &ListedObject,
        recorded: Option<&RecordEntry>,
        fence: Option<&Fence>,
    ) -> Result<Option<RecordEntry>, NodeError> {
        let theirs = recorded.filter(|entry| entry.owner != self.owner);
        // What the record describes need not be read: another content has another tag.
        let known = recorded.filter(|entry| entry.describes(&remote(found)));
        let digest = match known {
            Some(entry) => Some(entry.sha256),
            None if found.size == delivery.size => self.digest(&delivery.file).await?,
            None => None,
        };
        let is_right = digest == Some(delivery.sha256);
        match (is_right, theirs, recorded) {
            (true, Some(theirs), _) => Ok(Some(theirs.clone())),
            (true, None, _) => Ok(Some(self.record(delivery, found, fence).await?)),
            (false, Some(theirs), _) => Err(NodeError::NotOurs {
                place: self.shown(&delivery.file),
                owner: theirs.owner.clone(),
            }),
            (false, None, None) if !delivery.replace => Err(NodeError::Foreign {
                place: self.shown(&delivery.file),
            }),
            (false, None, _) => Ok(None),
        }
    }

    /// This process still may write, and what has the name is what had it before.
    async fn check_again(
        &self,
        delivery: &Delivery,
        before: Option<&ListedObject>,
        fence: Option<&Fence>,
    ) -> Result<(), NodeError> {
        self.update(fence, |_| ()).await?;
        let now = self.find(&delivery.file).await?;
        let tag = |object: &ListedObject| object.tag.clone();
        match now.as_ref().map(tag) == before.map(tag) {
            true => Ok(()),
            false => Err(NodeError::Foreign {
                place: self.shown(&delivery.file),
            }),
        }
    }

    /// Sends the file, up to what makes it an object.
    async fn send(&self, delivery: &Delivery) -> Result<SentObject, NodeError> {
        let key = self.key(&delivery.file);
        let sent = |bytes| delivery.meter.add(bytes);
        let upload = self
            .bucket
            .upload_checked(&key, &delivery.source, delivery.sha256, sent);
        upload.await.map_err(|error| match error {
            BucketError::Differs { found, .. } => NodeError::DigestDiffers {
                place: self.shown(&delivery.file),
                expected: delivery.sha256,
                found,
            },
            error => self.failed("sending the file", error),
        })
    }

    async fn record(
        &self,
        delivery: &Delivery,
        object: &ListedObject,
        fence: Option<&Fence>,
    ) -> Result<RecordEntry, NodeError> {
        let file = remote(object);
        let entry = RecordEntry {
            name: delivery.file.clone(),
            size: file.size,
            mtime: file.mtime,
            inode: file.inode,
            sha256: delivery.sha256,
            image_sha256: None,
            artifact: delivery.artifact.clone(),
            orders: delivery.orders.clone(),
            owner: self.owner.clone(),
            deletion: delivery.deletion,
            revision: delivery.revision.clone(),
            placed_at: delivery.now,
        };
        let put = |record: &mut super::record::BucketRecord| {
            record.entries.insert(entry.name.clone(), entry.clone());
        };
        self.update(fence, put).await?;
        Ok(entry)
    }
}
