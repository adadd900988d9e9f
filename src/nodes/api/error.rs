//! What goes wrong with the API only, in terms of the user.

use std::net::SocketAddr;

use super::records::RecordsError;
use crate::model::{NodeId, Sha256};
use crate::proxmox::{ContentUnknown, PveError};

/// What goes wrong with nodes that are reached through the API.
///
/// `place` is `node:path`, `what` something that was to be done, as a noun phrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum ApiError {
    #[error("{what} is not configured for the Proxmox VE API")]
    NotConfigured { what: String },
    #[error("{what} failed on {node}")]
    Call {
        node: NodeId,
        what: &'static str,
        /// The end of the task's log, where there was a task.
        log: String,
        #[source]
        source: Box<PveError>,
    },
    #[error("{place} cannot be used")]
    Storage {
        place: String,
        #[source]
        source: ContentUnknown,
    },
    #[error("{node} cannot load images from this machine at {address}")]
    NoWayBack {
        node: NodeId,
        /// Scheme, host and port.
        address: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{node} cannot load {url}")]
    NoWayToFactory {
        node: NodeId,
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(
        "the factory has other bytes for {node} than were verified here: {url} has {}, expected \
         digest {expected}",
        digest(.found)
    )]
    OtherAtFactory {
        node: NodeId,
        url: String,
        expected: Sha256,
        /// Absent where their number is another.
        found: Option<Sha256>,
    },
    #[error("cannot serve images to nodes at {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot find out at which local address {endpoint} is reached")]
    Route {
        endpoint: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{place} is used by {}", numbers(.vms))]
    InUse { place: String, vms: Vec<u64> },
    #[error("it is not known whether a virtual machine uses {place}: {}", .why.join("; "))]
    UseUnknown { place: String, why: Vec<String> },
    #[error("{place} is not there after it was delivered")]
    Vanished { place: String },
    #[error("{place} is still there after it was removed")]
    Remains { place: String },
    #[error("the space for uploads on the root file system of {node} is not known")]
    RootUnknown { node: NodeId },
    #[error(
        "virtual machines may be hidden from the API token {token}: it has no VM.Audit on /vms"
    )]
    VmsHidden { token: String },
    #[error("the API token {token} may not make a template on {node}; missing: {}", .missing.join("; "))]
    TemplateRights {
        node: NodeId,
        token: String,
        /// Each as `PRIVILEGE, … on PATH`.
        missing: Vec<String>,
    },
    #[error("{place} cannot become a disk: its storage has it as an ISO image")]
    NotAnImport { place: String },
    /// `vm` is `node:VMID`.
    #[error("the template {vm} is not what was asked for: {what}")]
    Deviates { vm: String, what: String },
    #[error(transparent)]
    Records(#[from] RecordsError),
}

fn digest(found: &Option<Sha256>) -> String {
    match found {
        Some(found) => format!("digest {found}"),
        None => "another length".to_owned(),
    }
}

fn numbers(vms: &[u64]) -> String {
    let numbers: Vec<String> = vms.iter().map(ToString::to_string).collect();
    format!("VM {}", numbers.join(", "))
}

impl ApiError {
    /// True if trying again later may help without anybody doing anything.
    pub(in crate::nodes) fn is_transient(&self) -> bool {
        match self {
            Self::Call { source, .. } => source.is_transient(),
            Self::Storage { source, .. } => matches!(source, ContentUnknown::Inactive),
            Self::Vanished { .. } | Self::Remains { .. } | Self::NoWayBack { .. } => true,
            Self::NoWayToFactory { .. } => true,
            _ => false,
        }
    }

    /// True where the API does not permit it.
    pub(in crate::nodes) fn is_permission(&self) -> bool {
        match self {
            Self::Call { source, .. } => source.is_denied(),
            Self::VmsHidden { .. } | Self::TemplateRights { .. } => true,
            _ => false,
        }
    }

    /// A hint for the user.
    pub(in crate::nodes) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Call { source, .. } => return source.hint(),
            Self::NoWayBack { .. } => {
                "check the firewall between them, and the address and port of the file server; a \
                 node may also be sent images instead of loading them"
            }
            Self::NoWayToFactory { .. } => {
                "check that the node reaches the factory and trusts its certificate, or set \
                 `load_from: controller` on the cluster"
            }
            Self::OtherAtFactory { .. } => {
                "before Talos 1.13 a factory may build an image anew with other bytes; set \
                 `load_from: controller` on the cluster to deliver those that were verified"
            }
            Self::UseUnknown { .. } => {
                "grant a role with VM.Audit on /vms to the user and to the token; `talos-order \
                 pve-setup --prune` prints the commands"
            }
            Self::VmsHidden { .. } => {
                "grant a role with VM.Audit on /vms to the user and to the token; `talos-order \
                 pve-setup` prints the commands"
            }
            Self::TemplateRights { .. } => "`talos-order pve-setup` prints the commands",
            Self::NotAnImport { .. } => {
                "deliver a raw or qcow2 image to a storage with the content type import"
            }
            Self::InUse { .. } => "detach it from the virtual machine and its snapshots first",
            Self::RootUnknown { .. } => {
                "grant a role with Sys.Audit on / and on /nodes to the user and to the token"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// The end of the task's log.
    pub(in crate::nodes) fn log(&self) -> &str {
        match self {
            Self::Call { log, .. } => log,
            _ => "",
        }
    }
}
