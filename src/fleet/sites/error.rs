//! Why nothing is known of other sites, or nothing can be told to them.

use std::time::Duration;

use crate::bucket::{BucketError, ObjectKey};
use crate::fleet::seal::SealFault;
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
    /// It is not what an operator said, so that nobody knows what changing it would lose.
    #[error("{key} in the store is not a valid instruction for a rollout")]
    Invalid {
        /// The object.
        key: ObjectKey,
        /// Why.
        #[source]
        source: SealFault,
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
            Self::Invalid { .. } => Some(
                "look at the object; `talos-order rollout pause ORDER` replaces it and keeps the \
                 rollouts paused, `talos-order rollout resume ORDER` replaces it and resumes them",
            ),
            Self::Name { .. } | Self::Form { .. } => None,
        }
    }
}
