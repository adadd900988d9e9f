//! Looking at the three places, all at once. A failure becomes a state.
//!
//! What is asked for follows from what is wanted: the directories that files are
//! to lie in, and the sizes of images that the cache does not hold.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use crate::model::{Dir, Node, NodeId, OrderSet, VersionPolicy};
use crate::nodes::Nodes;
use crate::plan::{CacheState, Catalog, Desired, Memory, NodeState, Origin, VersionKnowledge};
use crate::upstream::Factory;

/// How many HEAD requests run at once.
const SIZES_AT_ONCE: usize = 8;

/// Asks for what resolving needs: the versions, if any order leaves one open,
/// and the ids that the factory gave to schematics.
pub async fn catalog<F: Factory>(orders: &OrderSet, factory: &F) -> Catalog {
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
    }
}

/// Asks the factory for the size of each download that the cache does not hold.
///
/// Only for the plan's figures: what a download really brings is told by its own
/// answer, so an unknown size is never an error.
pub async fn sizes<F: Factory>(
    desired: &Desired,
    cache: &CacheState,
    factory: &F,
    catalog: &mut Catalog,
) {
    let missing = desired.artifacts.iter().filter_map(|(artifact, want)| {
        let Origin::Download { url } = &want.origin else {
            return None;
        };
        let held = cache.files.get(&want.file);
        held.is_none_or(|held| held.size.is_none())
            .then(|| (artifact.clone(), url.clone()))
    });
    let answers: Vec<_> = stream::iter(missing.collect::<Vec<_>>())
        .map(|(artifact, url)| async move { (artifact, factory.size(&url).await) })
        .buffer_unordered(SIZES_AT_ONCE)
        .collect()
        .await;
    let known = answers
        .into_iter()
        .filter_map(|(artifact, size)| Some((artifact, size?)));
    catalog.sizes.extend(known);
}

/// Lists the wanted directories of every node, so many nodes at once. A node that
/// did not answer a moment ago is not asked, and costs the others nothing.
pub async fn nodes<N: Nodes>(
    desired: &Desired,
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
    let asked: Vec<(Node, BTreeSet<Dir>)> = dirs
        .into_iter()
        .filter_map(|(id, dirs)| Some((desired.nodes.get(id)?.clone(), dirs)))
        .collect();
    stream::iter(asked)
        .map(|(node, dirs)| async move {
            let state = match memory.circuits.get(&node.id) {
                Some(open) if open.until > now => NodeState::Unreachable {
                    why: format!("{} (asked again at {:.0})", open.error, open.until),
                },
                _ => nodes.observe(&node, &dirs).await,
            };
            (node.id, state)
        })
        .buffer_unordered(at_once.max(1))
        .collect()
        .await
}
