//! Where files go: nodes, how they are reached, and directories on them.
//!
//! These texts end up on the command lines of ssh and rsync and in the shell of
//! a node, so each accepts only characters that mean nothing there. Quoting is
//! done as well; the narrow alphabet is the second lock, not the first.
//!
//! Every delivery carries some of them, so clones share the text.

mod dir;
mod host;
mod node;
mod system;
#[cfg(test)]
mod tests;
mod text;

pub use dir::Dir;
pub use host::{Host, Login, User};
pub use node::{Node, NodeId, Reach};
