//! Ends the promotions of releases that their orders do not want any more.

use std::collections::BTreeSet;

use crate::app::Instructions;
use crate::conclude::memory::promotions_over;
use crate::error::chain;
use crate::facts::{Memory, Promotions, RolloutChange};
use crate::model::{OrderId, Release};
use crate::plan::Look;

/// Ends those that are over after a run. `memory` is what is remembered after it, and
/// `orders` are all that could be read. What cannot be changed now is tried by the next run.
pub(super) async fn end_promotions(
    instructions: &Instructions,
    memory: &mut Memory,
    look: &Look,
    orders: &BTreeSet<OrderId>,
) {
    let over: Promotions = promotions_over(memory, look, orders);
    for (order, releases) in over {
        let names: Vec<&str> = releases.keys().map(Release::as_str).collect();
        let releases_ended = names.join(", ");
        let change = RolloutChange::EndPromotions(releases.clone());
        match instructions.instruct(&order, &change).await {
            Ok((_, said)) => {
                tracing::info!(
                    order = order.as_str(),
                    "the promotion of {releases_ended} is over: the order wants another image"
                );
                memory.instructed.insert(order.clone(), said);
                if let Some(seen) = memory.promotions_seen.get_mut(&order) {
                    seen.retain(|release, _| !releases.contains_key(release));
                }
            }
            Err(error) => tracing::warn!(
                order = order.as_str(),
                reason = chain(&error),
                "the promotion of {releases_ended} is over and cannot be removed"
            ),
        }
    }
    memory.promotions_seen.retain(|_, seen| !seen.is_empty());
}
