//! Why the controller cannot listen, or did not answer.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::store::StateError;

/// Why the controller cannot listen, or did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// The directory of the state cannot be made.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Nobody listens.
    #[error("no controller is running: nothing listens at {}", socket.display())]
    NotRunning { socket: PathBuf },
    /// Someone listens already.
    #[error("a controller is already running: it listens at {}", socket.display())]
    AlreadyRunning { socket: PathBuf },
    /// The run took longer than anyone wanted to wait.
    #[error("the run did not finish within {} s; it continues", .after.as_secs())]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The controller went away, or said something else.
    #[error("no answer from the controller: {found}")]
    Answer {
        /// What came in place of one.
        found: String,
    },
    /// The controller is of a version that does not know the request.
    #[error("the running controller has a different version than this program: {found}")]
    OtherVersion {
        /// What showed it.
        found: String,
    },
    /// It has no place for another request.
    #[error("the controller is busy: {why}; try again in {} s", .after.as_secs())]
    Busy {
        /// What it said.
        why: String,
        /// When it may have one.
        after: Duration,
    },
    /// The run failed.
    #[error("the run failed: {why}")]
    Refused {
        /// What it said.
        why: String,
    },
}

impl ControlError {
    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::State(error) => return error.hint(),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::InvalidInput => {
                "a path of a socket has at most 107 bytes; choose a shorter `state_dir`"
            }
            Self::NotRunning { .. } => {
                "start it with `talos-order run` or `systemctl start talos-order`, or run once \
                 with `talos-order apply`"
            }
            Self::AlreadyRunning { .. } => "stop that one, or give this one its own `state_dir`",
            Self::Busy { .. } => {
                "all of them get the next run; `talos-order status` shows its result"
            }
            Self::Timeout { .. } => {
                "`talos-order status` shows the result; `--timeout` waits longer"
            }
            Self::OtherVersion { .. } => {
                "restart the controller, for example with `systemctl restart talos-order`"
            }
            Self::Io { .. } | Self::Answer { .. } | Self::Refused { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
