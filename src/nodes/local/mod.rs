//! Directories of this machine, served without ssh: the same scripts, and a copy in place
//! of rsync.

pub(crate) mod copy;
