//! What the bytes of a disk image say about it: its kind, and its own length.

pub mod container;
pub mod magic;
