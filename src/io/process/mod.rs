//! Other programs, and work on a thread of its own.

mod command;
pub mod task;

pub use command::{Command, CommandError, Output, printable};
