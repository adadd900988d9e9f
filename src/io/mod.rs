//! Bytes and processes, without any idea of what they are for.

mod meter;

pub use meter::Meter;
