//! Claims: which controller downloads an image now.
//!
//! A claim is a small object that its holder rewrites a few times within its time to live.
//! It is removed when the image is shared or the download failed. A holder that is gone
//! rewrites it no more, and whoever waits takes it over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::keys::ImageKeys;
use super::shared::SharedState;
use super::trouble::{StoreTrouble, answer};
use crate::bucket::{ObjectKey, ObjectTag, ObjectWritten, WriteCondition};

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
}

/// A claim of this process. Dropping it removes it.
#[derive(Debug)]
pub(super) struct DownloadClaim {
    store: Arc<SharedState>,
    key: ObjectKey,
    renewal: JoinHandle<()>,
    is_lost: Arc<AtomicBool>,
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
    /// gone.
    pub(super) async fn take_claim(
        self: &Arc<Self>,
        key: &ObjectKey,
        abandoned: Option<&SeenClaim>,
    ) -> Result<Claiming, StoreTrouble> {
        let own = ClaimBody {
            holder: self.settings.holder.clone(),
            nonce: format!("{:016x}", fastrand::u64(..)),
            seq: 0,
            ttl_ms: u64::try_from(self.settings.ttl.as_millis()).unwrap_or(u64::MAX),
        };
        let mut condition = match abandoned {
            Some(seen) => WriteCondition::Unchanged(seen.tag.clone()),
            None => WriteCondition::Absent,
        };
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            match self.write_claim(key, &own, condition.clone()).await {
                Ok(ObjectWritten::Done(tag)) => {
                    return Ok(Claiming::Ours(self.keep(key, own, tag)));
                }
                Ok(ObjectWritten::Refused) => {}
                // It may be there nevertheless.
                Err(trouble) => failure = Some(trouble),
            }
            match self.claim(key).await? {
                Some(seen) if seen.has(&own.nonce) => {
                    return Ok(Claiming::Ours(self.keep(key, own, seen.tag)));
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

    fn keep(self: &Arc<Self>, key: &ObjectKey, body: ClaimBody, tag: ObjectTag) -> DownloadClaim {
        let is_lost = Arc::new(AtomicBool::new(false));
        let renewal = renew(
            Arc::clone(self),
            key.clone(),
            (body, tag),
            Arc::clone(&is_lost),
        );
        DownloadClaim {
            store: Arc::clone(self),
            key: key.clone(),
            renewal: tokio::spawn(renewal),
            is_lost,
        }
    }
}

/// Renews a claim until it is another's. A store that does not answer loses it as well, for
/// others, and that shows here when it answers again.
async fn renew(
    store: Arc<SharedState>,
    key: ObjectKey,
    (mut body, mut tag): (ClaimBody, ObjectTag),
    is_lost: Arc<AtomicBool>,
) {
    loop {
        tokio::time::sleep(store.settings.ttl / RENEWALS).await;
        body.seq += 1;
        let condition = WriteCondition::Unchanged(tag.clone());
        if let Ok(ObjectWritten::Done(written)) = store.write_claim(&key, &body, condition).await {
            tag = written;
            continue;
        }
        match store.claim(&key).await {
            Ok(Some(seen)) if seen.has(&body.nonce) => tag = seen.tag,
            Ok(_) => {
                tracing::info!(%key, "another controller has taken over a download");
                is_lost.store(true, Ordering::Relaxed);
                return;
            }
            Err(_) => {}
        }
    }
}

impl Drop for DownloadClaim {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.is_lost.load(Ordering::Relaxed) {
            return;
        }
        let (store, key) = (Arc::clone(&self.store), self.key.clone());
        // Where the process ends, the claim does by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let removal = async move {
                let removed = answer(store.settings.patience, store.bucket.remove(&key)).await;
                if let Err(trouble) = removed {
                    tracing::debug!(%key, reason = %trouble, "a claim is left to expire");
                }
            };
            self.store.tasks.spawn_on(removal, &runtime);
        }
    }
}
