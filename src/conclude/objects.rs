//! Orders, nodes and images as objects with their present state: what `get` shows, and
//! whatever else lists them.
//!
//! Made of records alone: the last status, the cache, and the inventory. Nobody is asked
//! for it, and what no record says is absent here, never zero.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::condition::Condition;
use super::images::{ImageCondition, ImageState};
use super::reason::Reason;
use super::state::ConditionState;
use super::status::Status;
use crate::facts::{CacheState, CachedFile};
use crate::model::{Dir, FileName, Node, NodeId, OrderId, SchematicId, Sha256, TalosVersion};

/// How many of several are as wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SyncCount {
    /// Those that are known to be.
    pub in_sync: usize,
    /// All of them.
    pub total: usize,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OrderObject {
    /// Its id; the file where none could be read.
    pub name: String,
    /// For whom it is.
    pub customer: Option<String>,
    /// How many positions it has.
    pub positions: Option<usize>,
    /// Its nodes, and on how many everything is in sync.
    pub nodes: SyncCount,
    /// How it does.
    pub state: ConditionState,
    /// Why it is not ready.
    pub reason: Option<Reason>,
    /// One sentence for the user.
    pub message: String,
    /// The versions that its positions stand for.
    pub versions: BTreeSet<TalosVersion>,
    /// Since when state and reason are these.
    pub since: Timestamp,
}

/// Whether a node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reachability {
    /// It answered the last run.
    Reachable,
    /// It did not.
    Unreachable,
    /// No run has asked it.
    Unknown,
    /// An operator has suspended it.
    Suspended,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeObject {
    /// Its name.
    pub name: String,
    /// How it is reached; absent for a group member that no record describes.
    pub address: Option<String>,
    /// Whether it answers.
    pub state: Reachability,
    /// The orders that want something there.
    pub orders: BTreeSet<String>,
    /// The images that they want there.
    pub images: SyncCount,
    /// Free bytes by directory, when the last run began.
    pub free_bytes: BTreeMap<Dir, u64>,
    /// When it answered last.
    pub seen: Option<Timestamp>,
}

/// Whether anyone wants an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImageWant {
    /// An order wants it.
    Wanted,
    /// None does; it may be kept for a while.
    Unreferenced,
    /// No run has told what is wanted.
    Unknown,
}

/// An image that is wanted, or in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageObject {
    /// Its file name in the cache.
    pub name: String,
    /// Its version.
    pub version: TalosVersion,
    /// Platform, architecture and format: `nocloud-amd64.iso`.
    pub image: String,
    /// Its schematic.
    pub schematic: SchematicId,
    /// Its size in bytes; unknown before it is fetched.
    pub bytes: Option<u64>,
    /// Its digest.
    pub sha256: Option<Sha256>,
    /// Whether the cache has it, whole.
    pub in_cache: Option<bool>,
    /// The nodes that it is wanted on.
    pub nodes: SyncCount,
    /// The orders that want it.
    pub orders: BTreeSet<OrderId>,
    /// Whether anyone wants it.
    pub state: ImageWant,
}

/// Where the objects are from.
#[derive(Debug, Clone, Copy)]
pub struct StateRecords<'a> {
    /// The last status; `None` where nothing has run yet.
    pub status: Option<&'a Status>,
    /// The cache; `None` where it cannot be read.
    pub cache: Option<&'a CacheState>,
    /// The nodes of the configuration.
    pub nodes: &'a [&'a Node],
}

