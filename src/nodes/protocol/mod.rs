//! What is said between the controller and a node.

pub(super) mod listing;
pub(super) mod record;
pub(super) mod references;
pub(super) mod script;
