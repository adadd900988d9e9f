//! The results of a run, and what of them is remembered, reported and kept.
//!
//! Pure, like `plan`: what was looked at, planned and done goes in ([`Report`]); out come
//! the memory for the next run ([`after`]), the conditions of orders and nodes, the
//! [`Status`], the record of the run, and a manifest for each order. The command line,
//! the files of the controller and notifications read these values, so they cannot
//! disagree.

mod action_record;
pub mod alerts;
mod answer;
pub mod clock;
pub mod commit_prefix;
pub mod condition;
pub mod counters;
pub mod difference;
mod fleet_answer;
pub mod images;
mod known;
mod links;
pub mod manifest;
pub mod matrix;
pub mod memory;
pub mod objects;
mod other_sites;
pub mod outputs;
pub mod places;
pub mod positions;
pub mod provenance;
mod reason;
pub mod record;
pub mod removals;
mod report;
mod rings;
mod rings_left;
mod rollout_asked;
pub mod rollouts;
mod scope;
mod site_line;
mod site_report;
mod source_line;
mod state;
pub mod status;
mod step_record;
mod trigger_form;
mod troubles;
mod verdict;
pub mod waiting;
mod words;

pub use action_record::{ActionRecord, EventRecord, OperatorAction};
pub use answer::{StatusAnswer, WaitAnswer};
pub use condition::Condition;
pub use counters::RunCounters;
pub use fleet_answer::{FleetAnswer, FleetSite, ReportState};
pub use memory::{RetryLimits, after};
pub use other_sites::OtherSites;
pub use reason::{Reason, reason_of};
pub use record::RunRecord;
pub use report::Report;
pub use rings::{RingReports, ring_reports, rings_begun};
pub use rollout_asked::{RolloutAsked, RolloutRefused};
pub use rollouts::RolloutLine;
pub use scope::Scope;
pub use site_line::{SiteLine, SiteRole};
pub use site_report::site_report;
pub use source_line::{SourceLine, SourceState};
pub use state::ConditionState;
pub use status::Status;
pub use step_record::{StepEnd, StepRecord};
pub use verdict::{Verdict, verdict};
