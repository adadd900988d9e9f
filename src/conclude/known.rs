//! What a status knows of orders, nodes and images besides their conditions.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::Report;
use crate::facts::NodeState;
use crate::model::{Dir, FileName, NodeId, OrderId, OrderSet, SchematicId, TalosVersion};

/// An order that could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderLine {
    /// For whom it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// How many positions it has, those that were refused included.
    pub positions: usize,
}

/// A node that was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeLine {
    /// How it is reached: `[user@]host[:port]`, or `local`.
    pub address: String,
    /// It answered the last time it was asked.
    pub is_reachable: bool,
    /// When it answered last; absent where it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Timestamp>,
    /// Free bytes by directory, before what the run brought; empty where that is unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub free_bytes: BTreeMap<Dir, u64>,
}

/// An image that is wanted in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageLine {
    /// Its version.
    pub version: TalosVersion,
    /// Platform, architecture and format: `nocloud-amd64.iso`.
    pub image: String,
    /// Its schematic.
    pub schematic: SchematicId,
    /// The orders that want it.
    pub orders: BTreeSet<OrderId>,
}

/// By their names.
pub(super) fn orders(orders: &OrderSet) -> BTreeMap<OrderId, OrderLine> {
    let lines = orders.orders.iter().map(|order| {
        let line = OrderLine {
            customer: order.customer.clone(),
            positions: order.positions.len() + order.rejected.len(),
        };
        (order.id.clone(), line)
    });
    lines.collect()
}

/// `before` says when one that does not answer now did last.
pub(super) fn nodes(
    before: &BTreeMap<NodeId, NodeLine>,
    report: &Report,
) -> BTreeMap<NodeId, NodeLine> {
    let look = &report.look;
    let lines = look.observed.nodes.iter().map(|(id, state)| {
        let spec = look.desired.nodes.get(id);
        let spec = spec.or_else(|| Some(&look.observed.memory.places.get(id)?.node));
        let address = spec.map_or_else(String::new, |node| node.reach.address());
        let line = match state {
            NodeState::Listed { dirs, .. } => NodeLine {
                address,
                is_reachable: true,
                seen: Some(look.observed.now),
                free_bytes: dirs
                    .iter()
                    .filter_map(|(dir, state)| Some((dir.clone(), state.free_bytes?)))
                    .collect(),
            },
            NodeState::Unreachable { .. } => NodeLine {
                address,
                is_reachable: false,
                seen: before.get(id).and_then(|node| node.seen),
                free_bytes: BTreeMap::new(),
            },
        };
        (id.clone(), line)
    });
    lines.collect()
}

/// By their names in the cache.
pub(super) fn images(report: &Report) -> BTreeMap<FileName, ImageLine> {
    let artifacts = report.look.desired.artifacts.iter();
    let lines = artifacts.map(|(artifact, want)| {
        let line = ImageLine {
            version: artifact.version.clone(),
            image: artifact.factory_file(),
            schematic: artifact.schematic,
            orders: want.wanted_by.iter().map(|at| at.order.clone()).collect(),
        };
        (want.file.clone(), line)
    });
    lines.collect()
}
