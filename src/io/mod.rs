//! Bytes and processes, without any idea of what they are for.

mod meter;
mod sink;

pub use meter::Meter;
pub use sink::{Sink, Validator};
