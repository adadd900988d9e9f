//! Which buckets are nodes, and how they are used.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bucket::Bucket;
use crate::model::NodeId;
use crate::nodes::authority::Authority;

/// The buckets of the configuration, and how they are used.
#[derive(Debug, Clone)]
pub struct BucketNodesConfig {
    /// The bucket of each node.
    pub nodes: BTreeMap<NodeId, Bucket>,
    /// The controller, as records name it.
    pub owner: String,
    /// How long a look may take.
    pub look: Duration,
    /// Whether anything may be changed now.
    pub authority: Authority,
    /// The same for single nodes.
    pub authority_of: BTreeMap<NodeId, Authority>,
}
