//! What steps act on.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::downloads::Downloads;
use super::recall::Recall;
use crate::cache::Cache;
use crate::model::{Network, Node, NodeId};

/// Everything that steps act on.
pub(crate) struct ExecutionContext<F, N> {
    /// The upstream.
    pub factory: Arc<F>,
    pub cache: Arc<Cache>,
    pub nodes: Arc<N>,
    /// How each node of the plan is reached.
    pub specs: BTreeMap<NodeId, Node>,
    /// Which nodes are near each other.
    pub network: Network,
    /// Our name in records on nodes.
    pub owner: String,
    /// The revision of the orders, for records.
    pub revision: Option<String>,
    /// The time of the run, for records.
    pub now: Timestamp,
    /// The downloads under way, and how many there may be.
    pub downloads: Arc<Downloads>,
    /// Cancelled when there is other work to look for: what downloads is left running,
    /// and everything else comes to its end.
    pub handover: CancellationToken,
    /// Called when the plan is out of date: no further step begins.
    pub recall: Recall,
    /// Nodes worked on at once.
    pub nodes_at_once: usize,
}
