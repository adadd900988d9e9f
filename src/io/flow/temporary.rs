//! The hidden names beside a file that is not complete: `.NAME.part` for its bytes, and
//! `.NAME.part.json` for the record of a download.

use std::path::{Path, PathBuf};

use crate::io::file::atomic;

const TEMPORARY: &str = ".part";
const RECORD: &str = ".part.json";

/// The temporary that becomes a file of this name.
pub(crate) fn temporary_of(dir: &Path, name: &str) -> PathBuf {
    atomic::hidden_sibling(dir, name, TEMPORARY)
}

/// The file that a temporary of this name is to become.
pub(crate) fn name_of_temporary(temporary: &str) -> Option<&str> {
    temporary.strip_prefix('.')?.strip_suffix(TEMPORARY)
}

/// Where the record of a name is.
pub(crate) fn record_of(dir: &Path, name: &str) -> PathBuf {
    atomic::hidden_sibling(dir, name, RECORD)
}

/// The download that a record of this name is about.
pub(crate) fn name_of_record(record: &str) -> Option<&str> {
    record.strip_prefix('.')?.strip_suffix(RECORD)
}
