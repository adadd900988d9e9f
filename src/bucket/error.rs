//! What can go wrong with a bucket.

use std::path::PathBuf;
use std::time::Duration;

use super::{BucketAnswer, ObjectKey, ObjectPrefix};
use crate::model::Sha256;

/// The most bytes of an object that is read as a whole: everything but images is smaller.
pub const SMALL: u64 = 1 << 20;

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
        source: BucketAnswer,
    },
    /// The bucket itself is not there: nothing is known of its objects.
    #[error("{what} {key} in the bucket: the bucket does not exist")]
    NoBucket {
        /// What was done.
        what: &'static str,
        /// With which object or objects.
        key: String,
        /// What the server says.
        #[source]
        source: BucketAnswer,
    },
    /// The credentials are wrong, or have no right to this.
    #[error("{what} {key} in the bucket: access denied")]
    Denied {
        /// What was done.
        what: &'static str,
        /// With which object or objects.
        key: String,
        /// What the server says.
        #[source]
        source: BucketAnswer,
    },
    /// The server cannot be reached, or says that it failed. Whether something was written
    /// is not known.
    #[error("{what} {key} in the bucket failed")]
    Failed {
        /// What was done.
        what: &'static str,
        /// With which object or objects.
        key: String,
        /// Why.
        #[source]
        source: BucketAnswer,
    },
    /// The server takes too long. Whether something was written is not known.
    #[error("{what} {key} in the bucket: no answer within {after:?}")]
    Late {
        /// What was done.
        what: &'static str,
        /// With which object or objects.
        key: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// An object that has to be small is not.
    #[error("{key} in the bucket has {size} bytes; expected at most {SMALL}")]
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
    /// The server does not do what every use of it needs.
    #[error("the store {name} cannot be used: {why}")]
    Unfit {
        /// Its URL.
        name: String,
        /// What it does not do.
        why: String,
    },
}

impl BucketError {
    pub(super) fn of(what: &'static str, key: &ObjectKey, error: &object_store::Error) -> Self {
        Self::about(what, key.to_string(), error)
    }

    pub(super) fn listing(prefix: &ObjectPrefix, error: &object_store::Error) -> Self {
        Self::about("listing", prefix.to_string(), error)
    }

    fn about(what: &'static str, key: String, error: &object_store::Error) -> Self {
        let source = BucketAnswer::of(error);
        match error {
            _ if source.is_no_bucket() => Self::NoBucket { what, key, source },
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Self::Denied { what, key, source },
            // A listing has no errors of its own for it.
            _ if matches!(source.status(), Some(401 | 403)) => Self::Denied { what, key, source },
            _ => Self::Failed { what, key, source },
        }
    }

    /// What the server said, where it said something or nothing was heard of it.
    pub fn answer(&self) -> Option<&BucketAnswer> {
        match self {
            Self::Unusable { source, .. }
            | Self::NoBucket { source, .. }
            | Self::Denied { source, .. }
            | Self::Failed { source, .. } => Some(source),
            Self::Late { .. }
            | Self::TooLarge { .. }
            | Self::Differs { .. }
            | Self::File { .. }
            | Self::Unfit { .. } => None,
        }
    }

    /// A hint for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Denied { source, .. } if source.code() == Some("RequestTimeTooSkewed") => {
                Some("the clocks of this machine and of the server differ by more than 15 minutes")
            }
            Self::Denied { .. } => Some(
                "check the access key and its rights: it has to read, write, list and remove \
                 objects of the bucket below the prefix",
            ),
            Self::NoBucket { .. } => Some("create the bucket, or correct its `url`"),
            Self::Unusable { .. } => {
                Some("check `store` and the nodes with `s3` in the configuration")
            }
            Self::Failed { .. }
            | Self::Late { .. }
            | Self::TooLarge { .. }
            | Self::Differs { .. }
            | Self::File { .. }
            | Self::Unfit { .. } => None,
        }
    }
}
