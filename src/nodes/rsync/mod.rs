//! rsync, whoever calls it: its arguments and what it says.

pub(crate) mod args;
pub(crate) mod output;
