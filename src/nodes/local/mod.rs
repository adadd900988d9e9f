//! Directories of this machine.

pub(super) mod copy;
