//! Files: written whole or not at all, sparse ones, and what may have their names.

pub mod atomic;
pub mod beneath;
pub mod input;
pub mod keep;
pub mod lock;
pub(in crate::io) mod occupied;
pub(in crate::io) mod space;
pub mod sparse;
mod system;

pub use occupied::{make_way, set_aside};
pub use space::explain;
pub(crate) use system::{is_full, is_transient, mtime_ns};
