//! Which layout the store has: `v1/format.json`, which the first writer makes.

use serde::{Deserialize, Serialize};

use crate::bucket::{Bucket, BucketError, ObjectKey, WriteCondition};

/// The layout that is written and read.
const FORMAT: u64 = 1;

const KEY: &str = "v1/format.json";

#[derive(Debug, Serialize, Deserialize)]
struct StoreFormat {
    format: u64,
    /// A random name, for people who compare stores.
    #[serde(default)]
    fleet: String,
}

/// Why the store cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum LayoutError {
    /// A request failed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// A later version has made it.
    #[error("the store has the format {found}; expected {FORMAT}")]
    Other {
        /// What it says.
        found: u64,
    },
    /// The object has no readable form.
    #[error("{KEY} in the store is not readable")]
    NoJson(#[from] serde_json::Error),
}

impl LayoutError {
    /// True where the store is known to be of no use, however often it is asked.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Other { .. })
    }
}

/// Makes sure that the store has the layout of this version before anything is written to
/// it. An empty one gets it.
pub(super) async fn prepare(bucket: &Bucket) -> Result<(), LayoutError> {
    if check(bucket).await? {
        return Ok(());
    }
    let Some(key) = key() else { return Ok(()) };
    let own = serde_json::to_vec(&StoreFormat {
        format: FORMAT,
        fleet: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
    })?;
    // Whoever was first may have another layout.
    let written = bucket.put(&key, own.clone(), WriteCondition::Absent).await;
    if written.is_err() && !check(bucket).await? {
        // Some servers refuse every condition.
        bucket.put(&key, own, WriteCondition::Always).await?;
    }
    check(bucket).await.map(drop)
}

/// True if the store has the layout of this version, false if it has none. Changes nothing.
pub(super) async fn check(bucket: &Bucket) -> Result<bool, LayoutError> {
    let Some(key) = key() else { return Ok(true) };
    let Some(object) = bucket.get(&key).await? else {
        return Ok(false);
    };
    let found: StoreFormat = serde_json::from_slice(&object.bytes)?;
    match found.format {
        FORMAT => Ok(true),
        found => Err(LayoutError::Other { found }),
    }
}

/// Always one: the constant is a key.
fn key() -> Option<ObjectKey> {
    KEY.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(bucket: &Bucket) -> String {
        let object = bucket.get(&key().unwrap()).await.unwrap().unwrap();
        String::from_utf8(object.bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_first_writer_makes_it_and_later_ones_leave_it() {
        let bucket = Bucket::in_memory();
        assert!(!check(&bucket).await.unwrap());
        prepare(&bucket).await.unwrap();
        let made = text(&bucket).await;
        let found: StoreFormat = serde_json::from_str(&made).unwrap();
        assert_eq!((found.format, found.fleet.len()), (1, 32));
        prepare(&bucket).await.unwrap();
        assert_eq!(text(&bucket).await, made);
        assert!(check(&bucket).await.unwrap());
    }

    #[tokio::test]
    async fn another_one_is_refused_and_stays() {
        let bucket = Bucket::in_memory();
        let other = r#"{"format":2,"more":[]}"#;
        let key = key().unwrap();
        let put = bucket.put(&key, other, WriteCondition::Always);
        put.await.unwrap();
        let refused = prepare(&bucket).await.unwrap_err();
        assert!(refused.is_final());
        assert_eq!(
            refused.to_string(),
            "the store has the format 2; expected 1"
        );
        assert_eq!(text(&bucket).await, other);
        let put = bucket.put(&key, "<html>", WriteCondition::Always);
        put.await.unwrap();
        let refused = prepare(&bucket).await.unwrap_err();
        // A proxy may have said that.
        assert!(!refused.is_final());
        assert_eq!(text(&bucket).await, "<html>");
    }
}
