//! Looking at the three places, all at once. A failure becomes a state.
//!
//! What is asked for follows from what is wanted: the directories that files are to be
//! in, and the versions where an order leaves one open.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use crate::error::chain;
use crate::facts::{
    CacheState, Catalog, Clusters, FailureKind, Memory, Meta, NodeState, NodeStorages, NodeVms,
    VersionKnowledge,
};
use crate::model::{
    ArtifactId, Dir, Node, NodeId, OrderSet, SchematicId, StorageName, VersionPolicy, VmId,
};
use crate::nodes::Nodes;
use crate::plan::{BlockedReason, Desired, Origin, Plan, TemplateBlock};
use crate::upstream::Upstream;

/// What is asked before it is known which images are wanted.
pub(crate) struct FirstLook {
    /// What resolving needs.
    pub catalog: Catalog,
    /// The nodes that did not answer. They are not asked again in the same look.
    pub silent: BTreeMap<NodeId, NodeState>,
}

/// Asks for what resolving needs: versions and storages, at once. Meanwhile, it connects to
/// the nodes that are asked in any case.
pub(crate) async fn first<F: Upstream, N: Nodes>(
    orders: &OrderSet,
    memory: &Memory,
    now: Timestamp,
    factory: &F,
    nodes: &N,
    at_once: usize,
) -> FirstLook {
    let early = match leaves_open(orders) {
        true => asked_anyway(orders, memory, now),
        // Nobody is waited for: the first question opens the connection just as soon.
        false => Vec::new(),
    };
    let connected = stream::iter(early)
        .map(|node| async move {
            let silent = nodes.connect(&node).await;
            silent.map(|state| (node.id, state))
        })
        .buffer_unordered(at_once.max(1))
        .filter_map(std::future::ready)
        .collect();
    let storages = storages(orders, memory, now, nodes, at_once);
    let (mut catalog, storages, silent) =
        tokio::join!(catalog(orders, factory), storages, connected);
    catalog.storages = storages;
    FirstLook { catalog, silent }
}

/// True if an order leaves a version open.
fn leaves_open(orders: &OrderSet) -> bool {
    // Rings may wait for what other sites bring to their nodes.
    let orders = orders.orders.iter();
    let mut positions = orders.flat_map(|order| order.positions.iter().chain(&order.elsewhere));
    positions.any(|position| !matches!(position.version, VersionPolicy::Exact(_)))
}

/// The nodes whose directories are looked at whatever the versions turn out to be: those
/// that something was delivered to. Those that are asked for their storages are left out:
/// two sessions that begin at once would open two connections.
fn asked_anyway(orders: &OrderSet, memory: &Memory, now: Timestamp) -> Vec<Node> {
    let wanted = wanted_storages(orders);
    let places = memory.places.keys();
    let asked = places.filter(|id| !wanted.contains_key(id) && resting(memory, id, now).is_none());
    asked
        .filter_map(|id| orders.nodes.get(id).cloned())
        .collect()
}

/// The versions, if any order leaves one open, and the ids that the factory gave to
/// schematics.
async fn catalog<F: Upstream>(orders: &OrderSet, factory: &F) -> Catalog {
    let versions = if leaves_open(orders) {
        factory.versions().await
    } else {
        VersionKnowledge::NotNeeded
    };
    Catalog {
        versions,
        schematics: factory.known_ids(),
        sizes: BTreeMap::new(),
        stored: BTreeMap::new(),
        storages: BTreeMap::new(),
        clusters: Clusters::new(),
    }
}

/// Asks each node that an order wants an image on a storage of for its storages. What a
/// node said earlier counts while it does not answer, and where no order asks any more.
async fn storages<N: Nodes>(
    orders: &OrderSet,
    memory: &Memory,
    now: Timestamp,
    nodes: &N,
    at_once: usize,
) -> BTreeMap<NodeId, NodeStorages> {
    let asked: Vec<(Node, BTreeSet<StorageName>)> = wanted_storages(orders)
        .into_iter()
        .filter_map(|(id, wanted)| Some((orders.nodes.get(id)?.clone(), wanted)))
        .collect();
    let answers = stream::iter(asked)
        .map(|(node, wanted)| async move {
            let mut answer = match resting(memory, &node.id, now) {
                Some((why, lasting)) => NodeStorages::Unreachable {
                    why,
                    lasting,
                    last: None,
                },
                None => nodes.storages(&node, &wanted).await,
            };
            if let NodeStorages::Unreachable { last, .. } = &mut answer {
                *last = memory.storages.get(&node.id).cloned();
            }
            (node.id, answer)
        })
        .buffer_unordered(at_once.max(1));
    let mut storages: BTreeMap<NodeId, NodeStorages> = answers.collect().await;
    for (id, known) in &memory.storages {
        let earlier = || NodeStorages::Known(known.clone());
        storages.entry(id.clone()).or_insert_with(earlier);
    }
    storages
}

