//! What is known about a partial download, kept beside it so that the next
//! process can take it up: which URL and which version of the file it is from, and
//! how far it had come, with the digest of everything up to there.
//!
//! A process that is killed loses nothing that it wrote, but a machine that loses
//! power may: a file can then have its length without its bytes. So nothing is built
//! upon by its length. The next process reads what is there up to a mark, and goes
//! on from it if the digest is right; else it goes back to the mark before, which was
//! set after the disk had confirmed everything up to there. A record without marks,
//! as earlier releases wrote it, is worth nothing.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::io::file::{atomic, occupied};
use crate::io::flow::landing::{self, LandingError};
use crate::io::flow::sink::Validator;
use crate::model::Sha256;

/// What follows a download's name in the name of its record.
const SUFFIX: &str = ".part.json";

/// The largest record that is read, in bytes; one has some 500.
const RECORD_MAX: u64 = 64 << 10;

/// How far a download had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How many bytes there were.
    pub bytes: u64,
    /// The digest of all of them.
    pub sha256: Sha256,
}

/// A record of a partial download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
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
    pub written: Option<Mark>,
    /// What the disk had confirmed when it was last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced: Option<Mark>,
}

impl Partial {
    /// A record of a download that has just begun.
    pub fn new(url: &str, validator: &Validator, total: Option<u64>) -> Self {
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
    pub fn load(dir: &Path, name: &str) -> Option<Self> {
        let path = record_of(dir, name);
        // Anything else, such as a pipe, might never answer.
        if !fs::symlink_metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut text = Vec::new();
        let file = File::open(&path).ok()?;
        file.take(RECORD_MAX).read_to_end(&mut text).ok()?;
        let partial: Self = serde_json::from_slice(&text).ok()?;
        partial.marks().next().is_some().then_some(partial)
    }

    /// What may be built upon, the best first.
    pub fn marks(&self) -> impl Iterator<Item = Mark> + use<> {
        let (written, synced) = (self.written, self.synced);
        let synced = synced.filter(move |_| synced != written);
        let both = written.into_iter().chain(synced);
        both.filter(|mark| mark.bytes > 0)
    }

    fn store(&self, dir: &Path, name: &str) -> Result<(), LandingError> {
        let path = record_of(dir, name);
        let text = serde_json::to_vec(self).map_err(std::io::Error::from);
        text.and_then(|text| {
            occupied::make_way(&path)?;
            atomic::write(&path, &text)
        })
        .map_err(LandingError::io("write", &path))
    }
}

/// The record of a download that comes in now. Two threads write it: the one that
/// takes the bytes, and the one that sees them to the disk.
#[derive(Debug)]
pub struct Ledger {
    dir: PathBuf,
    name: String,
    partial: Mutex<Option<Partial>>,
}

impl Ledger {
    /// For the download of a name. There is no record yet, or none that counts.
    pub fn of(dir: &Path, name: &str) -> Self {
        Self {
            dir: dir.to_owned(),
            name: name.to_owned(),
            partial: Mutex::new(None),
        }
    }

    /// Goes on with a record that is there.
    pub fn adopt(&self, partial: Partial) {
        *self.lock() = Some(partial);
    }

    /// Writes what is known of the download; the marks stay.
    ///
    /// # Errors
    /// [`LandingError::Io`].
    pub fn begin(
        &self,
        url: &str,
        validator: &Validator,
        total: Option<u64>,
    ) -> Result<(), LandingError> {
        let mut known = self.lock();
        let mut partial = Partial::new(url, validator, total);
        if let Some(known) = known.as_ref() {
            partial.written = known.written;
            partial.synced = known.synced;
        }
        partial.store(&self.dir, &self.name)?;
        *known = Some(partial);
        Ok(())
    }

    /// Notes how far the download has come. Does nothing where the download could
    /// not be recognised later anyway.
    ///
    /// # Errors
    /// [`LandingError::Io`].
    pub fn note(&self, mark: Mark, is_synced: bool) -> Result<(), LandingError> {
        let mut partial = self.lock();
        let Some(partial) = partial.as_mut() else {
            return Ok(());
        };
        partial.written = Some(mark);
        if is_synced {
            partial.synced = Some(mark);
        }
        partial.store(&self.dir, &self.name)
    }

    /// True if what there is can be recognised later.
    pub fn is_kept(&self) -> bool {
        self.lock().is_some()
    }

    /// Removes the record; nothing is noted from now on.
    ///
    /// # Errors
    /// [`LandingError::Io`].
    pub fn forget(&self) -> Result<(), LandingError> {
        let mut partial = self.lock();
        *partial = None;
        let path = record_of(&self.dir, &self.name);
        occupied::make_way(&path)
            .and_then(|()| atomic::remove_if_there(&path))
            .map_err(LandingError::io("remove", &path))
    }

    /// A panic elsewhere cannot leave a record half changed.
    fn lock(&self) -> MutexGuard<'_, Option<Partial>> {
        self.partial.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the record of a name is.
pub fn record_of(dir: &Path, name: &str) -> PathBuf {
    atomic::hidden_sibling(dir, name, SUFFIX)
}

/// The download that a record of this name is about.
pub fn name_of_record(record: &str) -> Option<&str> {
    record.strip_prefix('.')?.strip_suffix(SUFFIX)
}

/// Removes the temporary of a name and its record.
///
/// # Errors
/// [`LandingError::Io`].
pub fn remove(dir: &Path, name: &str) -> Result<(), LandingError> {
    for path in [landing::temporary_of(dir, name), record_of(dir, name)] {
        atomic::remove_if_there(&path).map_err(LandingError::io("remove", &path))?;
    }
    Ok(())
}

fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}
