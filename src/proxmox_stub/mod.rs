//! A cluster of Proxmox VE nodes, as far as its API goes, on loopback ports: for tests,
//! and to show what talos-order does with one.
//!
//! [`PveStub`] serves one port per node. Storages are directories of real files; tasks
//! run, `download-url` really loads the URL, and an upload is read with the rules of the
//! real one. It follows what was found by running the real code and reading its
//! source, also where that is surprising: lists come in no order, entries without a
//! privilege are left out silently, a bad token is answered late and with an empty body.
//!
//! It shares no code with the client: what both say is what the tests compare.

#![expect(
    clippy::disallowed_methods,
    reason = "serves connections, keeps files in a directory of its own and loads URLs"
)]

mod acl;
mod answer;
mod checks;
mod content;
mod discovery;
mod download;
mod faults;
mod files;
mod guest_table;
mod guests;
mod names;
mod options;
mod schema;
mod server;
mod stub;
mod task_calls;
mod tasks;
mod upload;
mod vms;
mod world;

pub use acl::AclEntry;
pub use faults::PveFault;
pub use guests::disks::StubDisk;
pub use names::{listed, normalised, parses, sendable};
pub use options::{PveStubOptions, StubCertificate, StubStorage, StubVm};
pub use stub::PveStub;
