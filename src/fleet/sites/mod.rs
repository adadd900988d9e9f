//! What the sites of a fleet say of themselves, and what operators say of rollouts.
//!
//! The leader of a site writes a report after each run, and again while nothing happens, so
//! that a report that gets old tells of a leader that is gone. Every run reads the reports
//! of the other sites: one listing, and those that have changed.
//!
//! ```text
//! v1/sites/SITE/report.json     written by the leader of the site, under its epoch
//! v1/rollouts/ORDER.json        written by any controller, if it is unchanged
//! ```
//!
//! Both are sealed with the key of the fleet, and tell when they were written: what is not
//! sealed, or is older than what was read before, is not believed.
//!
//! Nothing here decides who may change a node. A report that is wrong or missing makes
//! rings wait, and one that is written late is refused because its epoch is old. An
//! instruction that is wrong, or was removed, pauses its order.

mod age;
mod error;
mod instructions;
mod keys;
mod news;
mod publish;
mod read;
mod reports;
mod stored;
#[cfg(test)]
mod tests;

pub(crate) use age::RENEWED;
pub(crate) use error::FleetError;
pub(crate) use instructions::InvalidInstruction;
pub(crate) use news::RolloutNews;
pub(crate) use publish::Publication;
pub(crate) use reports::SiteReports;
