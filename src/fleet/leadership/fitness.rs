//! Whether a store can decide who leads.

use std::time::Duration;

use crate::bucket::{Bucket, Capability};
use crate::error::chain;
use crate::fleet::layout;

/// Between two attempts to reach it.
const PAUSE: Duration = Duration::from_secs(5);

/// Waits until the store was seen to keep the conditions of writes. Ends with false where it
/// does not: two controllers would take themselves for leaders.
pub(super) async fn is_fit(bucket: &Bucket) -> bool {
    let mut is_told = false;
    loop {
        let why = match bucket.probe().await {
            Ok(probe) => match (probe.unfit(), probe.capability()) {
                (None, Capability::Full) => match layout::prepare(bucket).await {
                    Ok(()) => return true,
                    Err(error) if error.is_final() => {
                        tracing::error!(
                            reason = chain(&error),
                            "the store {} is not of this version, so this controller never leads",
                            bucket.name()
                        );
                        return false;
                    }
                    Err(error) => chain(&error),
                },
                (Some(why), _) | (None, Capability::CacheOnly { why }) => {
                    let reason = match probe.hint() {
                        Some(hint) => format!("{why}; hint: {hint}"),
                        None => why,
                    };
                    tracing::error!(
                        reason,
                        "the store {} cannot decide who leads, so this controller never does",
                        bucket.name()
                    );
                    return false;
                }
            },
            Err(error) => chain(&error),
        };
        if !std::mem::replace(&mut is_told, true) {
            tracing::warn!(
                reason = why,
                "the store cannot be checked; who leads is not known"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::WriteCondition;

    #[tokio::test]
    async fn a_store_in_memory_keeps_its_conditions() {
        assert!(is_fit(&Bucket::in_memory()).await);
    }

    #[tokio::test]
    async fn a_store_of_another_layout_makes_no_leader() {
        let bucket = Bucket::in_memory();
        let key = "v1/format.json".parse().unwrap();
        let put = bucket.put(&key, r#"{"format":2}"#, WriteCondition::Always);
        put.await.unwrap();
        assert!(!is_fit(&bucket).await);
    }
}
