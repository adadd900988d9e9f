//! talos-order keeps Talos Linux images on Proxmox VE nodes as YAML orders say.
//!
//! Orders say what should be in three places; a pass looks at the places, plans
//! the difference, does it, and writes down what happened. Bytes flow one way
//! (upstream, cache, nodes), decisions flow one way (orders, desired, plan), and
//! they meet only in `execute`. `docs/architecture.md` walks through the rooms.

pub mod app;
mod cache;
pub mod cli;
pub mod conclude;
pub mod config;
pub mod controller;
pub mod daemon;
pub mod error;
pub mod execute;
pub mod factory_stub;
pub mod facts;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod io;
pub mod model;
pub mod nodes;
pub mod observe;
pub mod orders;
pub mod plan;
pub mod reconcile;
pub mod schematic;
pub mod store;
mod upstream;
mod yaml;
