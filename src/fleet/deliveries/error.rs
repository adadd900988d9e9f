//! Why records of deliveries could not be compared.

use crate::bucket::{BucketError, ObjectKey};
use crate::nodes::RecordsError;

/// Why records could not be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveriesError {
    /// The store does not answer.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// Another controller leads the site.
    #[error("this controller does not lead the site any more")]
    NotLeading,
    /// Something else is there.
    #[error("{0} in the store is no record of deliveries; expected JSON with epoch and nodes")]
    Content(ObjectKey, #[source] serde_json::Error),
    /// It is packed, and something else is in it.
    #[error("{0} in the store cannot be unpacked")]
    Packed(ObjectKey, #[source] std::io::Error),
    /// Whoever wrote it does not have the key, or wrote it for another site.
    #[error(
        "{0} in the store is not sealed with the key of this fleet; check `store.key_file`, or \
         remove it to begin with the record of the leader"
    )]
    Foreign(ObjectKey),
    /// The leader before this one could not tell what it had delivered.
    #[error(
        "{0} in the store does not say what was delivered, since that was too much for one \
         object; remove it to begin with the record of the leader"
    )]
    Untold(ObjectKey),
    /// What is to be written could not be kept here.
    #[error(transparent)]
    Own(#[from] RecordsError),
}
