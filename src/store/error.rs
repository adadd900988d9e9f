//! What can go wrong with the controller's own files.

use std::io;
use std::path::PathBuf;

use crate::io::file::lock::LockError;

/// Why the state was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// What an operator suspended is not known, and is not to be overwritten.
    #[error("{why}, everything counts as suspended")]
    Instructions {
        /// The file and why it cannot be read.
        why: String,
    },
    /// Someone else changes the files just now.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl StateError {
    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } | Self::Lock(LockError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some("do it as the user that the controller runs as, or as root")
            }
            Self::Instructions { .. } => Some(
                "repair the file, or run `talos-order resume --all`, which renames it and resumes \
                 everything",
            ),
            Self::Lock(LockError::Taken { .. }) => Some("try again in a moment"),
            Self::Lock(LockError::Io { .. }) | Self::Io { .. } => None,
        }
    }
}
