//! Claims: which controller downloads an image now.
//!
//! A claim is a small object that its holder rewrites a few times within its time to live.
//! It is removed when the image is shared or the download failed. A holder that is gone
//! rewrites it no more, and whoever waits takes it over. So does whoever waits for one that
//! lives and downloads nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::keys::ImageKeys;
use super::shared::SharedState;
use super::trouble::{StoreTrouble, answer};
use crate::bucket::{ObjectKey, ObjectTag, ObjectWritten, WriteCondition};
use crate::io::Meter;

/// A claim is renewed so many times within its time to live.
const RENEWALS: u32 = 3;

/// What others believe of a time to live, whatever a claim says.
const TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// So often a claim is tried to get that is there one moment and gone the next.
const ATTEMPTS: usize = 3;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ClaimBody {
    /// Who, for people.
    holder: String,
    /// Which claim of this holder.
    nonce: String,
    /// Rises with each renewal, so that no two contents are equal.
    seq: u64,
    ttl_ms: u64,
    /// How much is downloaded. Absent while the image is shared, which ends by itself where
    /// nothing moves, and in the claims of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    downloaded: Option<u64>,
    /// It is about to be removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_released: bool,
}

/// A claim of this process. Dropping it removes it.
#[derive(Debug)]
pub(super) struct DownloadClaim {
    store: Arc<SharedState>,
    key: ObjectKey,
    is_shared: Arc<AtomicBool>,
    /// Ends the renewal, which gives the claim as it was written last.
    stop: CancellationToken,
    renewal: Option<JoinHandle<Option<HeldClaim>>>,
}

/// The content of a claim of ours, and which write that was.
#[derive(Debug)]
struct HeldClaim {
    body: ClaimBody,
    tag: ObjectTag,
}

/// What a download from the factory owes to the fleet. Dropping it lets another controller
/// download.
#[derive(Debug, Default)]
pub(crate) struct ShareTurn {
    /// `None` where the image has no place in the store.
    pub(super) keys: Option<ImageKeys>,
    /// `None` where the store was of no use.
    pub(super) claim: Option<DownloadClaim>,
}

/// A claim as it was read.
#[derive(Debug, Clone)]
pub(super) struct SeenClaim {
    pub bytes: Bytes,
    tag: ObjectTag,
    /// `None` where it cannot be read.
    body: Option<ClaimBody>,
}

/// What came of trying to claim an image.
#[derive(Debug)]
pub(super) enum Claiming {
    /// It is ours.
    Ours(DownloadClaim),
    /// Another one has it.
    Theirs(SeenClaim),
}

impl SeenClaim {
    /// Who holds it, for people.
    pub(super) fn holder(&self) -> &str {
        let body = self.body.as_ref();
        body.map_or("another controller", |body| &body.holder)
    }

    /// How long it stands without being renewed.
    pub(super) fn ttl(&self) -> Duration {
        let body = self.body.as_ref();
        let said = body.map_or(TTL.1, |body| Duration::from_millis(body.ttl_ms));
        said.clamp(TTL.0, TTL.1)
    }

    /// How much of the image its holder has; `None` where that is not told.
    pub(super) fn downloaded(&self) -> Option<u64> {
        self.body.as_ref()?.downloaded
    }

    /// True for the same claim, which may have been renewed; also where neither can be read.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let nonce = |claim: &Self| claim.body.as_ref().map(|body| body.nonce.clone());
        nonce(self) == nonce(other)
    }

    fn has(&self, nonce: &str) -> bool {
        self.body.as_ref().is_some_and(|body| body.nonce == nonce)
    }
}

impl SharedState {
    /// What is there of a claim.
    pub(super) async fn claim(&self, key: &ObjectKey) -> Result<Option<SeenClaim>, StoreTrouble> {
        let found = answer(self.settings.patience, self.bucket.get(key)).await?;
        Ok(found.map(|object| SeenClaim {
            body: serde_json::from_slice(&object.bytes).ok(),
            bytes: object.bytes,
            tag: object.tag,
        }))
    }

