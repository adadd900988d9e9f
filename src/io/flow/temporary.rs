//! The hidden names beside a file that is not complete: `.NAME.part` for its bytes, and
//! `.NAME.part.json` for the record of a download.

use std::path::{Path, PathBuf};

use crate::io::file::atomic;
use crate::io::flow::error::StagingError;

const TEMPORARY: &str = ".part";
const RECORD: &str = ".part.json";

/// The temporary that becomes a file of this name.
pub fn temporary_of(dir: &Path, name: &str) -> PathBuf {
    atomic::hidden_sibling(dir, name, TEMPORARY)
}

/// The file that a temporary of this name is to become.
pub fn name_of_temporary(temporary: &str) -> Option<&str> {
    temporary.strip_prefix('.')?.strip_suffix(TEMPORARY)
}

/// Where the record of a name is.
pub fn record_of(dir: &Path, name: &str) -> PathBuf {
    atomic::hidden_sibling(dir, name, RECORD)
}

/// The download that a record of this name is about.
pub fn name_of_record(record: &str) -> Option<&str> {
    record.strip_prefix('.')?.strip_suffix(RECORD)
}

/// Removes the temporary of a name and its record.
///
/// # Errors
/// [`StagingError::Io`].
pub fn remove(dir: &Path, name: &str) -> Result<(), StagingError> {
    for path in [temporary_of(dir, name), record_of(dir, name)] {
        atomic::remove_if_there(&path).map_err(StagingError::io("remove", &path))?;
    }
    Ok(())
}
