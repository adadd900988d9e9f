//! What the planner is told, from the settings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::config::Settings;
use crate::model::{ClusterName, ImportFormat, InventoryNode, NodeId};
use crate::nodes;
use crate::plan::{
    Create, Policy, PrunePolicy, Retention, SharedStorages, TransportPolicy, VerifyPolicy,
};

/// Bytes that a download leaves free in the cache's file system.
const CACHE_RESERVE: u64 = 64 << 20;

/// How long, in seconds, files are read back in one run at the configured rate.
const READ_BACK_SECONDS: u64 = 300;

/// The settings of the planner.
pub(super) fn policy(settings: &Settings) -> Policy {
    let cache = &settings.cache_policy;
    Policy {
        retention: Retention {
            keep_versions: cache.enabled.then_some(cache.keep_versions),
            orphan_grace_seconds: seconds(cache.orphan_grace),
        },
        node_reserve: nodes::RESERVE,
        cache_reserve: CACHE_RESERVE,
        prune: prune_policy(settings),
        shared: shared_storages(settings),
        create: Create {
            default: settings.push.create,
            nodes: of_nodes(settings, |entry| entry.create),
        },
        transport: transport(settings),
        windows: settings.windows.clone(),
        rollout: settings.rollout.clone(),
    }
}

fn prune_policy(settings: &Settings) -> PrunePolicy {
    let prune = &settings.prune;
    PrunePolicy {
        owner: settings.owner.clone(),
        default: prune.enabled,
        nodes: of_nodes(settings, |entry| entry.prune),
        keep_versions: prune.keep_versions,
        grace_seconds: seconds(prune.grace),
        max_files: prune.max_files as usize,
        max_percent: prune.max_percent,
    }
}

/// The nodes that see a shared storage.
fn shared_storages(settings: &Settings) -> SharedStorages {
    let nodes = &settings.orders.inventory.nodes;
    let shared = nodes.iter().filter_map(|entry| {
        let storage = entry.storage.as_ref().filter(|storage| storage.shared)?;
        Some((entry.node.id.clone(), storage.name.clone()))
    });
    SharedStorages {
        of_nodes: shared.collect(),
        // Nodes tell it.
        of_dirs: BTreeMap::new(),
    }
}

/// How images are sent.
fn transport(settings: &Settings) -> TransportPolicy {
    let push = &settings.push;
    TransportPolicy {
        default: push.method,
        nodes: of_nodes(settings, |entry| entry.push_method),
        proof: push.proof,
        api: settings
            .clusters
            .iter()
            .map(|(name, known)| (name.clone(), known.api))
            .collect(),
        rsync_opts_set: push.rsync_opts_set,
        network: settings.network.clone(),
    }
}

/// The clusters whose nodes store raw images as qcow2.
pub(super) fn qcow2_clusters(settings: &Settings) -> BTreeSet<ClusterName> {
    let clusters = settings.clusters.iter();
    let stored = clusters.filter(|(_, known)| known.api.import_format == ImportFormat::Qcow2);
    stored.map(|(name, _)| name.clone()).collect()
}

/// What the nodes of the inventory say of one thing, where they say anything.
pub(super) fn of_nodes<T>(
    settings: &Settings,
    say: impl Fn(&InventoryNode) -> Option<T>,
) -> BTreeMap<NodeId, T> {
    let nodes = settings.orders.inventory.nodes.iter();
    nodes
        .filter_map(|entry| Some((entry.node.id.clone(), say(entry)?)))
        .collect()
}

/// What a deep verification reads: what is older than the configuration says,
/// as much as five minutes allow at the configured rate.
pub(super) fn verify_policy(settings: &Settings) -> VerifyPolicy {
    let verify = &settings.verify;
    VerifyPolicy {
        max_age_seconds: seconds(verify.max_age),
        budget_bytes: verify
            .rate
            .map_or(u64::MAX, |rate| rate.saturating_mul(READ_BACK_SECONDS)),
    }
}

/// Whole seconds, as the planner counts them.
fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
