//! The command line: what can be asked, and how answers look.
//!
//! Data goes to stdout, everything else to stderr. Without a verb the program
//! runs once, with the flags of the script it grew out of.

#![expect(
    clippy::disallowed_methods,
    reason = "the terminal, signals and the demo need the world"
)]

mod apply;
mod args;
mod asked;
mod changes;
mod complete;
mod control;
mod control_args;
mod demo;
mod diff;
mod dispatch;
mod docs;
mod events;
mod exit;
mod filter;
mod following;
mod forms;
mod get;
mod help;
mod history;
mod inspect;
mod kept;
mod log;
mod man;
mod notices;
mod notify;
mod notify_args;
mod out;
mod outputs;
mod preflight;
mod progress;
mod pve_setup;
mod question;
mod rings;
mod rollout;
mod rollout_args;
mod run;
mod run_args;
mod safe;
mod saved;
mod schemas;
mod signal;
mod status;
mod style;
mod summary;
mod table;
mod validate;
mod values;
mod wait;
#[cfg(test)]
mod wording;

pub use args::{Cli, Common, Verb};
pub use dispatch::main;
pub use forms::OutputForm;
