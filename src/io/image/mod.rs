//! What the bytes of a disk image say about it: its kind, and its own length; and a raw
//! image in another form.

pub(crate) mod container;
pub(crate) mod magic;
pub(crate) mod qcow2;
