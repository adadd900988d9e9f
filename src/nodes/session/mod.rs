//! A session with a node.

pub(super) mod timeouts;
