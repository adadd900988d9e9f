//! The store as a controller uses it for images: what it knows of it, and for how long it
//! waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::entry::ProvenEntry;
use super::keys::ImageKeys;
use super::trouble::{StoreTrouble, answer};
use crate::bucket::{Bucket, ObjectKey, ObjectTag, WriteCondition};
use crate::error::chain;
use crate::facts::StoreUse;
use crate::fleet::layout;
use crate::fleet::seal::FleetKey;
use crate::model::ImageTrust;
use crate::upstream::RequestTally;

/// How a controller shares images.
#[derive(Debug, Clone)]
pub(crate) struct ShareSettings {
    /// The name of this controller, for people.
    pub holder: String,
    /// What this controller demands of the factory.
    pub trust: ImageTrust,
    /// Counts what the store is used for.
    pub tally: RequestTally,
    /// How long a claim stands without being renewed.
    pub ttl: Duration,
    /// How often the claim of another controller is looked at: between these.
    pub poll: (Duration, Duration),
    /// Who waited for another controller, and cannot any more, waits up to this before the
    /// factory is asked: the others ask it as well.
    pub spread: Duration,
    /// How long the answer to a small request may take.
    pub patience: Duration,
    /// How long the store may fail before nobody waits for others any more.
    pub outage: Duration,
    /// How long a transfer may make no progress.
    pub idle: Duration,
    /// The least rate of a transfer from the store in bytes per second, and over which time
    /// it is measured.
    pub least_rate: (u64, Duration),
}

impl ShareSettings {
    /// With the usual times.
    pub(crate) fn new(holder: String, trust: ImageTrust) -> Self {
        Self {
            holder,
            trust,
            tally: RequestTally::default(),
            ttl: Duration::from_secs(60),
            poll: (Duration::from_secs(2), Duration::from_secs(5)),
            spread: Duration::from_secs(60),
            patience: Duration::from_secs(20),
            outage: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            least_rate: (0, Duration::from_secs(60)),
        }
    }
}

/// The images that the controllers of a fleet share. Clones are one.
#[derive(Debug, Clone)]
pub(crate) struct SharedImages(pub(super) Arc<SharedState>);

#[derive(Debug)]
pub(super) struct SharedState {
    pub bucket: Bucket,
    pub key: FleetKey,
    pub settings: ShareSettings,
    /// What goes on in the background: uploads, and claims that are being removed.
    pub tasks: TaskTracker,
    /// Ends the uploads that are under way.
    stop: Mutex<CancellationToken>,
    /// The store has the layout of this version.
    layout: OnceCell<()>,
    /// The editions of index entries that turned out to be wrong, by their keys.
    distrusted: Mutex<BTreeMap<ObjectKey, String>>,
}

/// What is in the index for an image.
#[derive(Debug)]
pub(super) enum Indexed {
    /// Nothing.
    Nothing,
    /// What the fleet believes.
    Proven(Box<ProvenEntry>),
    /// Something that is to be replaced.
    Useless(ObjectTag),
}

impl SharedImages {
    /// Nothing is asked of the store yet.
    pub(crate) fn new(bucket: Bucket, key: FleetKey, settings: ShareSettings) -> Self {
        let tasks = TaskTracker::new();
        // It can be waited for at any time, and takes more tasks nevertheless.
        tasks.close();
        Self(Arc::new(SharedState {
            bucket,
            key,
            settings,
            tasks,
            stop: Mutex::default(),
            layout: OnceCell::new(),
            distrusted: Mutex::default(),
        }))
    }
}

impl SharedState {
    /// Looks whether the store is one of this version, or empty. Asked once.
    pub(super) async fn look_at_layout(&self) -> Result<(), StoreTrouble> {
        if !self.layout.initialized() && layout::check(&self.bucket).await? {
            let _ = self.layout.set(());
        }
        Ok(())
    }

    /// Makes it one of this version before anything is written to it.
    pub(super) async fn prepare_layout(&self) -> Result<(), StoreTrouble> {
        let prepare = || layout::prepare(&self.bucket);
        self.layout.get_or_try_init(prepare).await?;
        Ok(())
    }

    /// What the index has of an image.
    pub(super) async fn indexed(&self, keys: &ImageKeys) -> Result<Indexed, StoreTrouble> {
        let found = answer(self.settings.patience, self.bucket.get(&keys.index)).await?;
        let Some(object) = found else {
            return Ok(Indexed::Nothing);
        };
        match ProvenEntry::read(&object.bytes, &keys.index, &self.key) {
            Ok(proven) if self.is_distrusted(&keys.index, &proven.edition) => {
                Ok(Indexed::Useless(object.tag))
            }
            Ok(proven) => Ok(Indexed::Proven(Box::new(proven))),
            Err(fault) => {
                tracing::warn!(
                    key = %keys.index,
                    reason = chain(&fault),
                    "an index entry of the store is ignored"
                );
                Ok(Indexed::Useless(object.tag))
            }
        }
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut StoreUse)) {
        self.settings.tally.count_store(count);
    }

    /// An entry is not believed any more.
    pub(super) fn distrust(&self, index: &ObjectKey, edition: &str) {
        self.lock().insert(index.clone(), edition.to_owned());
    }

    /// Ends an upload that begins now.
    pub(super) fn stop(&self) -> CancellationToken {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        stop.clone()
    }

    /// Ends the uploads that are under way; later ones are not concerned.
    pub(super) fn stop_now(&self) {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *stop).cancel();
    }

    fn is_distrusted(&self, index: &ObjectKey, edition: &str) -> bool {
        self.lock().get(index).is_some_and(|known| known == edition)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, String>> {
        self.distrusted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Indexed {
    /// When an entry for the image may be written: never over one that the fleet believes.
    pub(super) fn replaced(self) -> Option<WriteCondition> {
        match self {
            Self::Nothing => Some(WriteCondition::Absent),
            Self::Useless(tag) => Some(WriteCondition::Unchanged(tag)),
            Self::Proven(_) => None,
        }
    }
}
