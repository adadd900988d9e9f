//! What somebody asks about.

use std::fmt;

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

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Order(id) => write!(f, "order {id}"),
            Self::Node(id) => write!(f, "node {id}"),
        }
    }
}
