//! Identities: of steps, which keep them over passes, and of what a person approves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{FileName, PushTarget};

/// The identity of a step, the same in every pass: `push/pve-01/iso-dir/file`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity of a delivery to a path of a node.
pub fn push_step_id(target: &PushTarget, file: &FileName) -> StepId {
    on_node("push/", target, file.as_str())
}

/// The identity of a step that is done with a file on a node. Made for every file
/// of every node in every pass, so its text is put together in one piece.
pub(super) fn on_node(kind: &str, target: &PushTarget, file: &str) -> StepId {
    // Only the root ends with a slash.
    let dir = target.dir.as_str().trim_end_matches('/');
    StepId([kind, target.node.as_str(), dir, "/", file].concat())
}

/// What a person approves: exactly this list of removals on this node. Another
/// file on the list makes another id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApprovalId(pub String);
