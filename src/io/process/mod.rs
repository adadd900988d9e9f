//! Other programs, and work on a thread of its own.

mod program;
pub(crate) mod task;

pub(crate) use program::{Program, ProgramError, ProgramOutput, printable};
