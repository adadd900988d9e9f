//! What can go wrong in the cache.

use std::io;
use std::path::{Path, PathBuf};

use crate::io::file::lock::LockError;
use crate::io::file::{explain as io_explained, is_transient};
use crate::io::flow::StagingError;
use crate::model::{FileName, Sha256};

/// Why the cache did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        source: io::Error,
    },
    /// What came, or came out of it, did not become a file.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// Another process works in the cache.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file has the name, and we have no record of writing it.
    #[error("{} exists and was not written by talos-order", path.display())]
    Foreign { path: PathBuf },
    /// A file is to be unpacked that is not compressed.
    #[error("{file} is not compressed (.xz, .zst or .gz)")]
    NotCompressed { file: FileName },
    /// A file is no longer what was recorded about it.
    #[error(
        "{file} has {found_size} bytes with SHA-256 {found}; recorded: \
         {expected_size} bytes with {expected}"
    )]
    Damaged {
        file: FileName,
        expected: Sha256,
        expected_size: u64,
        found: Sha256,
        found_size: u64,
    },
}

impl CacheError {
    /// True if the same attempt may succeed later without anyone doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_transient(source),
            Self::Staging(error) => error.is_transient(),
            Self::Lock(error) => error.is_transient(),
            Self::Foreign { .. } | Self::NotCompressed { .. } | Self::Damaged { .. } => false,
        }
    }

    /// True if the received bytes are wrong, so that others may be right.
    pub(crate) fn is_about_content(&self) -> bool {
        matches!(self, Self::Staging(error) if error.is_about_content())
    }

    /// A hint for the user, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. }
            | Self::Staging(StagingError::Io { source, .. })
            | Self::Lock(LockError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some(
                    "run it as root or as the user who owns the cache, which needs read and write \
                     access to everything in `defaults.cache_dir`; or set that key to a directory \
                     of your own",
                )
            }
            Self::Staging(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::Foreign { .. } => {
                Some("move it away, or give the image another name with `filename:`")
            }
            // The next plan replaces what is damaged.
            Self::Damaged { .. } | Self::Io { .. } | Self::NotCompressed { .. } => None,
        }
    }

    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            doing,
            source: io_explained(path, source),
            path: path.to_owned(),
        }
    }
}
