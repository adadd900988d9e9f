//! What is known about a partial download, kept beside it so that the next
//! process can take it up: which URL and which version of the file it is from, and
//! how far it had come, with the digest of everything up to there.
//!
//! A process that is killed loses nothing that it wrote, but a machine that loses
//! power may: a file can then have its length without its bytes. So nothing is built
//! upon by its length. The next process reads what is there up to a checkpoint, and goes
//! on from it if the digest is right; else it goes back to the checkpoint before, which was
//! set after the disk had confirmed everything up to there. A record without checkpoints,
//! as earlier releases wrote it, is worth nothing.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::io::file::{atomic, occupied};
use crate::io::flow::error::StagingError;
use crate::io::flow::sink::Validator;
use crate::io::flow::temporary::record_of;
use crate::model::Sha256;

/// The largest record that is read, in bytes; one has some 500.
const RECORD_MAX: u64 = 64 << 10;

/// How far a download had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// How many bytes there were.
    pub bytes: u64,
    /// The digest of all of them.
    pub sha256: Sha256,
}

/// A record of a partial download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResumeRecord {
    /// Where the bytes are from.
    pub url: String,
    /// Which version of the file they are from.
    pub validator: Validator,
    /// The announced length in bytes.
    pub total: Option<u64>,
    /// The kernel's id of the boot in which they were written: earlier releases read
    /// it, and believe a record of their own boot only.
    #[serde(default)]
    pub boot: String,
    /// What was written when it was last noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Checkpoint>,
    /// What the disk had confirmed when it was last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced: Option<Checkpoint>,
}

impl ResumeRecord {
    /// A record of a download that has just begun.
    pub(crate) fn new(url: &str, validator: &Validator, total: Option<u64>) -> Self {
        Self {
            url: url.to_owned(),
            validator: validator.clone(),
            total,
            boot: boot_id().unwrap_or_default(),
            written: None,
            synced: None,
        }
    }

    /// Reads the record beside the temporary of a name; `None` if there is none that
    /// is of use, for whatever reason.
    pub(crate) fn load(dir: &Path, name: &str) -> Option<Self> {
        let path = record_of(dir, name);
        // Anything else, such as a pipe, might never answer.
        if !fs::symlink_metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut text = Vec::new();
        let file = File::open(&path).ok()?;
        file.take(RECORD_MAX).read_to_end(&mut text).ok()?;
        let record: Self = serde_json::from_slice(&text).ok()?;
        record.checkpoints().next().is_some().then_some(record)
    }

    /// What may be built upon, the best first.
    pub(crate) fn checkpoints(&self) -> impl Iterator<Item = Checkpoint> + use<> {
        let (written, synced) = (self.written, self.synced);
        let synced = synced.filter(move |_| synced != written);
        let both = written.into_iter().chain(synced);
        both.filter(|checkpoint| checkpoint.bytes > 0)
    }

    fn store(&self, dir: &Path, name: &str) -> Result<(), StagingError> {
        let path = record_of(dir, name);
        let text = serde_json::to_vec(self).map_err(std::io::Error::from);
        text.and_then(|text| {
            occupied::make_way(&path)?;
            atomic::write(&path, &text)
        })
        .map_err(StagingError::io("write", &path))
    }
}

/// The record of a download that comes in now. Two threads write it: the one that
/// takes the bytes, and the one that sees them to the disk.
#[derive(Debug)]
pub(crate) struct ResumeLog {
    dir: PathBuf,
    name: String,
    record: Mutex<Option<ResumeRecord>>,
}

impl ResumeLog {
    /// For the download of a name. There is no record yet, or none that counts.
    pub(crate) fn of(dir: &Path, name: &str) -> Self {
        Self {
            dir: dir.to_owned(),
            name: name.to_owned(),
            record: Mutex::new(None),
        }
    }

    /// Goes on with a record that is there.
    pub(crate) fn adopt(&self, record: ResumeRecord) {
        *self.lock() = Some(record);
    }

    /// Writes what is known of the download; the checkpoints stay.
    ///
    /// # Errors
    /// [`StagingError::Io`].
    pub(crate) fn begin(
        &self,
        url: &str,
        validator: &Validator,
        total: Option<u64>,
    ) -> Result<(), StagingError> {
        let mut known = self.lock();
        let mut record = ResumeRecord::new(url, validator, total);
        if let Some(known) = known.as_ref() {
            record.written = known.written;
            record.synced = known.synced;
        }
        record.store(&self.dir, &self.name)?;
        *known = Some(record);
        Ok(())
    }

    /// Notes how far the download has come. Does nothing where the download could
    /// not be recognised later anyway.
    ///
    /// # Errors
    /// [`StagingError::Io`].
    pub(crate) fn note(&self, checkpoint: Checkpoint, is_synced: bool) -> Result<(), StagingError> {
        let mut record = self.lock();
        let Some(record) = record.as_mut() else {
            return Ok(());
        };
        record.written = Some(checkpoint);
        if is_synced {
            record.synced = Some(checkpoint);
        }
        record.store(&self.dir, &self.name)
    }

    /// True if what there is can be recognised later.
    pub(crate) fn is_kept(&self) -> bool {
        self.lock().is_some()
    }

    /// Removes the record; nothing is noted from now on.
    ///
    /// # Errors
    /// [`StagingError::Io`].
    pub(crate) fn forget(&self) -> Result<(), StagingError> {
        let mut record = self.lock();
        *record = None;
        let path = record_of(&self.dir, &self.name);
        occupied::make_way(&path)
            .and_then(|()| atomic::remove_if_there(&path))
            .map_err(StagingError::io("remove", &path))
    }

    /// A panic elsewhere cannot leave a record half changed.
    fn lock(&self) -> MutexGuard<'_, Option<ResumeRecord>> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}
