//! The client of the Proxmox VE API, and the stub that it is tested with.
//!
//! Each row of what is known of the real API is a check here: through the client where
//! it has the call, over plain HTTP otherwise. Two programs of others, proxmoxer and
//! fakepve, say whether both keep to the same protocol as the rest of the world.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

mod calls;
mod endpoints;
mod fakepve;
mod fetch;
mod fileserver;
mod lab;
mod names;
mod permit;
mod preflight;
mod proxmoxer;
mod raw;
mod rights;
mod tls;
mod upload;
mod usage;
mod venv;
mod vms;
mod vms_refused;
mod volumes;
