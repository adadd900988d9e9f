//! What is known about a partial download, kept beside it so that the next
//! process can take it up: which URL and which version of the file it is from.
//!
//! A process that is killed loses nothing that it wrote, but a machine that
//! crashes may: a file can then have its length without its bytes. So the record
//! also names the boot it was made in, and one from another boot is worth nothing.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic;
use super::landing::{self, LandingError};
use super::sink::Validator;

/// What follows a download's name in the name of its record.
const SUFFIX: &str = ".part.json";

/// A record of a partial download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// Where the bytes are from.
    pub url: String,
    /// Which version of the file they are from.
    pub validator: Validator,
    /// The announced length in bytes.
    pub total: Option<u64>,
    /// The kernel's id of the boot in which they were written.
    pub boot: String,
}

impl Partial {
    /// A record for the running boot; `None` where the system does not tell which.
    pub fn new(url: &str, validator: &Validator, total: Option<u64>) -> Option<Self> {
        Some(Self {
            url: url.to_owned(),
            validator: validator.clone(),
            total,
            boot: boot_id()?,
        })
    }

    /// Reads the record beside the temporary of a name; `None` if there is none
    /// that is of use in this boot, for whatever reason.
    pub fn load(dir: &Path, name: &str) -> Option<Self> {
        let text = fs::read(record_of(dir, name)).ok()?;
        let partial: Self = serde_json::from_slice(&text).ok()?;
        (Some(&partial.boot) == boot_id().as_ref()).then_some(partial)
    }

    /// Writes the record.
    ///
    /// # Errors
    /// [`LandingError::Io`].
    pub fn store(&self, dir: &Path, name: &str) -> Result<(), LandingError> {
        let path = record_of(dir, name);
        let failed = |source| LandingError::Io {
            doing: "write",
            path: path.clone(),
            source,
        };
        let text = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        atomic::write(&path, &text).map_err(failed)
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
