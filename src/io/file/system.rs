//! What an error of the file system means, and times of files.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

/// True for an error of the file system that may pass: a full disk empties.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, ResourceBusy, StaleNetworkFileHandle, TimedOut};
    is_full(error)
        || matches!(
            error.kind(),
            Interrupted | TimedOut | ResourceBusy | StaleNetworkFileHandle
        )
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Modification time in nanoseconds since 1970.
pub(crate) fn mtime_ns(metadata: &Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.mtime_nsec())
}
