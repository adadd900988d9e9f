//! Bytes and processes, without any idea of what they are for.
//!
//! A download: [`flow::intake::Intake`] takes the bytes as they come from the network,
//! writes them to a hidden temporary and hashes them, feeds them to a
//! [`codec::PushDecoder`] where an unpacked form is wanted too, and that form is hashed
//! and written sparsely by another thread at the same time. Nothing is read twice,
//! nothing has its final name before everything was checked, and the memory in use has a
//! bound that the size of the image does not enter.
//!
//! `flow` stands above all others; below it `codec`, `hash` and `image` do not know each
//! other and stand above `file`; `listen`, `process` and the meter stand alone.

#![expect(
    clippy::disallowed_methods,
    reason = "bytes and processes are this room"
)]

pub(crate) mod codec;
pub(crate) mod file;
pub(crate) mod flow;
pub(crate) mod hash;
pub(crate) mod image;
pub(crate) mod listen;
mod meter;
pub(crate) mod process;

pub(crate) use meter::Meter;
