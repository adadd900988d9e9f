//! The canonical form of a schematic, and the id that follows from it.
//!
//! The id is the SHA-256 of the canonical YAML, byte for byte as the factory's
//! go-yaml writes it, so it can be known without asking anyone. Where it is not
//! sure that every factory writes a schematic like this, [`Canonical::certain`]
//! says so. The factory's answer is the authority in any case.
//!
//! [`plain_value`] is the other direction, and [`rules`] what the factory does not
//! say until an image is asked for. The schematic itself is a noun of `model`.

mod canonical;
mod emitter;
#[cfg(test)]
mod laws;
mod plain;
pub mod rules;
mod scalar;
#[cfg(test)]
mod tests;

pub use canonical::{Canonical, document};
pub use plain::plain_value;
