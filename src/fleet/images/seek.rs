//! Where an image is to be had: in the store, after another controller's download, or at the
//! factory.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::claim::{Claiming, DownloadClaim, SeenClaim, ShareTurn};
use super::entry::{FactoryProof, ProvenEntry};
use super::keys::ImageKeys;
use super::shared::{Indexed, SharedState};
use super::trouble::StoreTrouble;
use super::watch::{ClaimWatch, ProgressWatch};
use crate::error::chain;
use crate::io::Meter;
use crate::upstream::{ImageRequest, Located, RefusedImage, StoreRefusal, StoredImage, Upstream};

/// What a download waits for, as people read it.
const OTHERS: &str = "another controller downloads it";

/// So often it is waited for another controller that then has not shared the image.
const FRUITLESS: u32 = 2;

/// How long it is waited for one that still downloads: its link may be slower than ours.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

impl SharedState {
    /// Where an image is to be had. Trouble with the store is never an error: the factory
    /// has every image.
    pub(super) async fn locate<F: Upstream>(
        self: &Arc<Self>,
        inner: &F,
        request: &ImageRequest,
        refused: Option<RefusedImage>,
    ) -> Located<ShareTurn> {
        let Ok(keys) = ImageKeys::of(&request.artifact, &request.url) else {
            return Located::Factory(ShareTurn::default());
        };
        let image = request.artifact.factory_path();
        if let Some(RefusedImage { image: stored, why }) = refused {
            let (StoreRefusal::Wrong(reason) | StoreRefusal::Unreadable(reason)) = &why;
            tracing::warn!(image, reason, "an image of the store is of no use");
            self.count(|store| store.refused += 1);
            if let StoreRefusal::Unreadable(_) = why {
                return alone(keys);
            }
            self.distrust(&keys.index, &stored.edition);
        }
        let mut has_waited = false;
        let found = self.seek(inner, request, &keys, &mut has_waited).await;
        let located = match found {
            Ok(located) => located,
            Err(trouble) => {
                tracing::warn!(
                    image,
                    reason = chain(&trouble),
                    "the store cannot be used, the image comes from the factory"
                );
                self.count(|store| store.failed += 1);
                match has_waited {
                    true => self.after_outage(inner, request, keys).await,
                    false => alone(keys),
                }
            }
        };
        request.meter.set_waits_for(None);
        located
    }

    async fn seek<F: Upstream>(
        self: &Arc<Self>,
        inner: &F,
        request: &ImageRequest,
        keys: &ImageKeys,
        has_waited: &mut bool,
    ) -> Result<Located<ShareTurn>, StoreTrouble> {
        let mut claim: Option<DownloadClaim> = None;
        let mut waits = 0;
        self.look_at_layout().await?;
        loop {
            if let Some(stored) = self.usable(inner, request, keys).await? {
                return Ok(Located::Stored(stored));
            }
            // The index was asked after the claim was ours: nobody has shared the image
            // between the two.
            if claim.is_some() {
                let keys = Some(keys.clone());
                return Ok(Located::Factory(ShareTurn { keys, claim }));
            }
            // Whoever it was waited for could not share the image: others would not either, and
            // all of them would download it one after another.
            if waits == FRUITLESS {
                return Ok(self.after_outage(inner, request, keys.clone()).await);
            }
            self.prepare_layout().await?;
            claim = match self.take_claim(&keys.claim, None, &request.meter).await? {
                Claiming::Ours(own) => Some(own),
                Claiming::Theirs(seen) => {
                    *has_waited = true;
                    self.count(|store| store.waited += 1);
                    request.meter.set_waits_for(Some(OTHERS));
                    tracing::info!(
                        image = request.artifact.factory_path(),
                        holder = seen.holder(),
                        "another controller downloads the image"
                    );
                    waits += 1;
                    let waiting = self.wait(keys, seen, &request.meter);
                    match tokio::time::timeout(LONGEST_WAIT, waiting).await {
                        Ok(ended) => ended?,
                        // It lives, and is too slow.
                        Err(_) => {
                            return Ok(self.after_outage(inner, request, keys.clone()).await);
                        }
                    }
                }
            };
        }
    }

