//! The thread behind an intake: stores what comes and has it unpacked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::spec::{Sealed, Spec};
use crate::io::file::atomic;
use crate::io::flow::Validator;
use crate::io::flow::error::StagingError;
use crate::io::flow::partial_file::{PartialFile, StagingTarget};
use crate::io::flow::resume::{Checkpoint, ResumeLog, ResumeRecord};
use crate::io::flow::staged::StagedFile;
use crate::io::flow::temporary::temporary_of;
use crate::io::flow::unpack::{Unpacked, Unpacking};

#[derive(Debug)]
pub(super) enum Message {
    Expect {
        total: Option<u64>,
        validator: Option<Validator>,
        reply: oneshot::Sender<()>,
    },
    Bytes(Bytes),
    Restart(oneshot::Sender<()>),
    Finish,
    Leave,
}

pub(super) struct Store {
    spec: Spec,
    log: Arc<ResumeLog>,
    file: PartialFile,
    unpacking: Option<Unpacking>,
    total: Option<u64>,
    validator: Option<Validator>,
}

impl Store {
    /// Opens the temporary, and resumes what is in it if that is of any use.
    pub(super) fn open(spec: Spec) -> Result<Self, StagingError> {
        let log = Arc::new(ResumeLog::of(&spec.dir, &spec.name));
        let target = StagingTarget {
            dir: &spec.dir,
            name: &spec.name,
            kind: spec.kind,
            max: spec.max,
            growing: spec.growing.clone(),
        };
        let file = PartialFile::open(target, Some(Arc::clone(&log)))?;
        let mut store = Self {
            unpacking: begin_unpacking(&spec)?,
            spec,
            log,
            file,
            total: None,
            validator: None,
        };
        if store.file.position() > 0 && store.take_up().is_none() {
            store.restart()?;
        }
        Ok(store)
    }

    /// Reads a partial download again, as far as it is what was written; `None` if
    /// anything about it is not right, which is not worth an error, since it can be
    /// fetched anew.
    fn take_up(&mut self) -> Option<()> {
        let record = ResumeRecord::load(&self.spec.dir, &self.spec.name)?;
        let total = record.total;
        let max = total.unwrap_or(self.spec.max);
        if record.url != self.spec.url {
            return None;
        }
        for checkpoint in record
            .checkpoints()
            .filter(|checkpoint| checkpoint.bytes <= max)
        {
            if self.replay(checkpoint, total).unwrap_or(false) {
                self.total = total;
                self.validator = Some(record.validator.clone());
                self.log.adopt(ResumeRecord {
                    written: Some(checkpoint),
                    ..record
                });
                return Some(());
            }
            tracing::warn!(
                name = self.spec.name,
                bytes = checkpoint.bytes,
                "a partial download has changed since it was written: its digest differs"
            );
            // What was unpacked of it is of no use either.
            self.begin_unpacking_anew().ok()?;
        }
        None
    }

    fn replay(&mut self, checkpoint: Checkpoint, total: Option<u64>) -> Result<bool, StagingError> {
        let Self {
            file, unpacking, ..
        } = self;
        let is_right = file.replay(checkpoint, |file, bytes| match unpacking {
            Some(unpacking) => unpacking.push(file.is_recognised(), bytes),
            None => Ok(()),
        })?;
        if let Some(total) = total {
            file.announce(total)?;
        }
        Ok(is_right)
    }

    pub(super) fn position(&self) -> (u64, Option<Validator>) {
        (self.file.position(), self.validator.clone())
    }

