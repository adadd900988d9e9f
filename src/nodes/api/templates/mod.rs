//! Template VMs of nodes behind the API.
//!
//! Whose a virtual machine is, is in its notes, and looked at right before each change. A
//! change brings the digest of the configuration that was looked at, so nothing that
//! somebody does in between is lost.

mod change;
mod create;
mod host;
mod look;
pub(super) mod seen;

pub(super) use change::{change, remove};
pub(super) use create::create;
pub(super) use host::TemplateHost;
pub(super) use look::{clones, vms};
