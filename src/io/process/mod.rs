//! Other programs, and work on a thread of its own.

mod program;
pub mod task;

pub use program::{Program, ProgramError, printable};
