//! What the bytes of a disk image say about it: its kind, and its own length.

pub(crate) mod container;
pub(crate) mod magic;
