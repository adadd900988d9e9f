//! Sharing an image: blob, index entry, and then the claim goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::claim::ShareTurn;
use super::entry::{EntryFacts, FactoryProof, IndexEntry};
use super::keys::{self, ImageKeys};
use super::shared::{Indexed, SharedState};
use super::trouble::{StoreTrouble, answer};
use crate::bucket::{ObjectWritten, WriteCondition};
use crate::error::chain;
use crate::fleet::layout;
use crate::upstream::ShareableImage;

/// How long a process that ends waits for its claims to be removed.
const FAREWELL: Duration = Duration::from_secs(3);

impl SharedState {
    /// Shares an image in the background, and keeps its claim until then.
    pub(super) fn share(self: &Arc<Self>, turn: ShareTurn, image: ShareableImage) {
        let ShareTurn {
            keys: Some(keys),
            claim,
        } = turn
        else {
            return;
        };
        if let Some(claim) = &claim {
            claim.shares();
        }
        let (store, stop) = (Arc::clone(self), self.stop());
        self.tasks.spawn(async move {
            let shared = tokio::select! {
                biased;
                () = stop.cancelled() => Ok(()),
                shared = store.offer(&keys, &image) => shared,
            };
            if let Err(trouble) = shared {
                store.count(|store| store.failed += 1);
                tracing::warn!(
                    image = image.meta.artifact.factory_path(),
                    reason = chain(&trouble),
                    "an image is not shared with the other controllers"
                );
            }
            drop(claim);
        });
    }

    /// Waits until everything is shared, or ends it: then others download for themselves.
    pub(super) async fn settle(&self, cancel: &CancellationToken) {
        tokio::select! {
            biased;
            () = self.tasks.wait() => {}
            () = cancel.cancelled() => {
                self.stop_now();
                // Claims that stay are waited for by others until they expire.
                let _ = timeout(FAREWELL, self.tasks.wait()).await;
            }
        }
    }

    async fn offer(&self, keys: &ImageKeys, image: &ShareableImage) -> Result<(), StoreTrouble> {
        let patience = self.settings.patience;
        layout::prepare(&self.bucket).await?;
        let found = self.indexed(keys).await?;
        // Whoever replaces an entry does not trust its bytes either.
        let is_repair = matches!(found, Indexed::Useless(_));
        let Some(condition) = found.replaced() else {
            return Ok(());
        };
        let meta = &image.meta;
        if is_repair || !self.has_blob(image).await? {
            self.upload(image).await?;
        }
        let entry = IndexEntry::new(EntryFacts {
            size: meta.size,
            sha256: meta.sha256,
            data: meta.data,
            url: meta.url.clone(),
            proof: FactoryProof::of(image.vouched, &self.settings.trust),
            by: self.settings.holder.clone(),
            at: meta.completed_at,
            nonce: format!("{:016x}", fastrand::u64(..)),
        });
        let no_json = |source| StoreTrouble::NoJson {
            key: keys.index.to_string(),
            source,
        };
        let text = entry.text(&keys.index, &self.key).map_err(no_json)?;
        let write = |condition| self.bucket.put(&keys.index, text.clone(), condition);
        let written = match answer(patience, write(condition)).await {
            Ok(written) => written,
            // Some servers refuse every condition. What another controller has written
            // meanwhile is as good, and loses nothing.
            Err(_) => answer(patience, write(WriteCondition::Always)).await?,
        };
        match written {
            ObjectWritten::Done(_) => {
                self.count(|store| store.shared += 1);
                tracing::info!(
                    image = meta.artifact.factory_path(),
                    bytes = meta.size,
                    "shared with the other controllers"
                );
            }
            // Another one was faster, and its entry is as good.
            ObjectWritten::Refused => {}
        }
        Ok(())
    }

    async fn has_blob(&self, image: &ShareableImage) -> Result<bool, StoreTrouble> {
        let Ok(key) = keys::blob(&image.meta.sha256) else {
            return Ok(false);
        };
        let size = answer(self.settings.patience, self.bucket.size(&key)).await?;
        Ok(size == Some(image.meta.size))
    }

    /// Uploads the bytes.
    async fn upload(&self, image: &ShareableImage) -> Result<(), StoreTrouble> {
        let Ok(key) = keys::blob(&image.meta.sha256) else {
            return Ok(());
        };
        let sent = AtomicU64::new(0);
        let count = |bytes| {
            sent.fetch_add(bytes, Ordering::Relaxed);
        };
        // The connection itself ends where nothing moves: what is counted here are parts of
        // many megabytes.
        let uploaded = self.bucket.upload(&key, &image.file, count).await;
        if uploaded.is_ok() {
            self.count(|store| store.written_bytes += sent.load(Ordering::Relaxed));
        }
        Ok(uploaded?)
    }
}
