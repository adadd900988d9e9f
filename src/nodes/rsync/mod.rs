//! rsync: its arguments, and what it says.

pub(super) mod output;
