//! How fast bytes may be sent to nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::io::flow::pace::Pace;
use crate::model::NodeId;
use crate::nodes::config::NodesConfig;

/// The limits that all streams of this process share, for all nodes and for each.
#[derive(Debug)]
pub(crate) struct Paces {
    all: Option<Arc<Pace>>,
    of: BTreeMap<NodeId, Arc<Pace>>,
}

impl Paces {
    pub(crate) fn new(config: &NodesConfig) -> Self {
        let pace = |rate| Arc::new(Pace::new(rate));
        let of = config.bandwidth_of.iter();
        Self {
            all: config.bandwidth.map(pace),
            of: of.map(|(id, &rate)| (id.clone(), pace(rate))).collect(),
        }
    }

    pub(crate) fn to(&self, node: &NodeId) -> Vec<Arc<Pace>> {
        let both = self.all.iter().chain(self.of.get(node));
        both.cloned().collect()
    }
}

/// How many bytes each rsync may send to a node in a second. They know nothing of one
/// another, so each gets its share of what all may. A stream never gets less.
pub(crate) fn share(config: &NodesConfig, node: &NodeId) -> Option<u64> {
    let share = |all: u64| all / config.sessions.max(1) as u64;
    let all = config.bandwidth.map(share);
    let own = config.bandwidth_of.get(node).copied();
    all.into_iter().chain(own).min()
}
