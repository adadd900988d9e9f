//! Bytes and processes, without any idea of what they are for.

mod command;
mod meter;
mod sink;

pub use command::{Command, CommandError, Output, printable};
pub use meter::Meter;
pub use sink::{Sink, Validator};
