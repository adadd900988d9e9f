//! Bytes and processes, without any idea of what they are for.
//!
//! The way of a download: [`intake::Intake`] takes the bytes as they come from
//! the network, writes them to a hidden temporary and hashes them, feeds them
//! to a [`decode::Decoder`] where an unpacked form is wanted too, and that form
//! is hashed and written sparsely by another thread at the same time. Nothing
//! is read twice, nothing has its final name before everything was checked, and
//! the memory in use has a bound that the size of the image does not enter.

#![expect(
    clippy::disallowed_methods,
    reason = "bytes and processes are this room"
)]

pub mod atomic;
pub mod beneath;
mod command;
pub mod container;
pub mod decode;
mod gate;
pub mod hash;
pub mod input;
pub mod intake;
pub mod keep;
pub mod landing;
pub mod lock;
pub mod magic;
mod meter;
mod occupied;
pub mod outflow;
pub mod pace;
pub mod partial;
mod prove;
mod sink;
mod space;
pub mod sparse;
pub mod task;
#[cfg(test)]
mod timing;
pub mod unpack;
mod writeout;
mod xz;

pub use command::{Command, CommandError, Output, printable};
pub use gate::Bound;
pub use meter::Meter;
pub use occupied::{make_way, set_aside};
pub use sink::{Sink, Validator};
pub use space::explain;
