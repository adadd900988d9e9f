//! The stages of the planner, a file each.
//!
//! A new stage is a function of the form [`Stage`](super::stage::Stage), a line in the
//! list in `planner.rs`, a reason in [`Why`](super::step::Why) or
//! [`BlockedReason`](super::blocked::BlockedReason), a scenario and a law. `verify.rs` is a short
//! one to start from.

mod block;
mod clusters;
mod deliver;
mod early;
mod fetch;
mod hints;
mod method;
mod parts;
mod prune;
mod purge;
mod relay;
mod retain;
mod rings;
mod select;
mod sort;
mod templates;
mod unknown_nodes;
mod unresolved;
mod verify;
mod walk;
mod windows;

pub(super) use block::block;
pub(super) use clusters::clusters;
pub(super) use deliver::deliver;
pub(super) use early::early;
pub(super) use fetch::fetch;
pub(super) use hints::hints;
pub(super) use parts::parts;
pub use prune::approvals_used;
pub(super) use prune::prune;
pub(super) use purge::purge;
pub(super) use relay::relay;
pub use retain::missed;
pub(super) use retain::retain;
pub(super) use select::select;
pub(super) use sort::sort;
pub(super) use templates::templates;
pub(super) use unknown_nodes::unknown_nodes;
pub(super) use unresolved::unresolved;
pub(super) use verify::verify;
