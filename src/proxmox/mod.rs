//! The Proxmox VE API: a typed client, and what it may do.
//!
//! [`PveApi`] asks a cluster through any of its nodes with an API token. It speaks
//! HTTP/1.1, because the text of a refusal may be in the reason phrase only, and
//! never without a proof of who answers: the system's authorities, a CA file, or the
//! fingerprint of the certificate. [`rights`] says which privileges a use needs, which
//! of them are missing, and which commands grant them.
//!
//! What the API cannot tell is a value of its own here: the content of a storage that
//! is not mounted is unknown, and so is the use of an image while virtual machines may
//! be hidden. Nothing in this room plans or decides.

#![expect(
    clippy::disallowed_methods,
    reason = "sends HTTP requests, and waits for tasks"
)]

mod answers;
mod api;
mod call;
mod clones;
mod config;
mod content;
mod discovery;
mod endpoints;
mod error;
mod failures;
mod features;
mod lenient;
mod names;
mod permit;
pub mod rights;
mod task;
mod transfer;
mod trust;
mod upid;
mod upload;
mod usage;
mod vm_refusal;
mod vms;

pub use answers::{
    ClusterState, NodeHealth, PveNode, PveStorage, ServedCertificate, StorageStatus, UrlMetadata,
    VmSummary, Volume, VolumeDetail,
};
pub use api::PveApi;
pub use clones::base_of;
pub use config::{ApiToken, CallLimits, Fingerprint, PveConfig, PveTrust};
pub use content::{ContentUnknown, StorageContent};
pub use error::{PinMismatch, PveError, TaskFailure};
pub use features::{PveFeature, PveVersion};
pub use names::ImageContent;
pub use permit::ChangePermit;
pub use task::{TaskLogLine, TaskResult, TaskState};
pub use transfer::{FetchRequest, UploadRequest};
pub use upid::Upid;
pub use upload::UploadContent;
pub use usage::{ImagePlace, ImageUse, ImageUses};
pub use vm_refusal::VmRefusal;
pub use vms::{PveVm, PveVmConfig, VmChange};
