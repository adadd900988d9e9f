//! From a blob of the store into a sink.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::keys;
use super::shared::SharedState;
use super::trouble::answer;
use crate::bucket::{ObjectKey, ObjectReading};
use crate::error::chain;
use crate::io::flow::{Sink, Validator};
use crate::upstream::{Rate, StoreRefusal, StoredImage};

/// So often reading is tried again without progress.
const RETRIES: u32 = 3;

/// New bytes that count as progress.
const PROGRESS: u64 = 1 << 20;

/// How long to wait before reading again; each time longer by this.
const PAUSE: Duration = Duration::from_secs(1);

/// Why one attempt ended.
enum BlobFault {
    /// Another one may go further.
    Again(String),
    /// None will.
    Last(StoreRefusal),
}

impl SharedState {
    /// Streams a blob into a sink. Whether its bytes are right is the sink's to find out.
    pub(super) async fn download<S: Sink>(
        &self,
        image: &StoredImage,
        sink: &mut S,
    ) -> Result<u64, StoreRefusal> {
        let key = keys::blob(&image.sha256);
        let key = key.map_err(|invalid| StoreRefusal::Unreadable(invalid.message))?;
        // No entity tag has this form, so a factory is never asked for the rest of it.
        let own = Validator {
            value: format!("sha256:{}", image.sha256),
            total: Some(image.size),
        };
        let (mut wire_bytes, mut failures) = (0, 0);
        loop {
            let (before, _) = sink.position();
            let attempt = self.attempt(&key, &own, image.size, sink, &mut wire_bytes);
            let reason = match attempt.await {
                Ok(()) => {
                    self.count(|store| store.used += 1);
                    return Ok(wire_bytes);
                }
                Err(BlobFault::Last(refusal)) => return Err(refusal),
                Err(BlobFault::Again(reason)) => reason,
            };
            if sink.position().0 >= before.saturating_add(PROGRESS) {
                failures = 0;
            }
            failures += 1;
            if failures > RETRIES {
                return Err(StoreRefusal::Unreadable(reason));
            }
            tracing::info!(reason, "reading from the store again");
            sleep(PAUSE * failures).await;
        }
    }

    async fn attempt<S: Sink>(
        &self,
        key: &ObjectKey,
        own: &Validator,
        size: u64,
        sink: &mut S,
        wire_bytes: &mut u64,
    ) -> Result<(), BlobFault> {
        let from = match sink.position() {
            (have, Some(known)) if known == *own && have <= size => have,
            (0, None) => 0,
            _ => {
                taken(sink.restart().await)?;
                0
            }
        };
        taken(sink.expect(Some(size), Some(own.clone())).await)?;
        if from == size {
            return Ok(());
        }
        let again = |error: &dyn std::error::Error| BlobFault::Again(error.to_string());
        let found = answer(self.settings.idle, self.bucket.read(key, from)).await;
        let found = found.map_err(|trouble| BlobFault::Again(chain(&trouble)))?;
        let Some(ObjectReading {
            size: there,
            pieces,
        }) = found
        else {
            return Err(wrong(format!("{key} is not there")));
        };
        if there != size {
            return Err(wrong(format!(
                "{key} has {there} bytes; the index says {size}"
            )));
        }
        let (least, window) = self.settings.least_rate;
        let mut rate = Rate::new(least, window);
        let mut pieces = pin!(pieces);
        let mut got = from;
        loop {
            let asked = Instant::now();
            let piece = match timeout(self.settings.idle, pieces.next()).await {
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => return Err(BlobFault::Again(chain(&error))),
                Ok(None) => break,
                Err(elapsed) => return Err(again(&elapsed)),
            };
            let length = piece.len() as u64;
            let waited = asked.elapsed();
            rate.took(waited, length, self.bucket.name())
                .map_err(|slow| BlobFault::Last(StoreRefusal::Unreadable(slow.to_string())))?;
            *wire_bytes += length;
            self.count(|store| store.read_bytes += length);
            got += length;
            if got > size {
                return Err(wrong(format!("{key} has more than {size} bytes")));
            }
            taken(sink.write(piece).await)?;
        }
        match got < size {
            true => Err(BlobFault::Again(format!(
                "{key}: the store sent {got} of {size} bytes"
            ))),
            false => Ok(()),
        }
    }
}

/// What the sink does not take is not the store's fault; whoever has the sink knows more.
fn taken(result: std::io::Result<()>) -> Result<(), BlobFault> {
    result.map_err(|error| BlobFault::Last(StoreRefusal::Unreadable(error.to_string())))
}

fn wrong(what: String) -> BlobFault {
    BlobFault::Last(StoreRefusal::Wrong(what))
}