/// The storages that orders want something on, by node.
fn wanted_storages(orders: &OrderSet) -> BTreeMap<&NodeId, BTreeSet<StorageName>> {
    let positions = orders.orders.iter().flat_map(|order| &order.positions);
    let mut wanted: BTreeMap<&NodeId, BTreeSet<StorageName>> = BTreeMap::new();
    for position in positions {
        for target in &position.storages {
            let of_node = wanted.entry(&target.node).or_default();
            of_node.insert(target.storage.clone());
        }
        // The disks of a template go to a storage, wherever its image is.
        if let Some(template) = &position.template {
            let by_storage = position.storages.iter().map(|target| &target.node);
            let by_dir = position.targets.iter().map(|target| &target.node);
            for node in by_storage.chain(by_dir) {
                let of_node = wanted.entry(node).or_default();
                of_node.insert(template.storage.clone());
            }
        }
    }
    wanted
}

/// Why a node is not asked now, because it did not answer a moment ago.
fn resting(
    memory: &Memory,
    node: &NodeId,
    now: Timestamp,
) -> Option<(String, Option<FailureKind>)> {
    let open = memory.circuits.get(node).filter(|open| open.until > now)?;
    let why = format!("{} (asked again at {:.0})", open.error, open.until);
    Some((why, open.lasting))
}

/// The size that each download may have that the cache does not hold, after similar
/// images: those in the cache first, then those that were fetched earlier.
///
/// Nobody is asked. The factory builds an image on HEAD as on GET, and a look changes
/// nothing anywhere; what a download really brings is told by its own answer.
pub(crate) fn sizes<F: Upstream>(
    desired: &Desired,
    cache: &CacheState,
    factory: &F,
) -> BTreeMap<ArtifactId, u64> {
    let missing = |artifact: &&ArtifactId| {
        let blocked = cache.files.get(&desired.artifacts[*artifact].file);
        blocked.is_none_or(|blocked| blocked.size.is_none())
    };
    let missing: Vec<&ArtifactId> = desired.artifacts.keys().filter(missing).collect();
    if missing.is_empty() {
        return BTreeMap::new();
    }
    // What was fetched last is most like what would be fetched now.
    let mut alike: BTreeMap<ArtifactId, &Meta> = BTreeMap::new();
    for cached in cache.files.values() {
        let meta = &cached.meta;
        let kind = alike.entry(kind_of(&meta.artifact)).or_insert(meta);
        if kind.completed_at < meta.completed_at {
            *kind = meta;
        }
    }
    let size = |artifact: &ArtifactId| {
        let cached = alike.get(&kind_of(artifact)).map(|meta| meta.size);
        cached.or_else(|| factory.seen_size(artifact))
    };
    missing
        .into_iter()
        .filter_map(|artifact| Some((artifact.clone(), size(artifact)?)))
        .collect()
}

/// Which downloads the store of the fleet has that the cache does not hold, with their
/// sizes. The store is not asked where nothing is missing.
pub(crate) async fn stored<F: Upstream>(
    desired: &Desired,
    cache: &CacheState,
    factory: &F,
) -> BTreeMap<ArtifactId, u64> {
    let missing = desired.artifacts.iter().filter_map(|(artifact, want)| {
        let Origin::Download { url } = &want.origin else {
            return None;
        };
        let cached = cache.files.get(&want.file);
        let is_there = cached.is_some_and(|cached| cached.size == Some(cached.meta.size));
        (!is_there).then(|| (artifact.clone(), url.clone()))
    });
    let missing: Vec<_> = missing.collect();
    match missing.is_empty() {
        true => BTreeMap::new(),
        false => factory.stored(missing).await,
    }
}

/// An image whatever its schematic.
fn kind_of(artifact: &ArtifactId) -> ArtifactId {
    ArtifactId {
        schematic: SchematicId::from_bytes([0; 32]),
        ..artifact.clone()
    }
}

