//! Something that an operator is told of.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ClusterName, NodeId, OrderId, SiteName};

/// So many bytes of a message are kept: a ledger with many alerts stays small.
const MESSAGE_MAX: usize = 1000;

/// What an alert is about: the same for a failure and for its recovery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertKey(String);

impl AlertKey {
    /// The runs themselves.
    pub(super) fn run() -> Self {
        Self("run".to_owned())
    }

    /// The operator's instructions.
    pub(super) fn instructions() -> Self {
        Self("instructions".to_owned())
    }

    /// A node, for all orders.
    pub(super) fn node(node: &NodeId) -> Self {
        Self(format!("node/{node}"))
    }

    /// An order, for all nodes; the file where no id could be read.
    pub(super) fn order(order: &str) -> Self {
        Self(format!("order/{order}"))
    }

    /// An order on a node. A node has no slash in its name.
    pub(super) fn place(order: &str, node: &NodeId) -> Self {
        Self(format!("place/{node}/{order}"))
    }

    /// Where the orders come from.
    pub(super) fn source() -> Self {
        Self("source".to_owned())
    }

    /// What is removed from a node; `None` for the cache.
    pub(super) fn removals(node: Option<&NodeId>) -> Self {
        match node {
            Some(node) => Self(format!("removals/{node}")),
            None => Self("removals".to_owned()),
        }
    }

    /// What is to be known of a cluster.
    pub(super) fn notice(cluster: &ClusterName, topic: &str) -> Self {
        Self(format!("cluster/{cluster}/{topic}"))
    }

    /// A sample that somebody asked for.
    pub(super) fn sample() -> Self {
        Self("sample".to_owned())
    }

    /// True if it is about one order.
    pub fn is_of_order(&self) -> bool {
        self.0.starts_with("order/") || self.0.starts_with("place/")
    }

    /// True if it is known only to runs that ask the clusters.
    pub(super) fn is_notice(&self) -> bool {
        self.0.starts_with("cluster/")
    }
}

impl fmt::Display for AlertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How much an alert needs an operator; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The controller continues without an operator.
    Warning,
    /// It stays so until an operator acts.
    Error,
}

impl Severity {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Warning, Self::Error];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that an operator is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is about.
    pub key: AlertKey,
    /// The orders; none for what belongs to no order. Files where no id could be read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub orders: BTreeSet<String>,
    /// The node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The site of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteName>,
    /// The cluster, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    /// How much it needs an operator.
    pub severity: Severity,
    /// The controller tries again without an operator, so it may be over before anybody
    /// has to know.
    pub is_retried: bool,
    /// The state in the words of the status: `Stalled`, `Reconciling`.
    pub state: String,
    /// Why, in a word: a reason of the status, `RunFailed`, `Instructions` or `Notice`.
    pub reason: String,
    /// What happened, one sentence.
    pub message: String,
    /// What can be done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

impl Alert {
    /// What a rule calls `orders`.
    pub(super) fn has_order(&self, fits: impl Fn(&str) -> bool) -> bool {
        self.orders.iter().any(|order| fits(order))
    }

    /// The same with a message of a bounded length.
    #[must_use]
    pub(super) fn bounded(mut self) -> Self {
        cut(&mut self.message, MESSAGE_MAX);
        if let Some(hint) = &mut self.hint {
            cut(hint, MESSAGE_MAX);
        }
        self
    }

    /// A sample: what a failure looks like.
    pub(super) fn sample(now: Timestamp) -> Self {
        let order: Result<OrderId, _> = "example".parse();
        Self {
            key: AlertKey::sample(),
            orders: order.iter().map(ToString::to_string).collect(),
            node: "pve-01".parse().ok(),
            site: None,
            cluster: None,
            severity: Severity::Error,
            is_retried: false,
            state: "Stalled".to_owned(),
            reason: "InsufficientSpace".to_owned(),
            message: "this is a test: nothing has failed; a real message says what did".to_owned(),
            hint: Some("nothing: `talos-order notify test` sent this".to_owned()),
            since: now,
        }
    }
}

/// Cuts a text after so many bytes, where a character ends.
pub(super) fn cut(text: &mut String, most: usize) {
    if text.len() <= most {
        return;
    }
    let ellipsis = '…'.len_utf8();
    let end = text.floor_char_boundary(most.saturating_sub(ellipsis));
    text.truncate(end);
    text.push('…');
}
