//! Doing what the plan says, exactly, and reporting what came of it.
//!
//! The executor decides nothing: which step runs, on what and why is written in
//! the plan. It knows the order (a step runs when everything it needs has
//! succeeded), the limits (so many downloads, so many nodes, one delivery per
//! node at a time) and how to stop. What it learns becomes an [`Outcome`](crate::facts::Outcome) per
//! step; where the state has changed since it was observed, the outcome says so
//! and the next look decides.

mod context;
mod downloads;
mod event;
mod executor;
mod failure;
mod limits;
mod queue;
mod recall;
mod receipts;
mod runner;
mod steps;
mod work;

pub(crate) use context::ExecutionContext;
pub(crate) use downloads::Downloads;
pub(crate) use event::Event;
pub(crate) use executor::execute;
pub(crate) use recall::Recall;

/// How far a step has come.
pub(crate) use crate::io::Meter;
