//! A saved plan: in a file where the user wants it.

use std::io;
use std::path::Path;

use super::StateError;
use crate::io::file::{atomic, input};

/// More than a plan for a large fleet has, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Writes a plan, whole or not at all, for nobody else to read: it names machines and
/// paths.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), StateError> {
    atomic::write_private(path, content).map_err(|source| StateError::Io {
        doing: "write",
        path: path.to_owned(),
        source,
    })
}

/// Checks that a plan can be written there, as far as that can be told in advance.
///
/// # Errors
/// When something other than a file has the name.
pub(crate) fn check(path: &Path) -> Result<(), StateError> {
    atomic::check_replaceable(path).map_err(|source| StateError::Io {
        doing: "write",
        path: path.to_owned(),
        source,
    })
}

/// What a plan's file holds.
///
/// # Errors
/// What the file system says, and what is there instead of a file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    input::read_file(path, MAX_BYTES)
}
