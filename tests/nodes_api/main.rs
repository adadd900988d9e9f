//! Nodes behind the Proxmox VE API: the stub's cluster of three, real HTTP, the real file
//! server, and images that nodes load from it.
//!
//! What is proved here is what the interface promises: the name never holds anything but
//! the right bytes, nothing but what is ours is removed, what cannot be known is not empty,
//! and nothing goes on once nobody waits for it.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

mod dropped;
mod lab;
mod leaders;
mod proxy;
mod qcow2;
mod records;
mod rights;
mod seen;
mod states;
mod templates;
mod templates_cut;
mod templates_held;
mod ways;
