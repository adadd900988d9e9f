//! Notifications of the built program: receivers that take them, and receivers that do not.
//!
//! Alertmanager and the mail server are Debian's own programs on loopback ports; receivers
//! that fail, stall or answer nonsense are a few lines here. What is waited for is what a
//! receiver got, never a length of time.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

mod alertmanager;
#[path = "../common/mod.rs"]
mod common;
mod delivery;
mod mail;
mod receiver;
#[path = "../support/schema.rs"]
mod schema;
mod world;
