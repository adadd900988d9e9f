//! The whole program from outside: the built binary, a factory over HTTP, nodes
//! with a real sshd and a real rsync.
//!
//! What a user was promised is looked for where that person would look: in exit
//! codes, in texts, in files and their digests, and in what the factory was asked.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

mod api;
mod api_templates;
mod buckets;
mod builds;
mod clocks;
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod create;
mod cut;
mod cutting;
mod early;
mod factory;
mod faults;
mod fleet;
mod fleet_images;
mod fleet_leader;
mod fleet_sites;
mod hostile;
mod instructions;
mod killed;
mod leftovers;
mod legacy;
mod manifests;
mod many;
mod permissions;
mod relay;
mod sockets;
mod state;
mod templates_ssh;
mod together;
mod told;
mod trust;
mod watch;

use common::world;
