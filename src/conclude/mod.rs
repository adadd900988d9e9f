//! Concluding: what a reconciliation comes to, and what of it is remembered, told and
//! kept.
//!
//! Pure, like `plan`: what was looked at, planned and done goes in ([`Report`]); out come
//! the memory for the next run ([`after`]), the conditions of orders and nodes, the
//! [`Status`], the record of the run, and a manifest for each order. The command line,
//! the files of the controller and whatever else tells people how things are read these
//! values, so they cannot disagree.

pub mod clock;
pub mod condition;
mod links;
pub mod manifest;
pub mod memory;
mod reason;
pub mod record;
mod report;
mod scope;
pub mod status;
mod troubles;
mod words;

pub use condition::{Condition, Ready};
pub use memory::{RetryLimits, after};
pub use reason::Reason;
pub use record::{Cause, PassRecord, PassVerdict, StepRecord};
pub use report::{Report, Verdict, verdict};
pub use scope::Scope;
pub use status::Status;
