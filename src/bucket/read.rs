//! Reading objects.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStoreExt};

use super::{Bucket, BucketAnswer, BucketError, ObjectKey, ObjectPrefix, ObjectTag, SMALL};

const READING: &str = "reading";

/// An object that was read as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// What is in it.
    pub bytes: Bytes,
    /// Which write it is of.
    pub tag: ObjectTag,
    /// When it was written, by the server's clock.
    pub modified: Timestamp,
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: ObjectKey,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written, by the server's clock.
    pub modified: Timestamp,
}

/// An object that is read in pieces.
pub struct ObjectReading {
    /// The length of the whole object in bytes.
    pub size: u64,
    /// What follows the offset that was asked for.
    pub pieces: BoxStream<'static, Result<Bytes, BucketError>>,
}

impl Bucket {
    /// Reads a small object. `None` if there is none.
    ///
    /// # Errors
    /// When the server cannot be asked, or the object is larger than [`SMALL`].
    pub async fn get(&self, key: &ObjectKey) -> Result<Option<StoredObject>, BucketError> {
        let failed = |error| BucketError::of(READING, key, &error);
        self.within(READING, key, async {
            let found = match self.patient.get(&self.path(key)).await {
                Ok(found) => found,
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(failed(error)),
            };
            if found.meta.size > SMALL {
                return Err(BucketError::TooLarge {
                    key: key.clone(),
                    size: found.meta.size,
                });
            }
            let (tag, modified) = (ObjectTag::of(&found.meta), modified(&found.meta));
            Ok(Some(StoredObject {
                bytes: found.bytes().await.map_err(failed)?,
                tag,
                modified,
            }))
        })
        .await
    }

    /// The length of an object in bytes. `None` if there is none, or no bucket: the answer
    /// to this request has no room for the difference.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, BucketError> {
        self.within(READING, key, async {
            match self.patient.head(&self.path(key)).await {
                Ok(found) => Ok(Some(found.size)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(BucketError::of(READING, key, &error)),
            }
        })
        .await
    }

    /// Reads an object in pieces, from an offset to its end. `None` if there is none. An
    /// offset at the end or behind it gives no pieces.
    ///
    /// # Errors
    /// When the server cannot be asked. What fails later is in the pieces.
    pub async fn read(
        &self,
        key: &ObjectKey,
        from: u64,
    ) -> Result<Option<ObjectReading>, BucketError> {
        let range = (from > 0).then_some(GetRange::Offset(from));
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        let asked = self.within(READING, key, async {
            Ok(self.heavy.get_opts(&self.path(key), options).await)
        });
        let found = match asked.await? {
            Ok(found) => found,
            Err(error) if is_absent(&error) => return Ok(None),
            // There is no range without bytes, so servers refuse this one.
            Err(error) => match self.size(key).await {
                Ok(Some(size)) if from > 0 && size <= from => {
                    let pieces = stream::empty().boxed();
                    return Ok(Some(ObjectReading { size, pieces }));
                }
                _ => return Err(BucketError::of(READING, key, &error)),
            },
        };
        let size = found.meta.size;
        let key = key.clone();
        let pieces = found.into_stream();
        let pieces = pieces.map_err(move |error| BucketError::of(READING, &key, &error));
        Ok(Some(ObjectReading {
            size,
            pieces: pieces.boxed(),
        }))
    }

    /// Everything behind a prefix, in no order.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn list(&self, prefix: &ObjectPrefix) -> Result<Vec<ListedObject>, BucketError> {
        let path = object_store::path::Path::from(format!("{}{prefix}", self.prefix));
        // A page of a thousand at a time, each within its own time.
        let mut found = self.patient.list(Some(&path));
        let mut all = Vec::new();
        let listed = async |found: &mut BoxStream<'_, object_store::Result<ObjectMeta>>| {
            let next = found.next().await;
            next.transpose()
                .map_err(|error| BucketError::listing(prefix, &error))
        };
        self.count();
        while let Some(meta) = self.wait("listing", prefix, listed(&mut found)).await? {
            let name = meta.location.as_ref();
            // What has no name of ours is none of our business.
            let key = name
                .strip_prefix(&self.prefix)
                .and_then(|name| name.parse().ok());
            all.extend(key.map(|key| ListedObject {
                key,
                size: meta.size,
                modified: modified(&meta),
            }));
        }
        Ok(all)
    }
}

/// True where the server knows that there is no such object.
fn is_absent(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. }) && BucketAnswer::of(error).is_no_object()
}

fn modified(meta: &ObjectMeta) -> Timestamp {
    let seconds = meta.last_modified.timestamp();
    // A server that tells no time that there is tells none.
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
