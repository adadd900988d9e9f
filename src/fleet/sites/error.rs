//! Why nothing is known of other sites, or nothing can be told to them.

use std::time::Duration;

use crate::bucket::{BucketError, ObjectKey};
use crate::model::Invalid;

/// Why nothing is known of other sites, or nothing can be told to them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FleetError {
    /// A request failed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// There was no answer in time.
    #[error("the store did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// A name makes no key.
    #[error("{message}")]
    Name {
        /// What is wrong with it.
        message: String,
    },
    /// It makes no JSON.
    #[error("cannot write {key}")]
    Form {
        /// The object.
        key: ObjectKey,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Nobody can read it, so that changing it would lose what it says.
    #[error("{key} in the store cannot be read; expected an instruction for a rollout")]
    Unreadable {
        /// The object.
        key: ObjectKey,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Others change it all the time.
    #[error("{key} in the store was changed by others {times} times meanwhile")]
    Contended {
        /// The object.
        key: ObjectKey,
        /// How often it was tried.
        times: u32,
    },
}

impl From<Invalid> for FleetError {
    fn from(invalid: Invalid) -> Self {
        Self::Name {
            message: invalid.message,
        }
    }
}

impl FleetError {
    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Bucket(error) => error.hint(),
            Self::Silent(_) => {
                Some("check `store` in the configuration, and that it can be reached")
            }
            Self::Contended { .. } => Some("try it again"),
            Self::Unreadable { .. } => {
                Some("look at the object, remove it from the bucket, and say again what it said")
            }
            Self::Name { .. } | Self::Form { .. } => None,
        }
    }
}
