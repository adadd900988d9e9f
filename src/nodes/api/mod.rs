//! Nodes behind the Proxmox VE API, without a login.
//!
//! A node loads an image itself, from a file server in this process that knows nothing but
//! the deliveries under way (`server`), compares its digest and gives it its name in one
//! step. The same call reads back what is there. Records cannot lie on the node, so they
//! are kept by the controller (`records`); there are no leases, so one controller at a time
//! is what the cache's lock is for. Where controllers share nodes, the leader asks its own
//! authority before each request that changes something; the node itself knows no epochs.
//! A raw image travels and is stored as a qcow2 that is made as it is read (`content`), so
//! that its zeros do neither.

mod config;
mod connect;
mod content;
mod deliver;
mod described;
pub(super) mod error;
mod look;
mod place;
mod records;
mod remove;
mod server;
mod shared;
mod storages;
mod tasks;
mod templates;
mod told;
mod usage;
mod way;

pub use config::{ApiNode, ApiNodesConfig, ApiPlace, FileServerConfig};
pub use connect::ApiNodes;
pub use error::ApiError;
pub use records::{DeliveredEntries, DeliveryRecords, RecordEditions, RecordsError};
pub(super) use storages::DescribedNode;
