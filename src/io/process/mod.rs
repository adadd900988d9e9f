//! Other programs, and work on a thread of its own.

mod program;
pub(crate) mod task;
mod usage;

pub(crate) use program::{InputPiece, Program, ProgramError, ProgramOutput, printable};
pub(crate) use usage::ProcessUse;
