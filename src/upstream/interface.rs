//! What a run asks of the upstreams, whoever answers.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::facts::{Meta, Registration, VersionKnowledge};
use crate::io::Meter;
use crate::io::flow::Sink;
use crate::model::{ArtifactId, SchematicId, Sha256};

use super::error::UpstreamError;

/// Everything a run asks of the outside, besides the nodes.
///
/// The methods about a store do nothing where controllers share none.
pub(crate) trait Upstream: Send + Sync + 'static {
    /// What a download from the factory owes to other controllers, which wait for it. Dropping
    /// it lets another one download.
    type Turn: Send + 'static;

    /// The released versions from the first configured source that answers, or
    /// the last good list on disk with its age.
    fn versions(&self) -> impl Future<Output = VersionKnowledge> + Send;

    /// The size in bytes that a similar image had (of the same version, platform,
    /// architecture and format, whatever its schematic), as far as one was fetched.
    /// Nobody is asked.
    fn seen_size(&self, artifact: &ArtifactId) -> Option<u64>;

    /// Remembers the size of an image that was fetched, or unpacked from one.
    fn remember_size(&self, artifact: &ArtifactId, bytes: u64);

    /// The ids that the factory gave to schematics, by the computed ones, where
    /// the two are known to differ.
    fn known_ids(&self) -> BTreeMap<SchematicId, Registration>;

    /// Makes a schematic known; the id in the answer is the authority, and is
    /// remembered where it is not the computed one.
    fn register(
        &self,
        computed: SchematicId,
        document: &str,
    ) -> impl Future<Output = Result<SchematicId, UpstreamError>> + Send;

    /// The digest that the factory vouches for: published (`<url>.sha256`) or signed
    /// (`<url>.sigstore.json`), as the configuration says; `None` where none is offered
    /// (402, 404) and none is demanded. To be asked as a part of the image's own fetch,
    /// since the image may be built for it.
    fn checksum(
        &self,
        url: &str,
    ) -> impl Future<Output = Result<Option<Sha256>, UpstreamError>> + Send;

    /// Streams an image into a sink: retries, resumes and starts over as the
    /// server allows. Returns when every byte of the image is in the sink.
    fn download<S: Sink>(
        &self,
        url: &str,
        sink: &mut S,
    ) -> impl Future<Output = Result<Transferred, UpstreamError>> + Send;

    /// Which of these images are in the store, with their sizes in bytes. Asked for a plan,
    /// so it never waits for long; that the store is silent is no answer.
    fn stored(
        &self,
        wanted: Vec<(ArtifactId, String)>,
    ) -> impl Future<Output = BTreeMap<ArtifactId, u64>> + Send {
        drop(wanted);
        std::future::ready(BTreeMap::new())
    }

    /// Where an image is to be had now. Waits while another controller downloads it. An
    /// image of the store that turned out to be of no use is named in `refused`, and is not
    /// given again.
    fn locate(
        &self,
        request: &ImageRequest,
        refused: Option<RefusedImage>,
    ) -> impl Future<Output = Located<Self::Turn>> + Send;

    /// Streams an image of the store into a sink. Resumes what is in the sink of the same
    /// image, and nothing else. Returns the bytes that came over the wire.
    fn download_stored<S: Sink>(
        &self,
        image: &StoredImage,
        sink: &mut S,
    ) -> impl Future<Output = Result<u64, StoreRefusal>> + Send {
        let _ = (image, sink);
        std::future::ready(Err(StoreRefusal::Unreadable(
            "there is no store".to_owned(),
        )))
    }

    /// Shares an image that was downloaded from the factory and verified, in the background.
    fn share(&self, turn: Self::Turn, image: ShareableImage) {
        drop((turn, image));
    }

    /// Waits for what goes on in the background, and ends it where `cancel` says so.
    fn settle(&self, cancel: &CancellationToken) -> impl Future<Output = ()> + Send {
        let _ = cancel;
        std::future::ready(())
    }
}

/// One image, as it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct ImageRequest {
    pub artifact: ArtifactId,
    /// Its URL at the factory.
    pub url: String,
    /// The digest that an order pins.
    pub pinned: Option<Sha256>,
    /// Told what is waited for.
    pub meter: Arc<Meter>,
}

/// Where an image is to be had.
#[derive(Debug)]
pub(crate) enum Located<T> {
    /// In the store.
    Stored(StoredImage),
    /// At the factory.
    Factory(T),
}

/// An image in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredImage {
    /// Its length in bytes.
    pub size: u64,
    /// The digest that its bytes must have.
    pub sha256: Sha256,
    /// True if the factory vouches for this digest as the configuration demands.
    pub is_vouched: bool,
    /// Which write of its index entry this is.
    pub edition: String,
}

/// An image of the store that was of no use.
#[derive(Debug)]
pub(crate) struct RefusedImage {
    pub image: StoredImage,
    pub why: StoreRefusal,
}

/// Why an image of the store was of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreRefusal {
    /// It is not what the index says. This stays so until somebody shares it again.
    Wrong(String),
    /// It cannot be read now.
    Unreadable(String),
}

/// An image that was downloaded from the factory.
#[derive(Debug, Clone)]
pub(crate) struct ShareableImage {
    /// Its record in the cache.
    pub meta: Meta,
    /// The digest that the factory vouches for, where it was asked.
    pub vouched: Option<Sha256>,
    /// The file in the cache.
    pub file: PathBuf,
}

/// How a download went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transferred {
    /// Bytes that came over the wire in this call, repeats included.
    pub wire_bytes: u64,
    /// The entity tag of the answer, where there was one.
    pub etag: Option<String>,
    /// How many times the transfer was resumed or started over.
    pub retries: u32,
}
