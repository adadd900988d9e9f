//! Why a process could not be started or was not let to its end.

use std::io;
use std::time::Duration;

/// Why a process could not be started or was not let to its end.
///
/// A process that ended by itself is never an error here, whatever its exit
/// code: only the caller knows what the code means.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// There is no such program.
    #[error("{program} is not installed, or not in PATH")]
    NotFound {
        /// The first word.
        program: String,
    },
    /// The program could not be started.
    #[error("{program} cannot be started")]
    Spawn {
        /// The first word.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It neither read nor wrote for too long, and was killed.
    #[error("{program} made no progress for {} s", after.as_secs())]
    Idle {
        /// The first word.
        program: String,
        /// The time it was given.
        after: Duration,
        /// The end of its standard error.
        stderr: String,
    },
    /// It took too long altogether, and was killed.
    #[error("{program} did not end within {} s", after.as_secs())]
    Total {
        /// The first word.
        program: String,
        /// The time it was given.
        after: Duration,
        /// The end of its standard error.
        stderr: String,
    },
    /// It wrote more than was to be kept, and was killed.
    #[error("{program} wrote more than {limit} bytes")]
    TooMuchOutput {
        /// The first word.
        program: String,
        /// How much was accepted.
        limit: usize,
    },
    /// A pipe to it failed.
    #[error("the pipes to {program} failed")]
    Pipe {
        /// The first word.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ProgramError {
    /// True if trying again later may help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::TooMuchOutput { .. } => false,
            // Out of processes or memory; a missing right to execute is not.
            Self::Spawn { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            Self::Idle { .. } | Self::Total { .. } | Self::Pipe { .. } => true,
        }
    }

    /// A hint for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { program } => Some(format!(
                "install {program} on the machine that runs talos-order"
            )),
            _ => None,
        }
    }

    /// The end of what the process wrote to standard error.
    pub fn stderr(&self) -> &str {
        match self {
            Self::Idle { stderr, .. } | Self::Total { stderr, .. } => stderr,
            _ => "",
        }
    }
}
