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
mod control;
mod demo;
mod dispatch;
mod docs;
mod events;
mod exit;
mod filter;
mod history;
mod inspect;
mod man;
mod notices;
mod out;
mod progress;
mod question;
mod run;
mod safe;
mod signal;
mod status;
mod style;
mod summary;
mod table;
mod validate;

pub use args::{Cli, Common, OutputForm, Verb};
pub use dispatch::main;
