//! Objects in a bucket of an S3-compatible server.
//!
//! [`Bucket`] is what the controllers of a fleet share, and nothing here knows what they
//! keep in it: keys, bytes, and conditions for writing them. `object_store` speaks S3. What
//! stands here is what it leaves to its users: which answers are knowledge, and which
//! only say that nobody knows.
//!
//! A request that writes under a condition is sent once. Repeated after an answer that was
//! lost, it would be refused because of itself, and would look as if somebody else had won.

mod checked;
mod error;
mod key;
mod settings;
mod write;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use object_store::aws::AmazonS3Builder;
use object_store::memory::InMemory;
use object_store::{
    Certificate, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig,
};

pub use error::BucketError;
pub use key::{ObjectKey, ObjectPrefix};
pub use settings::{BucketCredentials, BucketSettings};
pub use write::{ObjectTag, ObjectWritten, WriteCondition};

/// The most bytes of an object that is read as a whole: everything but images is smaller.
pub const SMALL: u64 = 1 << 20;

/// ObjectReading may be repeated: so often, for so long altogether.
const READ_RETRIES: usize = 3;
const READ_PATIENCE: Duration = Duration::from_secs(20);

/// A bucket, or what stands in one behind a prefix. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Repeats what fails on the way: for reading, and for writing without a condition.
    patient: Arc<dyn ObjectStore>,
    /// Sends each request once.
    once: Arc<dyn ObjectStore>,
    /// Stands in front of every key.
    prefix: String,
    /// For people: the URL of the bucket.
    name: String,
}

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
    /// Which write it is of.
    pub tag: ObjectTag,
}

/// An object that is read in pieces.
pub struct ObjectReading<S> {
    /// The length of the whole object in bytes.
    pub size: u64,
    /// What follows the offset that was asked for.
    pub pieces: S,
}

impl Bucket {
    /// A bucket as the configuration describes it. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// When the settings make no client.
    pub fn open(settings: &BucketSettings) -> Result<Self, BucketError> {
        let client = |retries| -> Result<Arc<dyn ObjectStore>, BucketError> {
            Ok(Arc::new(build(settings, retries)?))
        };
        Ok(Self {
            patient: client(READ_RETRIES)?,
            once: client(0)?,
            prefix: settings.prefix.clone(),
            name: settings.name(),
        })
    }

    /// A bucket that is there as long as this value, with the guarantees of a right server.
    pub fn in_memory() -> Self {
        Self::over(Arc::new(InMemory::new()), "memory")
    }

    /// A bucket behind any implementation: for tests that disturb one.
    pub fn over(store: Arc<dyn ObjectStore>, name: &str) -> Self {
        Self {
            patient: Arc::clone(&store),
            once: store,
            prefix: String::new(),
            name: name.to_owned(),
        }
    }

    /// The URL of the bucket with its prefix, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads a small object. `None` if there is none.
    ///
    /// # Errors
    /// When the server cannot be asked, or the object is larger than [`SMALL`].
    pub async fn get(&self, key: &ObjectKey) -> Result<Option<StoredObject>, BucketError> {
        let failed = |error| BucketError::of("reading", key, error);
        let found = match self.patient.get(&self.path(key)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
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
    }

    /// Reads an object in pieces, from an offset to its end. `None` if there is none. An
    /// offset at the end gives no pieces.
    ///
    /// # Errors
    /// When the server cannot be asked. What fails later is in the pieces.
    pub async fn read(
        &self,
        key: &ObjectKey,
        from: u64,
    ) -> Result<
        Option<ObjectReading<impl Stream<Item = Result<Bytes, BucketError>> + Send + use<>>>,
        BucketError,
    > {
        let range = (from > 0).then_some(GetRange::Offset(from));
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        let found = match self.patient.get_opts(&self.path(key), options).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(BucketError::of("reading", key, error)),
        };
        let size = found.meta.size;
        let key = key.clone();
        let pieces = found.into_stream();
        Ok(Some(ObjectReading {
            size,
            pieces: pieces.map_err(move |error| BucketError::of("reading", &key, error)),
        }))
    }

    /// Everything behind a prefix, in no order.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn list(&self, prefix: &ObjectPrefix) -> Result<Vec<ListedObject>, BucketError> {
        let path = object_store::path::Path::from(format!("{}{prefix}", self.prefix));
        let mut found = self.patient.list(Some(&path));
        let mut all = Vec::new();
        while let Some(meta) = found.next().await {
            let meta = meta.map_err(|error| BucketError::listing(prefix, error))?;
            let name = meta.location.as_ref();
            // What has no name of ours is none of our business.
            let key = name
                .strip_prefix(&self.prefix)
                .and_then(|name| name.parse().ok());
            all.extend(key.map(|key| ListedObject {
                key,
                size: meta.size,
                modified: modified(&meta),
                tag: ObjectTag::of(&meta),
            }));
        }
        Ok(all)
    }

    /// Removes an object. That there is none is fine.
    ///
    /// # Errors
    /// When the server cannot be asked, or does not want to.
    pub async fn remove(&self, key: &ObjectKey) -> Result<(), BucketError> {
        match self.patient.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BucketError::of("removing", key, error)),
        }
    }

    fn path(&self, key: &ObjectKey) -> object_store::path::Path {
        object_store::path::Path::from(format!("{}{key}", self.prefix))
    }
}

fn modified(meta: &object_store::ObjectMeta) -> Timestamp {
    let seconds = meta.last_modified.timestamp();
    // A server that tells no time that there is tells none.
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn build(
    settings: &BucketSettings,
    retries: usize,
) -> Result<object_store::aws::AmazonS3, BucketError> {
    let unusable = |error| BucketError::Unusable {
        name: settings.name(),
        source: Box::new(error),
    };
    let mut client = ClientOptions::new()
        .with_allow_http(settings.is_plain())
        .with_connect_timeout(settings.connect)
        .with_read_timeout(settings.idle)
        .with_timeout_disabled();
    if let Some(pem) = &settings.authorities {
        let authorities = Certificate::from_pem_bundle(pem).map_err(unusable)?;
        for authority in authorities {
            client = client.with_root_certificate(authority);
        }
    }
    let retry = RetryConfig {
        max_retries: retries,
        retry_timeout: READ_PATIENCE,
        ..RetryConfig::default()
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_client_options(client)
        .with_retry(retry);
    if let Some(endpoint) = &settings.endpoint {
        // Servers beside AWS have one name, and no bucket in it.
        builder = builder
            .with_endpoint(endpoint.as_str().trim_end_matches('/'))
            .with_virtual_hosted_style_request(false);
    }
    if let Some(credentials) = &settings.credentials {
        builder = credentials.give(builder);
    }
    builder.build().map_err(unusable)
}
