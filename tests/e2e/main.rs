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
mod controllers;
mod counted;
mod create;
mod cut;
mod cutting;
mod early;
mod factory;
mod faults;
mod fleet;
mod fleet_api;
mod fleet_collect;
mod fleet_images;
mod fleet_killed;
mod fleet_leader;
mod fleet_reload;
mod fleet_rings;
mod fleet_sites;
mod fleet_unknown;
mod hostile;
mod instructions;
mod killed;
mod leftovers;
mod legacy;
mod manifests;
mod many;
mod permissions;
mod relay;
mod rollout_example;
mod sockets;
mod state;
mod templates_ssh;
mod together;
mod told;
mod trust;
mod watch;

use common::world;
