//! Which nodes are reached through the API, and where their directories are.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use crate::model::{Dir, NodeId};
use crate::nodes::authority::Authority;
use crate::proxmox::{ImageContent, PveApi};

/// Everything that [`ApiNodes`](super::ApiNodes) is told.
#[derive(Debug, Clone)]
pub struct ApiNodesConfig {
    /// The nodes by the name that plans have for them.
    pub nodes: BTreeMap<NodeId, ApiNode>,
    /// The controller, as records name it.
    pub owner: String,
    /// How long a look at one storage, or at the virtual machines of a cluster, may take.
    pub look: Duration,
    /// How long what was seen of virtual machines serves the looks at other nodes of the
    /// same cluster. A removal always looks anew.
    pub usage_age: Duration,
    /// How long what a cluster told of its nodes and storages, or that it did not answer,
    /// serves the looks at its other nodes: they are asked for in one go.
    pub cluster_age: Duration,
    /// Where nodes load images from.
    pub server: FileServerConfig,
    /// Whether this process may change anything on nodes. A node keeps no epochs where only
    /// its API can be used, so it cannot refuse a leader that another one followed.
    pub authority: Authority,
    /// The same for nodes of sites with leaders.
    pub authority_of: BTreeMap<NodeId, Authority>,
}

/// A node as the API knows it.
#[derive(Debug, Clone)]
pub struct ApiNode {
    /// The cluster, by a name that no other cluster has here.
    pub cluster: String,
    /// How the cluster is asked. An upload goes through the first endpoint.
    pub api: PveApi,
    /// The name of the node in the cluster.
    pub name: String,
    /// What its directories are, beside those that the cluster tells of.
    pub places: BTreeMap<Dir, ApiPlace>,
}

/// A directory as the API knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiPlace {
    /// The name of the storage.
    pub storage: String,
    /// The content type, which stands for the directory below the storage's path.
    pub content: ImageContent,
}

/// Where nodes load images from.
#[derive(Debug, Clone, Default)]
pub struct FileServerConfig {
    /// The address to listen at; where none is given, the local address of the route
    /// towards the endpoint.
    pub address: Option<IpAddr>,
    /// The port; 0 for any.
    pub port: u16,
    /// The URL under which nodes reach it, where that is another: behind NAT, or in a
    /// container.
    pub public_url: Option<Url>,
    /// Bytes per second to all nodes together; `None` for no limit.
    pub bandwidth: Option<u64>,
}
