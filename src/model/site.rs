//! Sites: nodes that are near each other and far from this machine.

use std::collections::BTreeMap;

use super::NodeId;
use super::label::label;

label! {
    /// The name of a site.
    SiteName, "a site"
}

/// What is common to the nodes of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// The node that receives over the slow link and serves its neighbours.
    pub relay: Option<NodeId>,
    /// Words for ssh on the relay, for reaching its neighbours.
    pub ssh_opts: Vec<String>,
    /// How many deliveries into the site run at once; `None` for no limit of its own.
    pub at_once: Option<usize>,
}

/// Which nodes are near each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The sites.
    pub sites: BTreeMap<SiteName, Site>,
    /// The site of each node that has one; every site named here is in `sites`.
    pub site_of: BTreeMap<NodeId, SiteName>,
}

impl Network {
    /// The node that serves this one, with the site of both; `None` for a node
    /// without one, and for the relay itself.
    pub fn relay_of(&self, node: &NodeId) -> Option<(&NodeId, &SiteName)> {
        let name = self.site_of.get(node)?;
        let relay = self.sites.get(name)?.relay.as_ref()?;
        (relay != node).then_some((relay, name))
    }
}
