//! talos-order keeps Talos Linux images on Proxmox VE nodes as YAML orders say.
//!
//! Orders declare what should exist in three places; a run observes the places, plans
//! the difference, executes it, and records the result. Bytes flow one way
//! (upstream, cache, nodes), decisions flow one way (orders, desired, plan), and
//! they meet only in `execute`. `docs/architecture.md` walks through the rooms.
//!
//! The library serves the program, its tests and its benchmarks, and is no interface for
//! others: a room is public only where one of those uses it.

#![warn(unreachable_pub)]

mod app;
pub mod bucket;
mod cache;
pub mod cli;
pub mod conclude;
pub mod config;
mod controller;
pub mod daemon;
mod error;
mod execute;
pub mod factory_stub;
pub mod facts;
mod fleet;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod io;
mod live;
mod metrics;
pub mod model;
pub mod nodes;
mod notifications;
mod observe;
pub mod orders;
pub mod plan;
pub mod proxmox;
pub mod proxmox_stub;
mod reconcile;
pub mod schematic;
mod source;
mod store;
mod upstream;
mod web;
mod yaml;

/// What benchmarks and tests of this project measure in rooms that are private.
#[doc(hidden)]
pub mod testing {
    pub use crate::io::codec::{BUFFERED, Chunk, decoder};
    pub use crate::io::flow::growing::GrowingFile;
    pub use crate::io::hash::data::hash_data;
    pub use crate::io::image::container::EDITION;
    pub use crate::store::FileRecords;
}
