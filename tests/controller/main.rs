//! The built program as a daemon: orders that change under it, nodes that fail, files
//! that are damaged, people who steer it.
//!
//! Everything is real but the Image Factory: the binary, git, sshd and rsync on
//! loopback addresses, signals, files. What is waited for is what a user would look
//! at, `status -o json` and the files on the nodes, never a length of time.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod crowds;
mod daemon;
mod follows;
mod handover;
mod http;
mod idle;
mod logs;
mod outages;
mod prunes;
mod recalls;
mod refuses;
mod rollouts;
mod signals;
mod soak;
mod verbs;
mod waits;
mod windows;

use common::world;