/// Lists the wanted directories of every node, so many nodes at once. A node that
/// did not answer a moment ago is not asked, and costs the others nothing.
pub(crate) async fn nodes<N: Nodes>(
    desired: &Desired,
    first: &FirstLook,
    memory: &Memory,
    now: Timestamp,
    nodes: &N,
    at_once: usize,
) -> BTreeMap<NodeId, NodeState> {
    let mut dirs: BTreeMap<&NodeId, BTreeSet<Dir>> = BTreeMap::new();
    // Where something was delivered once is looked at as long as we remember it.
    for (id, place) in &memory.places {
        dirs.entry(id)
            .or_default()
            .extend(place.dirs.iter().cloned());
    }
    for target in desired.placed.keys() {
        dirs.entry(&target.node)
            .or_default()
            .insert(target.dir.clone());
    }
    // That it does not answer is known of a node also where no directory is.
    for (id, known) in &first.catalog.storages {
        if matches!(known, NodeStorages::Unreachable { .. }) {
            dirs.entry(id).or_default();
        }
    }
    let asked: Vec<(Node, BTreeSet<Dir>)> = dirs
        .into_iter()
        .filter_map(|(id, dirs)| Some((desired.nodes.get(id)?.clone(), dirs)))
        .collect();
    stream::iter(asked)
        .map(|(node, dirs)| async move {
            if let Some(silent) = first.silent.get(&node.id) {
                return (node.id, silent.clone());
            }
            let silent = match first.catalog.storages.get(&node.id) {
                Some(NodeStorages::Unreachable { why, lasting, .. }) => {
                    Some((why.clone(), *lasting))
                }
                _ => resting(memory, &node.id, now),
            };
            let state = match silent {
                Some((why, lasting)) => NodeState::Unreachable { why, lasting },
                None => nodes.observe(&node, &dirs).await,
            };
            (node.id, state)
        })
        .buffer_unordered(at_once.max(1))
        .collect()
        .await
}

/// Lists the virtual machines of each node that a template is wanted on, or was made on
/// before. A node that does not answer is not asked twice.
pub(crate) async fn vms<N: Nodes>(
    desired: &Desired,
    states: &BTreeMap<NodeId, NodeState>,
    memory: &Memory,
    now: Timestamp,
    nodes: &N,
    at_once: usize,
) -> BTreeMap<NodeId, NodeVms> {
    let wanted = desired.templates.values();
    let wanted = wanted.flat_map(|template| template.nodes.keys());
    let asked: BTreeSet<&NodeId> = wanted.chain(memory.templates.keys()).collect();
    let asked: Vec<Node> = asked
        .into_iter()
        .filter_map(|id| desired.nodes.get(id).cloned())
        .collect();
    stream::iter(asked)
        .map(|node| async move {
            let silent = match states.get(&node.id) {
                Some(NodeState::Unreachable { why, lasting }) => Some((why.clone(), *lasting)),
                _ => resting(memory, &node.id, now),
            };
            let vms = match silent {
                Some((why, lasting)) => NodeVms::Unreachable { why, lasting },
                None => nodes.vms(&node).await,
            };
            (node.id, vms)
        })
        .buffer_unordered(at_once.max(1))
        .collect()
        .await
}

/// Looks for the linked clones of templates that a plan would remove if it knew them. True
/// if something was learned.
pub(crate) async fn clones<N: Nodes>(
    plan: &Plan,
    desired: &Desired,
    vms: &mut BTreeMap<NodeId, NodeVms>,
    nodes: &N,
) -> bool {
    let mut asked: BTreeMap<NodeId, BTreeSet<VmId>> = BTreeMap::new();
    for blocked in plan.blocked() {
        if let BlockedReason::Template {
            why: TemplateBlock::ClonesUnknown { vmid, .. },
        } = &blocked.reason
            && let Some(node) = blocked.id.node()
        {
            asked.entry(node).or_default().insert(*vmid);
        }
    }
    let mut is_learned = false;
    for (id, templates) in asked {
        let (Some(node), Some(NodeVms::Known(known))) = (desired.nodes.get(&id), vms.get_mut(&id))
        else {
            continue;
        };
        is_learned = true;
        match nodes.clones(node, &templates).await {
            Ok(clones) => known.clones.get_or_insert_default().extend(clones),
            Err(error) => known.clones_unknown = Some(chain(&error)),
        }
    }
    is_learned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Backoff, KnownNode};
    use crate::model::Reach;

    #[test]
    fn only_nodes_that_are_asked_anyway_are_connected_to_early() {
        let node = |id: &str| Node {
            id: id.parse().unwrap(),
            reach: Reach::Local,
        };
        let now = Timestamp::UNIX_EPOCH;
        let by_id = |ids: &[&str]| ids.iter().map(|id| (node(id).id, node(id))).collect();
        let known = |node| KnownNode {
            node,
            dirs: BTreeSet::new(),
        };
        let circuit = |seconds| Backoff {
            failures: 1,
            until: Timestamp::from_second(seconds).unwrap(),
            error: "no route".to_owned(),
            lasting: None,
        };
        let orders = OrderSet {
            nodes: by_id(&["new", "known", "resting", "rested"]),
            ..OrderSet::default()
        };
        let known_nodes = ["known", "resting", "rested", "unordered"].map(node);
        let memory = Memory {
            places: known_nodes
                .map(|node| (node.id.clone(), known(node)))
                .into(),
            circuits: [("resting", 1), ("rested", 0)]
                .map(|(id, until)| (node(id).id, circuit(until)))
                .into(),
            ..Memory::default()
        };
        let early = asked_anyway(&orders, &memory, now);
        assert_eq!(early, [node("known"), node("rested")]);
    }
}
