//! Deciding: what is wanted, what is there, and the steps between.
//!
//! This room is pure. It reads no file, no clock and no environment and logs
//! nothing; given the same [`Desired`], [`Observed`](crate::facts::Observed) and [`Policy`] it makes the
//! same [`Plan`], byte for byte. Reasons for acting and for not acting are part
//! of the plan, so a dry run, the log, the execution and the manifest all read
//! one value and cannot disagree.
//!
//! [`resolve`] turns orders into what is wanted; [`plan`](plan()) runs the stages, which
//! share one form (`stage.rs`), and the result is shown by [`render`].

mod action;
mod blocked;
mod bytes;
pub mod desired;
mod elsewhere;
mod instructed;
mod kept;
mod look;
mod mounts;
mod node_doubt;
mod planner;
mod policy;
pub mod render;
mod resolve;
mod rollout;
pub mod saved;
mod selection;
mod size;
mod stage;
mod stages;
pub mod step;
mod storages;
mod template;
mod transport;
mod unplaced;
mod wanted;

pub use crate::model::NamePattern;
pub use action::{Action, CreateTemplate, RetiredTemplate, SwitchTemplate};
pub use blocked::{Blocked, BlockedReason};
pub use desired::{
    Desired, ElsewhereImages, Origin, Placed, PositionWant, Resolved, Unresolved, Want,
};
pub use elsewhere::images_elsewhere;
pub use instructed::{InstructedPlan, OtherInstructions};
pub use kept::keep_raw;
pub use look::Look;
#[cfg(any(test, fuzzing))]
pub(crate) use mounts::absent;
pub use node_doubt::NodeDoubt;
pub use planner::plan;
pub use policy::{
    Create, Policy, PrunePolicy, Retention, RunOptions, SharedStorages, TransportPolicy,
    VerifyPolicy,
};
pub use resolve::{Naming, resolve};
pub use rollout::{PlannedRing, PlannedRollout, RingState};
pub use selection::{Selection, UnmatchedPattern};
pub use size::Size;
pub use stages::{approvals_used, missed};
pub use step::{AdoptCondition, Hint, Notice, Otherwise, Plan, PlannedTemplate, Step, Why};
pub use template::{TemplateBlock, TemplatePlace, WantedTemplate};
pub use transport::{RelayUnfit, RequestedBy, Transport, TransportReason, Unrelayed};
pub use unplaced::{StorageUnfit, Unplaced, UnplacedReason};
pub use wanted::WantedBy;