    /// Claims an image that nobody else has claimed, or takes over a claim whose holder is
    /// gone. `meter` counts what is downloaded of it.
    pub(super) async fn take_claim(
        self: &Arc<Self>,
        key: &ObjectKey,
        abandoned: Option<&SeenClaim>,
        meter: &Arc<Meter>,
    ) -> Result<Claiming, StoreTrouble> {
        let own = ClaimBody {
            holder: self.settings.holder.clone(),
            nonce: format!("{:016x}", fastrand::u64(..)),
            seq: 0,
            ttl_ms: u64::try_from(self.settings.ttl.as_millis()).unwrap_or(u64::MAX),
            downloaded: Some(meter.read().0),
            is_released: false,
        };
        let mut condition = match abandoned {
            Some(seen) => WriteCondition::Unchanged(seen.tag.clone()),
            None => WriteCondition::Absent,
        };
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            match self.write_claim(key, &own, condition.clone()).await {
                Ok(ObjectWritten::Done(tag)) => {
                    let claim = HeldClaim { body: own, tag };
                    return Ok(Claiming::Ours(self.keep(key, claim, meter)));
                }
                Ok(ObjectWritten::Refused) => {}
                // It may be there nevertheless.
                Err(trouble) => failure = Some(trouble),
            }
            match self.claim(key).await? {
                Some(seen) if seen.has(&own.nonce) => {
                    let tag = seen.tag;
                    let claim = HeldClaim { body: own, tag };
                    return Ok(Claiming::Ours(self.keep(key, claim, meter)));
                }
                Some(seen) => return Ok(Claiming::Theirs(seen)),
                None => condition = WriteCondition::Absent,
            }
            if let Some(trouble) = failure {
                return Err(trouble);
            }
        }
        Err(StoreTrouble::NoClaim)
    }

    async fn write_claim(
        &self,
        key: &ObjectKey,
        body: &ClaimBody,
        condition: WriteCondition,
    ) -> Result<ObjectWritten, StoreTrouble> {
        // Strings and numbers always have a form.
        let text = serde_json::to_vec(body).unwrap_or_default();
        answer(
            self.settings.patience,
            self.bucket.put(key, text, condition),
        )
        .await
    }

    fn keep(
        self: &Arc<Self>,
        key: &ObjectKey,
        claim: HeldClaim,
        meter: &Arc<Meter>,
    ) -> DownloadClaim {
        let (stop, is_shared) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let renewal = Renewal {
            store: Arc::clone(self),
            key: key.clone(),
            claim,
            meter: Arc::clone(meter),
            is_shared: Arc::clone(&is_shared),
        };
        DownloadClaim {
            store: Arc::clone(self),
            key: key.clone(),
            is_shared,
            renewal: Some(tokio::spawn(renewal.until(stop.clone()))),
            stop,
        }
    }

    /// Removes a claim of ours, and never one that somebody has taken over. Servers know no
    /// condition for a removal, so it is renewed once more right before: nobody takes it over
    /// then until it expires.
    async fn release(&self, key: &ObjectKey, claim: HeldClaim) -> Result<(), StoreTrouble> {
        let HeldClaim { mut body, mut tag } = claim;
        body.is_released = true;
        for _ in 0..ATTEMPTS {
            body.seq += 1;
            let condition = WriteCondition::Unchanged(tag);
            let written = self.write_claim(key, &body, condition).await;
            if let Ok(ObjectWritten::Done(_)) = written {
                return answer(self.settings.patience, self.bucket.remove(key)).await;
            }
            match self.claim(key).await? {
                Some(seen) if seen.has(&body.nonce) => tag = seen.tag,
                Some(_) | None => return Ok(()),
            }
        }
        Err(StoreTrouble::NoClaim)
    }
}

/// What keeps a claim.
struct Renewal {
    store: Arc<SharedState>,
    key: ObjectKey,
    claim: HeldClaim,
    meter: Arc<Meter>,
    is_shared: Arc<AtomicBool>,
}

impl Renewal {
    /// Renews the claim until `stop` says so, and gives it back; `None` where it is another's.
    /// A store that does not answer loses it as well, for others, and that shows here when it
    /// answers again.
    async fn until(mut self, stop: CancellationToken) -> Option<HeldClaim> {
        loop {
            let pause = self.store.settings.ttl / RENEWALS;
            let is_ours = tokio::select! {
                biased;
                () = stop.cancelled() => return Some(self.claim),
                is_ours = async {
                    tokio::time::sleep(pause).await;
                    self.renew().await
                } => is_ours,
            };
            if !is_ours {
                tracing::info!(key = %self.key, "another controller has taken over a download");
                return None;
            }
        }
    }

    /// False if it is another's.
    async fn renew(&mut self) -> bool {
        let HeldClaim { body, tag } = &mut self.claim;
        body.seq += 1;
        body.downloaded = match self.is_shared.load(Ordering::Relaxed) {
            true => None,
            false => Some(self.meter.read().0),
        };
        let condition = WriteCondition::Unchanged(tag.clone());
        let written = self.store.write_claim(&self.key, body, condition).await;
        if let Ok(ObjectWritten::Done(written)) = written {
            *tag = written;
            return true;
        }
        match self.store.claim(&self.key).await {
            Ok(Some(seen)) if seen.has(&body.nonce) => {
                *tag = seen.tag;
                true
            }
            Ok(_) => false,
            Err(_) => true,
        }
    }
}

impl DownloadClaim {
    /// The download is over, and the image is being shared.
    pub(super) fn shares(&self) {
        self.is_shared.store(true, Ordering::Relaxed);
    }
}

impl Drop for DownloadClaim {
    fn drop(&mut self) {
        self.stop.cancel();
        // Where the process ends, the claim does by itself.
        let (Some(renewal), Ok(runtime)) =
            (self.renewal.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let (store, key) = (Arc::clone(&self.store), self.key.clone());
        let removal = async move {
            let Ok(Some(claim)) = renewal.await else {
                return;
            };
            if let Err(trouble) = store.release(&key, claim).await {
                tracing::debug!(%key, reason = %trouble, "a claim is left to expire");
            }
        };
        self.store.tasks.spawn_on(removal, &runtime);
    }
}
