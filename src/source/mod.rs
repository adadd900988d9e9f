//! Orders from a git repository: fetched, checked, and put where a run reads them.
//!
//! The system's `git` does the work, in a repository of our own that nobody else uses. A
//! commit is considered in steps, and each can refuse it: the remote is asked what the
//! branch or tag is now (`remote`), the commit is fetched (`repository`), it must follow
//! the last good one (`history`) and be signed as asked (`signature`), and what is in it
//! must be orders that can be written to a directory (`export`). Only then it becomes the
//! good revision (`home`). [`GitOrders`] holds the steps together.
//!
//! A run reads the directory of one commit, which never changes. Whatever goes wrong, the
//! last good revision stays: that the remote does not answer says nothing about what it
//! would have said, and what is refused must not become what is wanted by waiting.
//!
//! Nothing in the repository decides what runs here: no hooks, no filters and other
//! attributes, no submodules, no configuration, no files but YAML and links.

#![expect(
    clippy::disallowed_methods,
    reason = "reads the environment and the clock, and writes the directories of commits"
)]

mod command;
mod error;
mod export;
mod failures;
mod history;
mod home;
mod orders;
mod remote;
mod repository;
mod said;
mod signature;
mod tally;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use error::SourceError;
pub(crate) use orders::{Freshness, GitOrders, SourceAnswer, Writes};
pub(crate) use tally::SourceTally;
