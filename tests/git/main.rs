//! Orders that the built program fetches from git: over ssh, over HTTP, from a directory;
//! by the controller and by single commands.
//!
//! git, sshd and `git http-backend` are real. How single revisions are judged is tested in
//! the library, in `source`; here is what a user sees of it.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod controller;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../controller/daemon.rs"]
mod daemon;
mod remotes;
mod repository;
mod server;

use common::world;
