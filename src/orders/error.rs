//! Why there are no orders to be had at all.

use std::io;
use std::path::PathBuf;

/// Why the orders are not known. One bad file among them is no reason: it is in
/// the set that was read.
#[derive(Debug, thiserror::Error)]
pub enum OrdersError {
    /// The path is not there. That is never taken for "no orders".
    #[error("the orders {} do not exist", path.display())]
    Missing {
        /// The file or directory.
        path: PathBuf,
    },
    /// The path is there and cannot be read.
    #[error("the orders {} cannot be read", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl OrdersError {
    pub(super) fn new(path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Unreadable { path, source },
        }
    }

    /// A hint for the user.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "an empty directory means no orders; a missing one may be a missing mount"
            }
            Self::Unreadable { source, .. } => match source.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::TimedOut => {
                    "--orders takes a directory, a file, or a pipe with a writer"
                }
                _ => "check the owner and the permissions",
            },
        }
    }
}
