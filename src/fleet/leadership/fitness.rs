//! Whether a store can decide who leads.

use std::time::Duration;

use crate::bucket::{Bucket, Capability};
use crate::error::chain;

/// Between two attempts to reach it.
const PAUSE: Duration = Duration::from_secs(5);

/// Waits until the store was seen to keep the conditions of writes. Ends with false where it
/// does not: two controllers would take themselves for leaders.
pub(super) async fn is_fit(bucket: &Bucket) -> bool {
    let mut is_told = false;
    loop {
        let why = match bucket.probe().await {
            Ok(probe) => match (probe.unfit(), probe.capability()) {
                (None, Capability::Full) => return true,
                (Some(why), _) | (None, Capability::CacheOnly { why }) => {
                    tracing::error!(
                        reason = why,
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

    #[tokio::test]
    async fn a_store_in_memory_keeps_its_conditions() {
        assert!(is_fit(&Bucket::in_memory()).await);
    }
}
