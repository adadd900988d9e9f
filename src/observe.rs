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
use crate::plan::{BlockedReason, Desired, Plan, TemplateBlock};
use crate::upstream::Upstream;

/// Asks for what resolving needs: the versions, if any order leaves one open,
/// and the ids that the factory gave to schematics.
pub(crate) async fn catalog<F: Upstream>(orders: &OrderSet, factory: &F) -> Catalog {
    let open = orders
        .orders
        .iter()
        .flat_map(|order| &order.positions)
        .any(|position| !matches!(position.version, VersionPolicy::Exact(_)));
    let versions = if open {
        factory.versions().await
    } else {
        VersionKnowledge::NotNeeded
    };
    Catalog {
        versions,
        schematics: factory.known_ids(),
        sizes: BTreeMap::new(),
        storages: BTreeMap::new(),
        clusters: Clusters::new(),
    }
}

/// Asks each node that an order wants an image on a storage of for its storages. What a
/// node said earlier counts while it does not answer, and where no order asks any more.
pub(crate) async fn storages<N: Nodes>(
    orders: &OrderSet,
    memory: &Memory,
    now: Timestamp,
    nodes: &N,
    at_once: usize,
) -> BTreeMap<NodeId, NodeStorages> {
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
    let asked: Vec<(Node, BTreeSet<StorageName>)> = wanted
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
    storages: &BTreeMap<NodeId, NodeStorages>,
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
    for (id, known) in storages {
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
            let silent = match storages.get(&node.id) {
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