    /// The others that waited wait no longer either: not all of them ask the factory at
    /// once, and whoever comes late may find the image in the store again.
    async fn after_outage<F: Upstream>(
        &self,
        inner: &F,
        request: &ImageRequest,
        keys: ImageKeys,
    ) -> Located<ShareTurn> {
        sleep(self.settings.spread.mul_f64(fastrand::f64())).await;
        match self.usable(inner, request, &keys).await {
            Ok(Some(stored)) => Located::Stored(stored),
            Ok(None) | Err(_) => alone(keys),
        }
    }

    /// An image of the store that this controller may use.
    async fn usable<F: Upstream>(
        &self,
        inner: &F,
        request: &ImageRequest,
        keys: &ImageKeys,
    ) -> Result<Option<StoredImage>, StoreTrouble> {
        let Indexed::Proven(proven) = self.indexed(keys).await? else {
            return Ok(None);
        };
        let ProvenEntry { entry, edition } = *proven;
        let differs = |who: &str| {
            tracing::warn!(
                key = %keys.index,
                reason = format!("it has the SHA-256 {}, and {who} another", entry.sha256),
                "an index entry of the store is ignored"
            );
            self.distrust(&keys.index, &edition);
            Ok(None)
        };
        if request.pinned.is_some_and(|pinned| pinned != entry.sha256) {
            return differs("the order pins");
        }
        let is_asked = !entry.proof.satisfies(&self.settings.trust);
        if is_asked {
            match inner.checksum(&request.url).await {
                Ok(Some(digest)) if digest != entry.sha256 => {
                    return differs("the factory publishes");
                }
                Ok(Some(_)) => {}
                // It is asked again for its own image, and that says why.
                Ok(None) | Err(_) => return Ok(None),
            }
        }
        Ok(Some(StoredImage {
            size: entry.size,
            sha256: entry.sha256,
            is_vouched: is_asked || entry.proof != FactoryProof::None,
            edition,
        }))
    }

    /// Waits until a claim is gone or another one stands there, or until its holder is gone
    /// or does not get on: then it is ours.
    async fn wait(
        self: &Arc<Self>,
        keys: &ImageKeys,
        seen: SeenClaim,
        meter: &Arc<Meter>,
    ) -> Result<Option<DownloadClaim>, StoreTrouble> {
        let mut watch = ClaimWatch::new(&seen.bytes, Instant::now());
        let mut progress = ProgressWatch::new(seen.downloaded(), Instant::now());
        let mut silent_since: Option<Instant> = None;
        loop {
            sleep(self.pause()).await;
            let found = match self.claim(&keys.claim).await {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(None),
                Err(trouble) => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.settings.outage {
                        return Err(trouble);
                    }
                    continue;
                }
            };
            if !found.is_same(&seen) {
                return Ok(None);
            }
            if silent_since.take().is_some() {
                watch.forgets(Instant::now());
                progress.forgets(Instant::now());
            }
            let now = Instant::now();
            let is_gone = watch.is_abandoned(&found.bytes, found.ttl(), now);
            let makes_no_progress = progress.makes_no_progress(found.downloaded(), now);
            let holder = found.holder();
            match (is_gone, makes_no_progress) {
                (true, _) => tracing::info!(
                    key = %keys.claim,
                    holder,
                    "a controller that downloaded is gone, taking over"
                ),
                (false, true) => tracing::warn!(
                    key = %keys.claim,
                    holder,
                    "nothing arrives at the controller that downloads, taking over"
                ),
                (false, false) => continue,
            }
            match self.take_claim(&keys.claim, Some(&found), meter).await? {
                Claiming::Ours(own) => return Ok(Some(own)),
                Claiming::Theirs(seen) => {
                    watch = ClaimWatch::new(&seen.bytes, Instant::now());
                }
            }
        }
    }

    /// Until a claim is looked at again: not all who wait at once.
    fn pause(&self) -> Duration {
        let (least, most) = self.settings.poll;
        least + most.saturating_sub(least).mul_f64(fastrand::f64())
    }
}

/// At the factory, whatever others do.
fn alone(keys: ImageKeys) -> Located<ShareTurn> {
    Located::Factory(ShareTurn {
        keys: Some(keys),
        claim: None,
    })
}
