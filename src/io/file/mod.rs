//! Files: written whole or not at all, sparse ones, and what may have their names.

pub(crate) mod atomic;
pub(crate) mod beneath;
pub(crate) mod input;
pub(crate) mod keep;
pub(crate) mod lock;
pub(in crate::io) mod occupied;
pub(in crate::io) mod space;
pub(crate) mod sparse;
mod system;

pub(crate) use occupied::{make_way, set_aside};
pub(crate) use space::explain;
pub(crate) use system::{is_full, is_transient, mtime_ns, owner_of};