    /// Works until told to finish; `None` if nobody is interested any more.
    pub(super) fn run(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
        abandoned: &AtomicBool,
    ) -> Option<Result<Sealed, StagingError>> {
        while let Some(message) = inbox.blocking_recv() {
            let done = match message {
                Message::Finish => return Some(self.finish()),
                Message::Leave => break,
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

    fn take(&mut self, bytes: &[u8]) -> Result<(), StagingError> {
        self.file.write(bytes)?;
        match &mut self.unpacking {
            Some(unpacking) => unpacking.push(self.file.is_recognised(), bytes),
            None => Ok(()),
        }
    }

    fn restart(&mut self) -> Result<(), StagingError> {
        self.log.forget()?;
        self.file.restart()?;
        self.begin_unpacking_anew()?;
        self.total = None;
        self.validator = None;
        Ok(())
    }

    fn begin_unpacking_anew(&mut self) -> Result<(), StagingError> {
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
    ) -> Result<(), StagingError> {
        if self.file.position() > 0 {
            let differs = |known: &Validator| {
                validator.as_ref().is_some_and(|new| new != known)
                    || total.is_some() && self.total.is_some() && total != self.total
            };
            if self.validator.as_ref().is_some_and(differs) {
                return Err(StagingError::OtherVersion {
                    name: self.spec.name.clone(),
                });
            }
        }
        if let Some(total) = total {
            self.file.announce(total)?;
        }
        self.total = total.or(self.total);
        self.validator = validator.or(self.validator.take());
        match &self.validator {
            Some(validator) => self.log.begin(&self.spec.url, validator, self.total),
            // Nothing to recognise it by later: a crash means starting anew.
            None => self.log.forget(),
        }
    }

    fn finish(self) -> Result<Sealed, StagingError> {
        let received = self.file.position();
        if let Some(expected) = self.total
            && expected != received
        {
            let error = StagingError::Length {
                name: self.spec.name.clone(),
                expected,
                found: received,
            };
            return Err(self.give_up(error));
        }
        let Self {
            spec,
            log,
            file,
            unpacking,
            validator,
            ..
        } = self;
        // The unpacked file is completed while the download goes to the disk.
        let unpacking = unpacking.map(Unpacking::finish).transpose();
        let staged = file.finish().and_then(|staged| {
            keep_promises(&spec, &staged)?;
            Ok(staged)
        });
        let unpacked = unpacking.and_then(|unpacking| unpacking.map(Unpacked::wait).transpose());
        // If both are wrong, what the download is says more than that it does
        // not decode.
        match staged.and_then(|download| Ok((download, unpacked?))) {
            Ok((download, unpacked)) => Ok(Sealed {
                download,
                unpacked: unpacked.flatten(),
                validator,
            }),
            Err(error) => {
                clear(&spec, &log, &error);
                Err(error)
            }
        }
    }

    /// Something is wrong: leaves only what the next attempt can use.
    fn give_up(mut self, error: StagingError) -> StagingError {
        if let Some(unpacking) = self.unpacking.take() {
            unpacking.cancel();
        }
        if is_of_use(&self.log, &error) {
            // The error that led here says more than one about parking.
            let _ = self.file.park();
        } else {
            // Nothing is noted any more from here on.
            drop(self.file);
        }
        clear(&self.spec, &self.log, &error);
        error
    }

    /// The download was interrupted: leaves it for the next attempt.
    fn leave(mut self) {
        if let Some(unpacking) = self.unpacking.take() {
            unpacking.cancel();
        }
        if self.log.is_kept() {
            // Without a note of it there is less to go on from next time.
            let _ = self.file.park();
        } else {
            let temporary = temporary_of(&self.spec.dir, &self.spec.name);
            let _ = atomic::remove_if_there(&temporary);
        }
    }
}

/// True if what came can be built upon after this error: nothing is wrong with it,
/// and it will be recognised.
fn is_of_use(log: &ResumeLog, error: &StagingError) -> bool {
    !error.is_about_content() && log.is_kept()
}

/// Removes what is wrong, or would only take room. The unpacked form is made anew in
/// any case.
fn clear(spec: &Spec, log: &ResumeLog, error: &StagingError) {
    // The error that led here is the one to report.
    if !is_of_use(log, error) {
        let _ = log.forget();
        let _ = atomic::remove_if_there(&temporary_of(&spec.dir, &spec.name));
    }
    if let Some(unpack) = spec.unpack.as_ref().filter(|unpack| unpack.is_kept) {
        let _ = atomic::remove_if_there(&temporary_of(&spec.dir, &unpack.name));
    }
}

fn begin_unpacking(spec: &Spec) -> Result<Option<Unpacking>, StagingError> {
    spec.unpack
        .as_ref()
        .map(|unpack| Unpacking::start(&spec.dir, unpack))
        .transpose()
}

/// Whoever asked may have stopped waiting.
fn answer(reply: oneshot::Sender<()>) {
    let _ = reply.send(());
}

fn keep_promises(spec: &Spec, staged: &StagedFile) -> Result<(), StagingError> {
    let broken = spec
        .promises
        .iter()
        .find(|promise| promise.sha256 != staged.sha256);
    match broken {
        None => Ok(()),
        Some(promise) => Err(StagingError::Digest {
            name: spec.name.clone(),
            by: promise.by,
            expected: promise.sha256,
            found: staged.sha256,
        }),
    }
}
