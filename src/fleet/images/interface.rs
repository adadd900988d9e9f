//! An upstream that asks the store before the factory.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::claim::ShareTurn;
use super::keys::ImageKeys;
use super::shared::{Indexed, SharedImages};
use crate::facts::{Registration, VersionKnowledge};
use crate::io::flow::Sink;
use crate::model::{ArtifactId, SchematicId, Sha256};
use crate::upstream::{
    ImageRequest, Located, RefusedImage, ShareableImage, StoreRefusal, StoredImage, Transferred,
    Upstream, UpstreamError,
};

/// How long a plan waits for the index at most, and how many entries are asked for at once.
const LOOK: Duration = Duration::from_secs(5);
const LOOKS_AT_ONCE: usize = 8;

/// An upstream, and the images that a fleet shares, if there is a store.
#[derive(Debug)]
pub(crate) struct FleetUpstream<F> {
    inner: F,
    shared: Option<SharedImages>,
}

impl<F: Upstream> FleetUpstream<F> {
    /// Without a store it is the upstream.
    pub(crate) fn new(inner: F, shared: Option<SharedImages>) -> Self {
        Self { inner, shared }
    }

    /// The upstream itself.
    #[cfg(test)]
    pub(crate) fn inner(&self) -> &F {
        &self.inner
    }
}

impl<F: Upstream> Upstream for FleetUpstream<F> {
    type Turn = ShareTurn;

    async fn versions(&self) -> VersionKnowledge {
        self.inner.versions().await
    }

    fn seen_size(&self, artifact: &ArtifactId) -> Option<u64> {
        self.inner.seen_size(artifact)
    }

    fn remember_size(&self, artifact: &ArtifactId, bytes: u64) {
        self.inner.remember_size(artifact, bytes);
    }

    fn known_ids(&self) -> BTreeMap<SchematicId, Registration> {
        self.inner.known_ids()
    }

    async fn register(
        &self,
        computed: SchematicId,
        document: &str,
    ) -> Result<SchematicId, UpstreamError> {
        self.inner.register(computed, document).await
    }

    async fn checksum(&self, url: &str) -> Result<Option<Sha256>, UpstreamError> {
        self.inner.checksum(url).await
    }

    async fn download<S: Sink>(
        &self,
        url: &str,
        sink: &mut S,
    ) -> Result<Transferred, UpstreamError> {
        self.inner.download(url, sink).await
    }

    async fn stored(&self, wanted: Vec<(ArtifactId, String)>) -> BTreeMap<ArtifactId, u64> {
        let Some(SharedImages(store)) = &self.shared else {
            return BTreeMap::new();
        };
        let look = timeout(LOOK, store.look_at_layout()).await;
        if !matches!(look, Ok(Ok(()))) {
            return BTreeMap::new();
        }
        // What takes longer is shown as coming from the factory, and is asked for again
        // when it is downloaded.
        stream::iter(wanted)
            .map(|(artifact, url)| async move {
                let keys = ImageKeys::of(&artifact, &url).ok()?;
                match store.indexed(&keys).await {
                    Ok(Indexed::Proven(found)) => Some((artifact, found.entry.size)),
                    _ => None,
                }
            })
            .buffer_unordered(LOOKS_AT_ONCE)
            .filter_map(std::future::ready)
            .take_until(sleep(LOOK))
            .collect()
            .await
    }

    async fn locate(
        &self,
        request: &ImageRequest,
        refused: Option<RefusedImage>,
    ) -> Located<ShareTurn> {
        match &self.shared {
            Some(SharedImages(store)) => store.locate(&self.inner, request, refused).await,
            None => Located::Factory(ShareTurn::default()),
        }
    }

    async fn download_stored<S: Sink>(
        &self,
        image: &StoredImage,
        sink: &mut S,
    ) -> Result<u64, StoreRefusal> {
        match &self.shared {
            Some(SharedImages(store)) => store.download(image, sink).await,
            None => Err(StoreRefusal::Unreadable("there is no store".to_owned())),
        }
    }

    fn share(&self, turn: ShareTurn, image: ShareableImage) {
        if let Some(SharedImages(store)) = &self.shared {
            store.share(turn, image);
        }
    }

    async fn settle(&self, cancel: &CancellationToken) {
        if let Some(SharedImages(store)) = &self.shared {
            store.settle(cancel).await;
        }
    }
}
