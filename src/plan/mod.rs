//! Deciding: what is wanted, what is there, and the steps between.
//!
//! This room is pure. It reads no file, no clock and no environment and logs
//! nothing; given the same [`Desired`], [`Observed`](crate::facts::Observed) and [`Policy`] it makes the
//! same [`Plan`], byte for byte. Reasons for acting and for not acting are part
//! of the plan, so a dry run, the log, the execution and the manifest all read
//! one value and cannot disagree.

mod bytes;
mod deliver;
pub mod desired;
mod diff;
mod held;
mod hints;
mod hold;
mod look;
mod parts;
mod prune;
mod relay;
pub mod render;
mod resolve;
mod retain;
mod root;
mod sites;
mod size;
pub mod step;
mod verify;
mod walk;
mod wanted;
mod way;

pub use desired::{Desired, Origin, Placed, PositionWant, Resolved, Unresolved, Want};
pub use diff::{Policy, plan};
pub use held::{Held, HeldReason};
pub use look::Look;
pub use prune::PrunePolicy;
pub use relay::{RelayUnfit, Unrelayed};
pub use resolve::{Naming, resolve};
pub use retain::{Retention, missed};
pub use root::Create;
#[cfg(any(test, fuzzing))]
pub use root::absent;
pub use sites::Sites;
pub use size::Size;
pub use step::{Action, Condition, Hint, Otherwise, Plan, Step, Why};
pub use verify::VerifyPolicy;
pub use wanted::WantedBy;
pub use way::{Asker, Transfer, Way, WayReason};
