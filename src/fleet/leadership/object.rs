//! The object of a leadership, as far as its keeper uses it.

use std::future::Future;

use super::body::LeadershipBody;
use super::machine::Wrote;
use crate::bucket::{Bucket, BucketError, ObjectKey, ObjectTag, ObjectWritten, WriteCondition};
use crate::model::{LeaderEpoch, SiteName};

/// An object that is written under conditions.
pub(super) trait LeadershipObject: Send + Sync + 'static {
    /// Tells one write from another.
    type Tag: Clone + PartialEq + Send + 'static;

    fn read(
        &self,
    ) -> impl Future<Output = Result<Option<(Self::Tag, LeadershipBody)>, ObjectError>> + Send;

    fn write(
        &self,
        body: &LeadershipBody,
        after: Option<Self::Tag>,
    ) -> impl Future<Output = Result<Wrote<Self::Tag>, ObjectError>> + Send;
}

/// Why nothing is known of an object.
#[derive(Debug, thiserror::Error)]
pub(super) enum ObjectError {
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// It is not what was expected there.
    #[error(
        "{key} in the store is not the leadership of a site; expected JSON with epoch and holder"
    )]
    Content {
        key: ObjectKey,
        #[source]
        source: serde_json::Error,
    },
    /// No epoch gets this large by itself, and nodes do not read a larger one.
    #[error(
        "{key} in the store has the epoch {epoch}; expected at most {}",
        LeaderEpoch::TOO_LARGE
    )]
    Epoch { key: ObjectKey, epoch: LeaderEpoch },
}

/// The object of a site in a bucket.
pub(super) struct InBucket {
    bucket: Bucket,
    key: ObjectKey,
}

impl InBucket {
    pub(super) fn new(bucket: Bucket, site: &SiteName) -> Self {
        Self {
            bucket,
            key: ObjectKey::of_site("v1/leaders", site),
        }
    }

    /// Nobody leads under an epoch that nodes do not read.
    fn check(&self, body: &LeadershipBody) -> Result<(), ObjectError> {
        match body.epoch > LeaderEpoch::TOO_LARGE {
            true => Err(ObjectError::Epoch {
                key: self.key.clone(),
                epoch: body.epoch,
            }),
            false => Ok(()),
        }
    }
}

impl LeadershipObject for InBucket {
    type Tag = ObjectTag;

    async fn read(&self) -> Result<Option<(ObjectTag, LeadershipBody)>, ObjectError> {
        let Some(object) = self.bucket.get(&self.key).await? else {
            return Ok(None);
        };
        let body = serde_json::from_slice(&object.bytes).map_err(|source| {
            let key = self.key.clone();
            ObjectError::Content { key, source }
        })?;
        self.check(&body)?;
        Ok(Some((object.tag, body)))
    }

    async fn write(
        &self,
        body: &LeadershipBody,
        after: Option<ObjectTag>,
    ) -> Result<Wrote<ObjectTag>, ObjectError> {
        self.check(body)?;
        let content = |source| ObjectError::Content {
            key: self.key.clone(),
            source,
        };
        let bytes = serde_json::to_vec(body).map_err(content)?;
        let condition = after.map_or(WriteCondition::Absent, WriteCondition::Unchanged);
        Ok(match self.bucket.put(&self.key, bytes, condition).await? {
            ObjectWritten::Done(tag) => Wrote::Done(tag),
            ObjectWritten::Refused => Wrote::Unclear,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::tests::disturbed::DisturbedStore;

    #[tokio::test]
    async fn nobody_leads_under_an_epoch_that_nodes_do_not_read() {
        let store = DisturbedStore::default();
        let object = InBucket::new(store.bucket(), &"prague".parse().unwrap());
        let body = |epoch| LeadershipBody {
            epoch,
            seq: 1,
            holder: None,
            nonce: "n".to_owned(),
            ttl_ms: 30_000,
        };
        let largest = body(LeaderEpoch::TOO_LARGE);
        assert!(object.write(&largest, None).await.is_ok());
        assert_eq!(object.read().await.unwrap().unwrap().1, largest);
        let larger = body(LeaderEpoch::TOO_LARGE.next());
        let refused = object.write(&larger, None).await;
        assert!(matches!(refused, Err(ObjectError::Epoch { .. })));
        let bytes = serde_json::to_vec(&larger).unwrap();
        let bucket = store.bucket();
        let put = bucket.put(&object.key, bytes, WriteCondition::Always);
        put.await.unwrap();
        assert!(matches!(
            object.read().await,
            Err(ObjectError::Epoch { .. })
        ));
    }
}
