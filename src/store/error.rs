//! What can go wrong with the controller's own files.

use std::io;
use std::path::{Path, PathBuf};

use crate::io::file::lock::LockError;
use crate::io::file::owner_of;

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
    /// The user who runs this may not.
    #[error("permission denied: cannot {doing} {}", path.display())]
    Denied {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The name of the user who owns it, or the nearest directory that can be seen.
        owner: Option<String>,
    },
    /// What an operator suspended is not known, and is not to be overwritten.
    #[error("{why}, everything counts as suspended")]
    Instructions {
        /// The file and why it cannot be read.
        why: String,
    },
    /// What an operator said of rollouts is not known, and is not to be overwritten.
    #[error("{why}, every rollout counts as paused")]
    RolloutInstructions {
        /// The file and why it cannot be read.
        why: String,
    },
    /// Someone else changes the files just now.
    #[error(transparent)]
    Lock(LockError),
}

impl StateError {
    /// What the file system said of a file.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied {
                doing,
                owner: owner_of(&path),
                path,
            },
            _ => Self::Io {
                doing,
                path,
                source,
            },
        }
    }

    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Denied { owner, .. } => match owner.as_deref() {
                Some("root") | None => "run it as root",
                Some(owner) => return Some(format!("run it as root or as user {owner}")),
            },
            Self::Instructions { .. } => {
                "repair the file, or run `talos-order resume --all`, which renames it and resumes \
                 everything"
            }
            Self::RolloutInstructions { .. } => {
                "repair the file, or run `talos-order rollout resume --all`, which renames it and \
                 resumes all rollouts"
            }
            Self::Lock(LockError::Taken { .. }) => "try again in a moment",
            Self::Lock(LockError::Io { .. }) | Self::Io { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<LockError> for StateError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Io { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::io("change", &path, source)
            }
            error => Self::Lock(error),
        }
    }
}
