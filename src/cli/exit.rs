//! Exit codes, in one place.

use std::process::ExitCode;

use crate::app::StartError;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done (or, asked for detail: nothing to do).
    Done,
    /// Something failed or was rejected.
    Failed,
    /// Asked for detail: there are changes.
    Changes,
    /// The command line or the configuration is wrong.
    Usage,
    /// A signal ended it before everything was done.
    Interrupted,
}

impl From<&StartError> for Exit {
    fn from(error: &StartError) -> Self {
        match error {
            StartError::Config(_) | StartError::NoOrders | StartError::Unconfigured { .. } => {
                Self::Usage
            }
            StartError::Orders(_)
            | StartError::Source(_)
            | StartError::Upstream(_)
            | StartError::Nodes(_)
            | StartError::Cluster { .. }
            | StartError::Store(_)
            | StartError::Cache(_) => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Changes | Exit::Usage => 2,
            // What a shell gives for a program that Ctrl-C ended.
            Exit::Interrupted => 130,
        })
    }
}
