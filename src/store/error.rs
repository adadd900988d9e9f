//! What can go wrong with the controller's own files and its socket.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::io::file::lock::LockError;

/// Why the state was not kept, or the controller did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
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
    #[error("{why}, so everything counts as suspended")]
    Instructions {
        /// The file and why it cannot be read.
        why: String,
    },
    /// Someone else changes the files just now.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Nobody listens.
    #[error("no controller runs here: nothing listens at {}", socket.display())]
    NotRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// Someone listens already.
    #[error("a controller runs here already: it listens at {}", socket.display())]
    AlreadyRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// The pass took longer than anyone wanted to wait.
    #[error("the pass was not over after {} s; it goes on", .after.as_secs())]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The controller went away, or said something else.
    #[error("the controller gave no answer: {found}")]
    Answer {
        /// What came in place of one.
        found: String,
    },
    /// The controller could not do the pass.
    #[error("the controller could not do the pass: {why}")]
    Refused {
        /// What it said.
        why: String,
    },
}

impl StateError {
    /// What a person can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } | Self::Lock(LockError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some("do it as the user that the controller runs as, or as root")
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::InvalidInput => {
                Some("a path of a socket has at most 107 bytes; choose a shorter `state_dir`")
            }
            Self::NotRunning { .. } => Some(
                "start it with `talos-order run` or `systemctl start talos-order`, or do one \
                 pass with `talos-order apply`",
            ),
            Self::AlreadyRunning { .. } => {
                Some("stop that one, or give this one a `state_dir` of its own")
            }
            Self::Timeout { .. } => {
                Some("`talos-order status` tells how it ends; `--timeout` waits longer")
            }
            Self::Instructions { .. } => Some(
                "repair the file, or run `talos-order resume --all`, which keeps it under another \
                 name and ends every suspension",
            ),
            Self::Lock(LockError::Held { .. }) => Some("try again in a moment"),
            Self::Lock(LockError::Io { .. })
            | Self::Io { .. }
            | Self::Answer { .. }
            | Self::Refused { .. } => None,
        }
    }
}
