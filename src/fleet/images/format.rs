//! Which layout the store has.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::trouble::{StoreTrouble, answer};
use crate::bucket::{Bucket, ObjectKey, WriteCondition};

/// The layout that is written and read.
const FORMAT: u64 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct StoreFormat {
    format: u64,
    /// A random name, for people who compare stores.
    fleet: String,
}

/// Makes sure that the store has the layout of this version before anything is written to
/// it. An empty one gets it.
pub(super) async fn prepare(bucket: &Bucket, patience: Duration) -> Result<(), StoreTrouble> {
    let Ok(key) = "v1/format.json".parse::<ObjectKey>() else {
        return Ok(());
    };
    if is_there(bucket, &key, patience).await? {
        return Ok(());
    }
    let own = StoreFormat {
        format: FORMAT,
        fleet: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
    };
    let no_json = |source| StoreTrouble::NoJson {
        key: key.to_string(),
        source,
    };
    let text = serde_json::to_vec(&own).map_err(no_json)?;
    // Whoever was first may have another layout.
    let write = |condition| bucket.put(&key, text.clone(), condition);
    if answer(patience, write(WriteCondition::Absent))
        .await
        .is_err()
        && !is_there(bucket, &key, patience).await?
    {
        // Some servers refuse every condition.
        answer(patience, write(WriteCondition::Always)).await?;
    }
    is_there(bucket, &key, patience).await.map(drop)
}

async fn is_there(
    bucket: &Bucket,
    key: &ObjectKey,
    patience: Duration,
) -> Result<bool, StoreTrouble> {
    let Some(object) = answer(patience, bucket.get(key)).await? else {
        return Ok(false);
    };
    let found: StoreFormat =
        serde_json::from_slice(&object.bytes).map_err(|source| StoreTrouble::NoJson {
            key: key.to_string(),
            source,
        })?;
    match found.format {
        FORMAT => Ok(true),
        found => Err(StoreTrouble::Format {
            found,
            expected: FORMAT,
        }),
    }
}
