//! An Image Factory of our own, on a loopback port.

pub mod image;
