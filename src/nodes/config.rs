//! The configuration of access to nodes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::authority::Authority;
use crate::model::NodeId;

/// How long connections stay open, whose sockets others can use as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepOpen {
    /// A minute after their last use: for a run that follows soon.
    Briefly,
    /// As long as this process lives. Where it cannot close them, they end so long after
    /// their last use.
    WhileAlive(Duration),
    /// Those that are open are used, and none is left behind.
    Borrowed,
}

/// How nodes are reached, and within which limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodesConfig {
    /// Arguments for ssh, as the user wrote them.
    pub ssh_opts: Vec<String>,
    /// Arguments for rsync, as the user wrote them.
    pub rsync_opts: Vec<String>,
    /// How long a connection may take; at least a second for ssh.
    pub connect: Duration,
    /// How long a session may print nothing. Scripts print a tick every five
    /// seconds, so less than ten would end some that still work.
    pub idle: Duration,
    /// How long a look at a node may take altogether.
    pub look: Duration,
    /// Where the sockets of shared connections go; a private temporary
    /// directory if it is not given or too long for a socket's path.
    pub control_dir: Option<PathBuf>,
    /// How long connections in that directory stay open.
    pub keep_open: KeepOpen,
    /// How many sessions are open at once; at least one.
    pub sessions: usize,
    /// The controller, as leases and records name it: one name for one
    /// controller, and the same one for as long as it lives.
    pub owner: String,
    /// Which of the controllers that may have this owner: one for each cache, which
    /// one process at a time has (`Cache::instance`).
    /// Letters, digits and `-`. A lease that the same instance left behind is taken
    /// over at once.
    pub instance: String,
    /// How long a directory stays locked without a renewal, in whole seconds:
    /// [`LEASE`](super::LEASE).
    pub lease: Duration,
    /// How fast files are read back, in bytes per second; `None` for as fast as
    /// the disk has nothing else to do.
    pub verify_rate: Option<u64>,
    /// Where the configurations of virtual machines are, usually
    /// [`VM_CONFIGS`](super::VM_CONFIGS); `None` says that there are none.
    pub vm_configs: Option<String>,
    /// The same for single nodes that keep them elsewhere.
    pub vm_configs_of: BTreeMap<NodeId, Option<String>>,
    /// Bytes per second to all nodes together; `None` for no
    /// limit.
    pub bandwidth: Option<u64>,
    /// The same for single nodes.
    pub bandwidth_of: BTreeMap<NodeId, u64>,
    /// Whether this process may change anything on nodes.
    pub authority: Authority,
    /// The same for nodes of sites with leaders.
    pub authority_of: BTreeMap<NodeId, Authority>,
    /// The file on a node that keeps the epochs of leaders for its virtual machines,
    /// usually [`MACHINE_EPOCHS`](super::MACHINE_EPOCHS). Directories have one of their own.
    pub machine_epochs: String,
}

/// Where the epochs of leaders are on a node for its virtual machines: on no storage, which
/// another node could have as well.
pub const MACHINE_EPOCHS: &str = "/var/lib/talos-order/epoch";

impl NodesConfig {
    /// The authority over a node.
    pub(crate) fn authority_over(&self, node: &NodeId) -> &Authority {
        self.authority_of.get(node).unwrap_or(&self.authority)
    }
}
