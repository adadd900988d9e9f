//! Why the store is of no use at the moment.

use std::time::Duration;

use crate::bucket::BucketError;
use crate::fleet::layout::LayoutError;

/// Why the store is of no use at the moment. It never fails an order: the image comes from
/// the factory then.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreTrouble {
    /// A request failed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// There was no answer in time.
    #[error("the store did not answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
    /// A claim can be neither written nor read.
    #[error("the store refuses a claim without having one")]
    NoClaim,
    /// The store has another layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// An object has no readable form.
    #[error("{key} in the store is not readable")]
    NoJson {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// The answer to a request, waited for so long.
pub(super) async fn answer<T>(
    patience: Duration,
    request: impl Future<Output = Result<T, BucketError>>,
) -> Result<T, StoreTrouble> {
    match tokio::time::timeout(patience, request).await {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(StoreTrouble::Silent(patience)),
    }
}
