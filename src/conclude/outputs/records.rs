//! What the outputs are made of.

use std::collections::BTreeMap;

use crate::conclude::manifest::Manifest;
use crate::facts::Suspended;
use crate::model::{Node, NodeId, Order, OrderId};

/// An order with its last manifest.
pub struct OrderManifest<'a> {
    /// Its id.
    pub id: &'a OrderId,
    /// What it wants now, where that could be read.
    pub order: Option<&'a Order>,
    /// Why it is refused as a whole, where it is.
    pub refused: Option<String>,
    /// Its last manifest, or why there is none.
    pub manifest: Result<Manifest, String>,
}

/// What the outputs are made of.
pub struct OutputRecords<'a> {
    /// The orders.
    pub orders: &'a [OrderManifest<'a>],
    /// The nodes that they name.
    pub nodes: &'a BTreeMap<NodeId, Node>,
    /// What an operator has suspended.
    pub suspended: &'a Suspended,
}
