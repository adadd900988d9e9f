//! What somebody asks about.

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, OrderId};

/// What the user wants to see in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everything.
    All,
    /// This order.
    Order(OrderId),
    /// This node.
    Node(NodeId),
}
