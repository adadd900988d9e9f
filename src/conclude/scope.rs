//! What somebody asks about.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{NamePattern, NodeId, OrderId};
use crate::plan::Selection;

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

impl Scope {
    /// The same as a selection.
    pub fn selection(&self) -> Selection {
        let exactly = |name: &str| name.parse::<NamePattern>().into_iter().collect();
        match self {
            Self::All => Selection::default(),
            Self::Order(id) => Selection {
                orders: exactly(id.as_str()),
                ..Selection::default()
            },
            Self::Node(id) => Selection {
                nodes: exactly(id.as_str()),
                ..Selection::default()
            },
        }
    }
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
