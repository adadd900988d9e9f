//! The thread behind an intake: stores what comes and has it unpacked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{Sealed, Spec};
use crate::io::file::atomic;
use crate::io::flow::Validator;
use crate::io::flow::landing::{self, Landed, Landing, LandingError, Target};
use crate::io::flow::partial::{Ledger, Mark, Partial};
use crate::io::flow::unpack::{Unpacked, Unpacking};

#[derive(Debug)]
pub enum Message {
    Expect {
        total: Option<u64>,
        validator: Option<Validator>,
        reply: oneshot::Sender<()>,
    },
    Bytes(Bytes),
    Restart(oneshot::Sender<()>),
    Finish,
}

pub struct Store {
    spec: Spec,
    ledger: Arc<Ledger>,
    landing: Landing,
    unpacking: Option<Unpacking>,
    total: Option<u64>,
    validator: Option<Validator>,
}

impl Store {
    /// Opens the temporary, and takes up what is in it if that is of any use.
    pub fn open(spec: Spec) -> Result<Self, LandingError> {
        let ledger = Arc::new(Ledger::of(&spec.dir, &spec.name));
        let target = Target {
            dir: &spec.dir,
            name: &spec.name,
            kind: spec.kind,
            max: spec.max,
        };
        let landing = Landing::open(target, Some(Arc::clone(&ledger)))?;
        let mut store = Self {
            unpacking: begin_unpacking(&spec)?,
            spec,
            ledger,
            landing,
            total: None,
            validator: None,
        };
        if store.landing.position() > 0 && store.take_up().is_none() {
            store.restart()?;
        }
        Ok(store)
    }

    /// Reads a partial download again, as far as it is what was written; `None` if
    /// anything about it is not right, which is not worth an error, since it can be
    /// fetched anew.
    fn take_up(&mut self) -> Option<()> {
        let partial = Partial::load(&self.spec.dir, &self.spec.name)?;
        let total = partial.total;
        let max = total.unwrap_or(self.spec.max);
        if partial.url != self.spec.url {
            return None;
        }
        for mark in partial.marks().filter(|mark| mark.bytes <= max) {
            if self.replay(mark, total).unwrap_or(false) {
                self.total = total;
                self.validator = Some(partial.validator.clone());
                self.ledger.adopt(Partial {
                    written: Some(mark),
                    ..partial
                });
                return Some(());
            }
            tracing::warn!(
                name = self.spec.name,
                bytes = mark.bytes,
                "a partial download is not what was written of it: its digest differs"
            );
            // What was unpacked of it is of no use either.
            self.begin_unpacking_anew().ok()?;
        }
        None
    }

    fn replay(&mut self, mark: Mark, total: Option<u64>) -> Result<bool, LandingError> {
        let Self {
            landing, unpacking, ..
        } = self;
        let is_right = landing.replay(mark, |landing, bytes| match unpacking {
            Some(unpacking) => unpacking.push(landing.is_recognised(), bytes),
            None => Ok(()),
        })?;
        if let Some(total) = total {
            landing.announce(total)?;
        }
        Ok(is_right)
    }

    pub fn position(&self) -> (u64, Option<Validator>) {
        (self.landing.position(), self.validator.clone())
    }

    /// Works until told to finish; `None` if nobody is interested any more.
    pub fn run(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
        abandoned: &AtomicBool,
    ) -> Option<Result<Sealed, LandingError>> {
        while let Some(message) = inbox.blocking_recv() {
            let done = match message {
                Message::Finish => return Some(self.finish()),
                _ if abandoned.load(Ordering::Relaxed) => break,
                Message::Bytes(bytes) => self.take(&bytes),
                Message::Restart(reply) => self.restart().map(|()| answer(reply)),
                Message::Expect {
                    total,
                    validator,
                    reply,
                } => self.expect(total, validator).map(|()| answer(reply)),
            };
            if let Err(error) = done {
                return Some(Err(self.give_up(error)));
            }
        }
        self.leave();
        None
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), LandingError> {
        self.landing.write(bytes)?;
        match &mut self.unpacking {
            Some(unpacking) => unpacking.push(self.landing.is_recognised(), bytes),
            None => Ok(()),
        }
    }

    fn restart(&mut self) -> Result<(), LandingError> {
        self.ledger.forget()?;
        self.landing.restart()?;
        self.begin_unpacking_anew()?;
        self.total = None;
        self.validator = None;
        Ok(())
    }

    fn begin_unpacking_anew(&mut self) -> Result<(), LandingError> {
        // The old one must be gone before the new one opens the same temporary.
        if let Some(unpacking) = self.unpacking.take() {
            unpacking.cancel();
        }
        self.unpacking = begin_unpacking(&self.spec)?;
        Ok(())
    }

