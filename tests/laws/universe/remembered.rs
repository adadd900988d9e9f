//! What is remembered in the small world.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use talos_order::facts::{
    Backoff, CacheState, Link, Memory, NodeState, RelayBackoff, StepId, Suspended,
};
use talos_order::model::{NodeId, PushTarget};

use super::{NODES, artifact, naming, now, target};

/// A few failures and suspensions.
pub(super) fn memory() -> impl Strategy<Value = Memory> {
    let failed = prop::collection::vec((target(), artifact(), -2_i64..2), 0..6);
    let suspended = (
        prop::bool::weighted(0.05),
        prop::collection::btree_set(select(vec!["order-0", "order-1"]), 0..2),
        prop::collection::btree_set(select(&NODES[..]), 0..1),
    );
    let links = prop::collection::btree_map(select(&NODES[..]), 1_u64..1000, 0..3);
    let detours = prop::collection::btree_map(select(&NODES[..]), -1_i64..2, 0..2);
    (failed, suspended, links, detours).prop_map(
        |(failed, (all, orders, nodes), links, detours)| {
            let node = |name: &str| -> NodeId { name.parse().expect("a node") };
            let link = |bytes_per_second: u64| Link {
                bytes_per_second,
                measured_at: now(),
            };
            let detour = |hours: i64| RelayBackoff {
                until: now() + jiff::SignedDuration::from_hours(hours),
                error: "it broke".to_owned(),
            };
            let mut memory = Memory {
                links: links
                    .into_iter()
                    .map(|(name, speed)| (node(name), link(speed)))
                    .collect(),
                detours: detours
                    .into_iter()
                    .map(|(name, hours)| (node(name), detour(hours)))
                    .collect(),
                ..Memory::default()
            };
            for (target, artifact, hours) in failed {
                let file = naming().template.name(&artifact);
                let backoff = Backoff {
                    failures: 3,
                    until: now() + jiff::SignedDuration::from_hours(hours),
                    error: "it broke".to_owned(),
                    lasting: None,
                };
                memory.backoff.insert(StepId::fetch(&file), backoff.clone());
                memory.backoff.insert(StepId::push(&target, &file), backoff);
            }
            memory.suspended = Suspended {
                all,
                orders: orders.iter().map(|id| id.parse().expect("an id")).collect(),
                nodes: nodes.iter().map(|id| id.parse().expect("a node")).collect(),
                unreadable: None,
            };
            memory
        },
    )
}

/// Every recorded file with how many hours ago it was first missed, if it was.
pub(super) fn missed_since(
    cache: &CacheState,
    nodes: &BTreeMap<NodeId, NodeState>,
    hours: &[Option<i64>],
) -> BTreeMap<StepId, Timestamp> {
    let mut since = BTreeMap::new();
    let mut hours = hours.iter().cycle();
    for file in cache.files.keys() {
        if let Some(Some(hours)) = hours.next() {
            let id = StepId::prune_cache(file);
            since.insert(id, now() - jiff::SignedDuration::from_hours(*hours));
        }
    }
    for (node, state) in nodes {
        let NodeState::Listed { dirs, .. } = state else {
            continue;
        };
        for (dir, listed) in dirs {
            let target = PushTarget {
                node: node.clone(),
                dir: dir.clone(),
            };
            let files = listed.record.keys();
            let removals = files.map(|file| StepId::prune_node(&target, file));
            let parts = listed.parts.keys();
            let clearings = parts.map(|part| StepId::clear_part(&target, part));
            for id in removals.chain(clearings) {
                if let Some(Some(hours)) = hours.next() {
                    since.insert(id, now() - jiff::SignedDuration::from_hours(*hours));
                }
            }
        }
    }
    since
}
