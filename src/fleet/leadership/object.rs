//! The object of a leadership, as far as its keeper uses it.

use std::future::Future;

use super::body::LeadershipBody;
use super::machine::Wrote;
use crate::bucket::{Bucket, BucketError, ObjectKey, ObjectTag, ObjectWritten, WriteCondition};
use crate::model::SiteName;

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
        Ok(Some((object.tag, body)))
    }

    async fn write(
        &self,
        body: &LeadershipBody,
        after: Option<ObjectTag>,
    ) -> Result<Wrote<ObjectTag>, ObjectError> {
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