impl StateRecords<'_> {
    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.status.iter().flat_map(|status| &status.conditions)
    }

    /// Every order of the last run.
    pub fn orders(&self) -> Vec<OrderObject> {
        let whole = |condition: &&Condition| condition.node.is_none();
        let orders = self.conditions().filter(whole).filter_map(|condition| {
            let name = condition.order.clone()?;
            let id = name.parse::<OrderId>().ok();
            let line = id.and_then(|id| self.status?.orders.get(&id));
            let mut nodes = SyncCount::default();
            for on_node in self.conditions() {
                if on_node.order.as_ref() == Some(&name) && on_node.node.is_some() {
                    let images = &on_node.images;
                    let is_ready = match on_node.state {
                        ConditionState::Ready => true,
                        // What is suspended may be in sync all the same.
                        ConditionState::Suspended => {
                            let in_sync =
                                |image: &ImageCondition| image.state == ImageState::InSync;
                            !images.is_empty() && images.iter().all(in_sync)
                        }
                        ConditionState::Stalled | ConditionState::Reconciling => false,
                    };
                    nodes.total += 1;
                    nodes.in_sync += usize::from(is_ready);
                }
            }
            let versions = condition.images.iter();
            Some(OrderObject {
                customer: line.and_then(|line| line.customer.clone()),
                positions: line.map(|line| line.positions),
                nodes,
                state: condition.state,
                reason: condition.reason,
                message: condition.message.clone(),
                versions: versions.filter_map(|image| image.version.clone()).collect(),
                since: condition.since,
                name,
            })
        });
        orders.collect()
    }

    /// Every node of the configuration and of the last run.
    pub fn nodes(&self) -> Vec<NodeObject> {
        let mut addresses: BTreeMap<&NodeId, Option<String>> = BTreeMap::new();
        for node in self.nodes {
            addresses.insert(&node.id, Some(node.reach.address()));
        }
        for id in self.conditions().filter_map(|c| c.node.as_ref()) {
            addresses.entry(id).or_default();
        }
        let lines = self.status.iter().flat_map(|status| &status.nodes);
        for (id, line) in lines {
            let known = Some(line.address.clone()).filter(|address| !address.is_empty());
            let address = addresses.entry(id).or_default();
            *address = address.take().or(known);
        }
        let nodes = addresses.into_iter().map(|(id, address)| {
            let line = self.status.and_then(|status| status.nodes.get(id));
            let is_suspended = self.status.is_some_and(|status| {
                status.suspended.is_everything() || status.suspended.nodes.contains(id)
            });
            let mut orders = BTreeSet::new();
            let mut images: BTreeMap<&FileName, bool> = BTreeMap::new();
            for condition in self.conditions().filter(|c| c.node.as_ref() == Some(id)) {
                orders.extend(condition.order.clone());
                for image in &condition.images {
                    if let Some(file) = &image.file {
                        images.insert(file, image.state == ImageState::InSync);
                    }
                }
            }
            NodeObject {
                name: id.to_string(),
                address,
                state: match line {
                    _ if is_suspended => Reachability::Suspended,
                    None => Reachability::Unknown,
                    Some(line) if line.is_reachable => Reachability::Reachable,
                    Some(_) => Reachability::Unreachable,
                },
                orders,
                images: count(images.values()),
                free_bytes: line.map(|line| line.free_bytes.clone()).unwrap_or_default(),
                seen: line.and_then(|line| line.seen),
            }
        });
        nodes.collect()
    }

    /// Every image that is wanted or in the cache.
    pub fn images(&self) -> Vec<ImageObject> {
        let mut images: BTreeMap<&FileName, ImageObject> = BTreeMap::new();
        let known_use = self.status.filter(|status| status.last_run.is_some());
        for (file, cached) in self.cache.iter().flat_map(|cache| &cache.files) {
            let artifact = &cached.meta.artifact;
            let image = ImageObject {
                name: file.to_string(),
                version: artifact.version.clone(),
                image: artifact.factory_file(),
                schematic: artifact.schematic,
                bytes: Some(cached.meta.size),
                sha256: Some(cached.meta.sha256),
                in_cache: Some(is_whole(cached)),
                nodes: SyncCount::default(),
                orders: BTreeSet::new(),
                state: match known_use {
                    Some(_) => ImageWant::Unreferenced,
                    None => ImageWant::Unknown,
                },
            };
            images.insert(file, image);
        }
        for (file, line) in self.status.iter().flat_map(|status| &status.images) {
            let image = images.entry(file).or_insert_with(|| ImageObject {
                name: file.to_string(),
                version: line.version.clone(),
                image: line.image.clone(),
                schematic: line.schematic,
                bytes: None,
                sha256: None,
                in_cache: self.cache.map(|_| false),
                nodes: SyncCount::default(),
                orders: BTreeSet::new(),
                state: ImageWant::Wanted,
            });
            image.orders.clone_from(&line.orders);
            image.state = ImageWant::Wanted;
        }
        let mut places: BTreeMap<(&FileName, &NodeId), bool> = BTreeMap::new();
        for condition in self.conditions() {
            let Some(node) = &condition.node else {
                continue;
            };
            for image in &condition.images {
                if let Some(file) = image.cache_file() {
                    places.insert((file, node), image.state == ImageState::InSync);
                }
            }
        }
        for ((file, _), is_in_sync) in places {
            if let Some(image) = images.get_mut(file) {
                image.nodes.total += 1;
                image.nodes.in_sync += usize::from(is_in_sync);
            }
        }
        images.into_values().collect()
    }
}

fn count<'a>(are_in_sync: impl Iterator<Item = &'a bool>) -> SyncCount {
    are_in_sync.fold(SyncCount::default(), |count, is_in_sync| SyncCount {
        in_sync: count.in_sync + usize::from(*is_in_sync),
        total: count.total + 1,
    })
}

fn is_whole(cached: &CachedFile) -> bool {
    cached.size == Some(cached.meta.size) && cached.fault.is_none()
}

#[cfg(test)]
mod tests;
