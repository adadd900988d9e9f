//! What can go wrong with a bucket.

use std::path::PathBuf;

use super::{ObjectKey, ObjectPrefix, SMALL};
use crate::model::Sha256;

/// What can go wrong with a bucket.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The settings make no client.
    #[error("cannot use the store {name}")]
    Unusable {
        /// Its URL.
        name: String,
        /// Why.
        #[source]
        source: Box<object_store::Error>,
    },
    /// The credentials are wrong, or have no right to this.
    #[error("{what} {key} in the store: access denied")]
    Denied {
        /// What was done.
        what: &'static str,
        /// With which object or objects.
        key: String,
        /// What the server says.
        #[source]
        source: Box<object_store::Error>,
    },
    /// The server cannot be reached, or says that it failed. Whether something was written
    /// is not known.
    #[error("{what} {key} in the store failed")]
    Failed {
        /// What was done.
        what: &'static str,
        /// With which object or objects.
        key: String,
        /// Why.
        #[source]
        source: Box<object_store::Error>,
    },
    /// An object that has to be small is not.
    #[error("{key} in the store has {size} bytes; expected at most {SMALL}")]
    TooLarge {
        /// The object.
        key: ObjectKey,
        /// Its length.
        size: u64,
    },
    /// A file that is to be written is not what it should be.
    #[error("{} has the SHA-256 {found}; expected {expected}", path.display())]
    Differs {
        /// The file.
        path: PathBuf,
        /// What it should have.
        expected: Sha256,
        /// What it has.
        found: Sha256,
    },
    /// A file that is to be written cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl BucketError {
    pub(super) fn of(what: &'static str, key: &ObjectKey, error: object_store::Error) -> Self {
        Self::about(what, key.to_string(), error)
    }

    pub(super) fn listing(prefix: &ObjectPrefix, error: object_store::Error) -> Self {
        Self::about("listing", prefix.to_string(), error)
    }

    fn about(what: &'static str, key: String, error: object_store::Error) -> Self {
        let source = Box::new(error);
        match *source {
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Self::Denied { what, key, source },
            _ => Self::Failed { what, key, source },
        }
    }

    /// A hint for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Denied { .. } => Some(
                "check the access key and its rights: it has to read, write, list and remove \
                 objects of the bucket below the prefix",
            ),
            Self::Unusable { .. } => Some("check `store` in the configuration"),
            Self::Failed { .. }
            | Self::TooLarge { .. }
            | Self::Differs { .. }
            | Self::File { .. } => None,
        }
    }
}