    fn expect(
        &mut self,
        total: Option<u64>,
        validator: Option<Validator>,
    ) -> Result<(), LandingError> {
        if self.landing.position() > 0 {
            let differs = |known: &Validator| {
                validator.as_ref().is_some_and(|new| new != known)
                    || total.is_some() && self.total.is_some() && total != self.total
            };
            if self.validator.as_ref().is_some_and(differs) {
                return Err(LandingError::OtherVersion {
                    name: self.spec.name.clone(),
                });
            }
        }
        if let Some(total) = total {
            self.landing.announce(total)?;
        }
        self.total = total.or(self.total);
        self.validator = validator.or(self.validator.take());
        match &self.validator {
            Some(validator) => self.ledger.begin(&self.spec.url, validator, self.total),
            // Nothing to recognise it by later: a crash means starting anew.
            None => self.ledger.forget(),
        }
    }

    fn finish(self) -> Result<Sealed, LandingError> {
        let received = self.landing.position();
        if let Some(expected) = self.total
            && expected != received
        {
            let error = LandingError::Length {
                name: self.spec.name.clone(),
                expected,
                found: received,
            };
            return Err(self.give_up(error));
        }
        let Self {
            spec,
            ledger,
            landing,
            unpacking,
            validator,
            ..
        } = self;
        // The unpacked file is completed while the download goes to the disk.
        let unpacking = unpacking.map(Unpacking::finish).transpose();
        let landed = landing.finish().and_then(|landed| {
            keep_promises(&spec, &landed)?;
            Ok(landed)
        });
        let unpacked = unpacking.and_then(|unpacking| unpacking.map(Unpacked::wait).transpose());
        // If both are wrong, what the download is says more than that it does
        // not decode.
        match landed.and_then(|download| Ok((download, unpacked?))) {
            Ok((download, unpacked)) => Ok(Sealed {
                download,
                unpacked: unpacked.flatten(),
                validator,
            }),
            Err(error) => {
                clear(&spec, &ledger, &error);
                Err(error)
            }
        }
    }

    /// Something is wrong: leaves only what the next attempt can use.
    fn give_up(mut self, error: LandingError) -> LandingError {
        if let Some(unpacking) = self.unpacking.take() {
            unpacking.cancel();
        }
        if is_of_use(&self.ledger, &error) {
            // The error that led here says more than one about parking.
            let _ = self.landing.park();
        } else {
            // Nothing is noted any more from here on.
            drop(self.landing);
        }
        clear(&self.spec, &self.ledger, &error);
        error
    }

    /// The download was interrupted: leaves it for the next attempt.
    fn leave(mut self) {
        if let Some(unpacking) = self.unpacking.take() {
            unpacking.cancel();
        }
        if self.ledger.is_kept() {
            // Without a note of it there is less to go on from next time.
            let _ = self.landing.park();
        } else {
            let temporary = landing::temporary_of(&self.spec.dir, &self.spec.name);
            let _ = atomic::remove_if_there(&temporary);
        }
    }
}

/// True if what came can be built upon after this error: nothing is wrong with it,
/// and it will be recognised.
fn is_of_use(ledger: &Ledger, error: &LandingError) -> bool {
    !error.is_about_content() && ledger.is_kept()
}

/// Removes what is wrong, or would only take room. The unpacked form is made anew in
/// any case.
fn clear(spec: &Spec, ledger: &Ledger, error: &LandingError) {
    // The error that led here is the one to report.
    if !is_of_use(ledger, error) {
        let _ = ledger.forget();
        let _ = atomic::remove_if_there(&landing::temporary_of(&spec.dir, &spec.name));
    }
    if let Some(unpack) = spec.unpack.as_ref().filter(|unpack| unpack.is_kept) {
        let _ = atomic::remove_if_there(&landing::temporary_of(&spec.dir, &unpack.name));
    }
}

fn begin_unpacking(spec: &Spec) -> Result<Option<Unpacking>, LandingError> {
    spec.unpack
        .as_ref()
        .map(|unpack| Unpacking::start(&spec.dir, unpack))
        .transpose()
}

/// Whoever asked may have stopped waiting.
fn answer(reply: oneshot::Sender<()>) {
    let _ = reply.send(());
}

fn keep_promises(spec: &Spec, landed: &Landed) -> Result<(), LandingError> {
    let broken = spec
        .promises
        .iter()
        .find(|promise| promise.sha256 != landed.sha256());
    match broken {
        None => Ok(()),
        Some(promise) => Err(LandingError::Digest {
            name: spec.name.clone(),
            by: promise.by,
            expected: promise.sha256,
            found: landed.sha256(),
        }),
    }
}
