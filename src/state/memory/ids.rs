//! What the identity of a step says of it, and the identities of steps that are not in
//! the plan: what is remembered hangs on them.

use crate::model::{FileName, PushTarget};
use crate::plan::StepId;

/// The node that a step is done on, from its identity; `None` for steps of this
/// machine. A node's name has no slash.
pub fn node_of(id: &StepId) -> Option<&str> {
    let on_node = ["push/", "prune-node/", "verify-node/", "record/"];
    let rest = on_node.iter().find_map(|kind| id.0.strip_prefix(kind))?;
    rest.split('/').next()
}

/// True for the removal of a file from a node.
pub fn is_prune(id: &StepId) -> bool {
    id.0.starts_with("prune-node/")
}

pub fn prune_id(target: &PushTarget, file: &FileName) -> StepId {
    StepId(format!(
        "prune-node/{}{}",
        target.node,
        target.dir.join(file)
    ))
}

/// The file on a node that a step is for, from its identity.
pub fn place_of(id: &StepId) -> Option<(PushTarget, FileName)> {
    let node = node_of(id)?;
    // The kind has no slash either.
    let (_, rest) = id.0.split_once('/')?;
    let (dir, file) = rest.strip_prefix(node)?.rsplit_once('/')?;
    let dir = if dir.is_empty() { "/" } else { dir };
    let target = PushTarget {
        node: node.parse().ok()?,
        dir: dir.parse().ok()?,
    };
    Some((target, file.parse().ok()?))
}

pub fn verify_id(target: &PushTarget, file: &FileName) -> StepId {
    StepId(format!(
        "verify-node/{}{}",
        target.node,
        target.dir.join(file)
    ))
}

pub fn verify_cache_id(file: &FileName) -> StepId {
    StepId(format!("verify-cache/{file}"))
}
