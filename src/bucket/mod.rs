//! Objects in a bucket of an S3-compatible server.
//!
//! [`Bucket`] is what the controllers of a fleet share, and nothing here knows what they
//! keep in it: keys, bytes, and conditions for writing them. `object_store` speaks S3. What
//! stands here is what it leaves to its users: which answers are knowledge, and which
//! only say that nobody knows.
//!
//! A request that writes under a condition is sent once. Repeated after an answer that was
//! lost, it would be refused because of itself, and would look as if somebody else had won.
//! The one exception is a server that compares entity tags without their quotes, as long as
//! it is not known to do so.

#![expect(
    clippy::disallowed_methods,
    reason = "speaks to a server, reads the files it sends, and makes names that nobody else has"
)]

mod answer;
mod bare;
mod client;
mod clock;
mod error;
mod key;
mod probe;
mod read;
mod settings;
mod tags;
mod wire;
mod write;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::sync::OnceCell;

use client::BucketClients;
use clock::ServerClock;
use probe::STORE_PROBES;
use tags::ProvenForm;

pub use answer::BucketAnswer;
pub use error::{BucketError, SMALL};
pub use key::{ObjectKey, ObjectPrefix};
pub use probe::{Capability, Probe, ProbeCheck, ProbeFault, StoreFeature};
pub use read::{ListedObject, ObjectReading, StoredObject};
pub use settings::{BucketCredentials, BucketSettings};
pub use write::{ObjectTag, ObjectWritten, SentObject, WriteCondition};

/// How long a request about a small object may take, with everything that is repeated.
const PATIENCE: Duration = Duration::from_secs(20);

/// A bucket, or what stands in one behind a prefix. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Repeats what fails on the way: for reading, and for writing without a condition.
    patient: Arc<dyn ObjectStore>,
    /// Sends each request once.
    once: Arc<dyn ObjectStore>,
    /// For images: waits longer than the others.
    heavy: Arc<dyn ObjectStore>,
    /// Stands in front of every key.
    prefix: String,
    /// For people: the URL of the bucket.
    name: String,
    /// How long a request about a small object may take.
    patience: Duration,
    requests: Arc<AtomicU64>,
    clock: ServerClock,
    /// How the server wants to be told of what is unchanged.
    tags: ProvenForm,
    /// Set once the server told of a version of an object.
    has_versions: Arc<AtomicBool>,
    /// Where the objects of probes are.
    probes: &'static str,
    /// The connection counts them; where there is none, the operations do.
    is_counted_below: bool,
    probed: Arc<OnceCell<Probe>>,
}

impl Bucket {
    /// A bucket as the configuration describes it. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// When the settings make no client.
    pub fn open(settings: &BucketSettings) -> Result<Self, BucketError> {
        Self::open_counting(settings, Arc::default())
    }

    /// The same; requests are added to a number that others may read, or add to as well.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_counting(
        settings: &BucketSettings,
        requests: Arc<AtomicU64>,
    ) -> Result<Self, BucketError> {
        let clock = ServerClock::default();
        let clients = BucketClients::new(settings, Arc::clone(&requests), clock.clone())?;
        Ok(Self {
            patient: clients.patient,
            once: clients.once,
            heavy: clients.heavy,
            prefix: settings.prefix.clone(),
            name: settings.name(),
            patience: settings.idle.min(PATIENCE),
            requests,
            clock,
            tags: ProvenForm::default(),
            has_versions: Arc::default(),
            probes: STORE_PROBES,
            is_counted_below: true,
            probed: Arc::default(),
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
            once: Arc::clone(&store),
            heavy: store,
            prefix: String::new(),
            name: name.to_owned(),
            patience: PATIENCE,
            requests: Arc::default(),
            clock: ServerClock::default(),
            tags: ProvenForm::default(),
            has_versions: Arc::default(),
            probes: STORE_PROBES,
            is_counted_below: false,
            probed: Arc::default(),
        }
    }

    /// The same bucket as a node: what a probe writes has a hidden name, since other objects
    /// in it may be anybody's.
    pub fn of_node(self) -> Self {
        Self {
            probes: probe::NODE_PROBES,
            ..self
        }
    }

    /// The URL of the bucket with its prefix, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The prefix of what probes write.
    pub fn probes(&self) -> &str {
        self.probes
    }

    /// How many requests were sent so far, with those that were repeated.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// What the time was by the clock of the server when it last answered. `None` where no
    /// answer told it.
    pub fn server_time(&self) -> Option<Timestamp> {
        self.clock.last()
    }

    /// The server of a test tells the time.
    #[cfg(test)]
    pub(crate) fn tell_time(&self, time: Timestamp) {
        self.clock.set(time);
    }

    /// What the server can be used for. It is probed once, and a probe that comes to no end
    /// is repeated by the next who asks.
    ///
    /// # Errors
    /// When the server cannot be asked, or cannot be used at all.
    pub async fn capability(&self) -> Result<Capability, BucketError> {
        let probe = self.probed.get_or_try_init(|| self.probe()).await?;
        match probe.unfit() {
            Some(why) => Err(BucketError::Unfit {
                name: self.name.clone(),
                why,
            }),
            None => Ok(probe.capability()),
        }
    }

    fn path(&self, key: &ObjectKey) -> object_store::path::Path {
        object_store::path::Path::from(format!("{}{key}", self.prefix))
    }

    /// Counts an operation where nobody else counts its request.
    fn count(&self) {
        if !self.is_counted_below {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for an operation on something small.
    async fn within<T>(
        &self,
        what: &'static str,
        key: &impl fmt::Display,
        work: impl Future<Output = Result<T, BucketError>>,
    ) -> Result<T, BucketError> {
        self.count();
        self.wait(what, key, work).await
    }

    async fn wait<T>(
        &self,
        what: &'static str,
        key: &impl fmt::Display,
        work: impl Future<Output = Result<T, BucketError>>,
    ) -> Result<T, BucketError> {
        match tokio::time::timeout(self.patience, work).await {
            Ok(ended) => ended,
            Err(_) => Err(BucketError::Late {
                what,
                key: key.to_string(),
                after: self.patience,
            }),
        }
    }
}
