//! How a delivery's bytes travel, and why so.

use serde::Serialize;

use super::desired::Placed;
use super::diff::Planner;
use super::observed::NodeState;
use crate::model::{Method, Proof, PushTarget, Reach, Via};

/// How a delivery's bytes travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// By which means.
    pub method: Method,
    /// Why by these.
    pub because: WayReason,
    /// The bytes that go over the link to the node, as far as that can be told.
    pub wire_bytes: Option<u64>,
    /// The node that sends it on, where it is not this machine.
    pub via: Option<Via>,
    /// How it is proven that it arrived.
    pub proof: Proof,
}

/// Why a way was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum WayReason {
    /// It is a directory of this machine.
    Local,
    /// It was asked for.
    Asked,
    /// The node has no perl, which receives a stream.
    NoPerl,
    /// Nothing there shares much with it, so only its data are sent.
    DataOnly,
}

impl Planner<'_> {
    /// How the bytes of a delivery travel.
    pub(super) fn way(&self, target: &PushTarget, placed: &Placed) -> Way {
        let cache_file = &self.desired.artifacts[&placed.artifact].file;
        let cached = self.cached(cache_file);
        let local = self
            .desired
            .nodes
            .get(&target.node)
            .is_some_and(|node| node.reach == Reach::Local);
        let has_perl = match self.observed.nodes.get(&target.node) {
            Some(NodeState::Listed { tools, .. }) => tools.contains("perl"),
            Some(NodeState::Unreachable { .. }) | None => true,
        };
        let (method, because) = match (local, has_perl) {
            (true, _) => (Method::Copy, WayReason::Local),
            (false, true) => (Method::Stream, WayReason::DataOnly),
            (false, false) => (Method::Rsync { basis: None }, WayReason::NoPerl),
        };
        Way {
            wire_bytes: match method {
                Method::Copy => None,
                Method::Stream | Method::Rsync { .. } => cached
                    .map(|cached| cached.meta.data.map_or(cached.meta.size, |data| data.bytes)),
            },
            method,
            because,
            via: None,
            proof: Proof::Readback,
        }
    }
}
