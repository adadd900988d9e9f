//! The places where images are delivered: Proxmox nodes over ssh and rsync or over their
//! API, and directories of this machine.
//!
//! [`Nodes`] is all that the rest of the program knows of them. [`SystemNodes`] is the
//! implementation that runs the system's ssh, rsync and sh. It opens a session with one
//! node (`session`) and hands that to `observe`, `deliver`, `remove` or `verify`. Each of
//! them runs small scripts over one protocol, the same for both kinds of place
//! (`protocol`). What changes a directory holds its lease meanwhile (`lease`), under the
//! authority of a leader where several controllers share the nodes (`authority`, `mandate`).
//! A record of the placed files is kept beside them, so that a look is one round trip and
//! reads no image. [`Templates`] is the same for template VMs; over ssh `machines` has
//! the node's own `qm` do the work.
//!
//! A new transport is a second implementation of [`Nodes`] in a folder of its own; it may
//! build on `protocol`, `lease` and `session`, or on none of them (`api`). `app.rs`
//! then gives `execute` and `observe` one that picks by [`Reach`](crate::model::Reach). A
//! new kind of thing on a node is a trait of its own, with its values beside it, as for
//! templates; its scripts can be put together from the ones that are there.

#![expect(
    clippy::disallowed_methods,
    reason = "runs programs on nodes, copies into directories and serves files to nodes"
)]

mod api;
mod as_asked;
mod authority;
mod by_reach;
mod clock;
mod config;
mod deliver;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod hints;
mod interface;
mod lease;
mod local;
mod machines;
mod mandate;
mod observe;
mod protocol;
mod receipt;
mod remove;
mod rsync;
mod s3;
#[cfg(test)]
mod samples;
mod session;
mod ssh;
mod system;
mod templates;
mod verify;

pub use api::{
    ApiError, ApiNode, ApiNodes, ApiNodesConfig, ApiPlace, DeliveredEntries, DeliveryRecords,
    FileServerConfig, RecordEditions, RecordsError,
};
pub use authority::{Authority, Fence, NotLeading};
pub use by_reach::NodesByReach;
pub(crate) use clock::OwnClock;
pub use config::{KeepOpen, MACHINE_EPOCHS, NodesConfig};
pub use deliver::prepared::RESERVE;
pub use error::NodeError;
pub use interface::{
    Cleared, Delivered, Delivery, EarlyDelivery, EarlyRelay, Leftover, Nodes, Relay, Removal,
    Removed, Verified,
};
pub use lease::LEASE;
pub use protocol::references::VM_CONFIGS;
pub use receipt::EarlyReceipt;
pub use s3::{BucketNodes, BucketNodesConfig};
pub use system::SystemNodes;
pub use templates::{TemplateChange, TemplateCreation, TemplateDone, TemplateRemoval, Templates};
