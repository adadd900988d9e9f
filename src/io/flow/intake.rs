//! Takes a download in: writes, hashes, unpacks, hashes again, all at once.
//!
//! ```text
//! network -> Intake -> [store thread: .NAME.part, SHA-256] -> decoder (all cores)
//!                                                                |
//!                      [unpack thread: .RAW.part, SHA-256, sparse] <
//! ```
//!
//! Every arrow is a bounded queue, so a slow disk slows the network and memory
//! stays bounded. [`Intake::finish`] hands out files that are checked and on the
//! disk but have no name yet; the caller gives them their names. What is wrong
//! is removed; what is merely unfinished stays, with a record beside it, and the
//! next intake for the same URL reads it once and goes on from there.

mod spec;
mod store;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::io::Meter;
use crate::io::flow::error::StagingError;
use crate::io::flow::{Sink, Validator};
pub(crate) use spec::{Promise, Sealed, Spec};
use store::{Message, Store};

/// How many pieces from the network may wait for the disk. A piece is what one
/// read gave, 8 to 400 KiB, so this is 3 MiB at most.
const WAITING: usize = 8;

/// A running download. Bytes go in through [`Sink`].
///
/// Dropping it leaves what has been written for the next attempt; [`Self::leave`] all that
/// has come.
#[derive(Debug)]
pub(crate) struct Intake {
    name: String,
    meter: Arc<Meter>,
    to_store: mpsc::Sender<Message>,
    outcome: Option<oneshot::Receiver<Result<Sealed, StagingError>>>,
    failure: Option<StagingError>,
    abandoned: Arc<AtomicBool>,
    received: u64,
    validator: Option<Validator>,
}

impl Intake {
    /// Starts, or goes on from what an earlier process left; reading that again
    /// happens before this returns. A total that equals the position means that
    /// everything is there, and only [`Self::finish`] is missing.
    ///
    /// # Errors
    /// If the temporary cannot be made.
    pub(crate) async fn begin(spec: Spec) -> Result<Self, StagingError> {
        let (to_store, inbox) = mpsc::channel(WAITING);
        let (report, outcome) = oneshot::channel();
        let (ready, begun) = oneshot::channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let name = spec.name.clone();
        let meter = Arc::clone(&spec.meter);
        let stopped = || StagingError::Stopped { name: name.clone() };

        let flag = Arc::clone(&abandoned);
        std::thread::Builder::new()
            .name("intake".to_owned())
            .spawn(move || match Store::open(spec) {
                Err(error) => drop(ready.send(Err(error))),
                Ok(store) => {
                    let _ = ready.send(Ok(store.position()));
                    // Nobody may be left to hear it, which is all right.
                    if let Some(outcome) = store.run(inbox, &flag) {
                        let _ = report.send(outcome);
                    }
                }
            })
            .map_err(StagingError::io("start a thread for", name.as_ref()))?;

        let (received, validator) = begun.await.map_err(|_| stopped())??;
        meter.set_done(received);
        if let Some(total) = validator.as_ref().and_then(|known| known.total) {
            meter.set_total(total);
        }
        Ok(Self {
            name,
            meter,
            to_store,
            outcome: Some(outcome),
            failure: None,
            abandoned,
            received,
            validator,
        })
    }

    /// Why the sink refused bytes, with its type; [`Self::finish`] gives it too.
    pub(crate) fn failure(&self) -> Option<&StagingError> {
        self.failure.as_ref()
    }

    /// Says that everything has come. Checks length, digests, container and
    /// content, and puts the files on the disk.
    ///
    /// # Errors
    /// Whatever is wrong; the temporaries are removed then, unless only the file
    /// system failed.
    pub(crate) async fn finish(mut self) -> Result<Sealed, StagingError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        // If the thread has stopped, its outcome says why.
        let _ = self.to_store.send(Message::Finish).await;
        match self.outcome.take() {
            Some(outcome) => outcome.await.unwrap_or_else(|_| Err(self.stopped())),
            None => Err(self.stopped()),
        }
    }

    /// Says that nothing more comes now. Waits until all that has come is on the disk for the
    /// next attempt: the process may end right after it. Gives why bytes were refused, if
    /// they were.
    pub(crate) async fn leave(mut self) -> Option<StagingError> {
        if let Some(failure) = self.failure.take() {
            return Some(failure);
        }
        // If the thread has stopped, its outcome says why; else it has none.
        let _ = self.to_store.send(Message::Leave).await;
        self.outcome.take()?.await.ok()?.err()
    }

    fn stopped(&self) -> StagingError {
        StagingError::Stopped {
            name: self.name.clone(),
        }
    }

    async fn send(&mut self, message: Message) -> io::Result<()> {
        match self.to_store.send(message).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.learn_failure().await),
        }
    }

    /// Sends a message and waits until it has been acted upon.
    async fn ask(&mut self, make: impl FnOnce(oneshot::Sender<()>) -> Message) -> io::Result<()> {
        let (reply, done) = oneshot::channel();
        self.send(make(reply)).await?;
        match done.await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.learn_failure().await),
        }
    }

    /// The thread has stopped: keeps its error, and gives the gist of it in the
    /// form that the sending side passes on.
    async fn learn_failure(&mut self) -> io::Error {
        if let Some(outcome) = self.outcome.take() {
            self.failure = match outcome.await {
                Ok(Err(error)) => Some(error),
                Ok(Ok(_)) | Err(_) => Some(self.stopped()),
            };
        }
        match &self.failure {
            Some(failure) => io::Error::new(failure.io_kind(), gist(failure)),
            None => io::Error::other(self.stopped()),
        }
    }
}

/// An error with its causes in one line, for where its type cannot go.
fn gist(error: &StagingError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

impl Drop for Intake {
    fn drop(&mut self) {
        // The thread then stops after the piece in its hands, not after the queue.
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

impl Sink for Intake {
    fn position(&self) -> (u64, Option<Validator>) {
        (self.received, self.validator.clone())
    }

    async fn restart(&mut self) -> io::Result<()> {
        self.ask(Message::Restart).await?;
        self.received = 0;
        self.validator = None;
        self.meter.set_done(0);
        self.meter.set_total(0);
        Ok(())
    }

    async fn expect(&mut self, total: Option<u64>, validator: Option<Validator>) -> io::Result<()> {
        let known = validator.clone();
        self.ask(|reply| Message::Expect {
            total,
            validator: known,
            reply,
        })
        .await?;
        if validator.is_some() {
            self.validator = validator;
        }
        if let Some(total) = total {
            self.meter.set_total(total);
        }
        Ok(())
    }

    async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        let length = bytes.len() as u64;
        self.send(Message::Bytes(bytes)).await?;
        self.received += length;
        self.meter.add(length);
        Ok(())
    }
}
