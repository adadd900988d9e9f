//! Nodes, and how they are reached.

use std::str::FromStr;
use std::sync::Arc;

use super::host::{Host, User};
use super::text::{plain, shared_text};
use crate::model::{ClusterName, Invalid};

/// The name under which plans, logs and manifests name a node.
///
/// The inventory's name where the node is listed there, otherwise what the
/// order wrote: `pve-01`, `root@10.0.0.5`, `pve-01:2222`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

shared_text!(NodeId);

/// How a node is reached.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Over ssh, with rsync for the bytes.
    Ssh {
        /// Where to connect to.
        host: Host,
        /// The login; ssh's own configuration decides where it is absent.
        user: Option<User>,
        /// The port; ssh's own configuration decides where it is absent.
        port: Option<u16>,
    },
    /// Through the Proxmox VE API of its cluster, without a login.
    Api {
        /// The cluster, as the configuration calls it.
        cluster: ClusterName,
        /// How the cluster calls the node.
        node: String,
    },
    /// A bucket of an S3-compatible server.
    Bucket {
        /// Its server and its name, with the prefix: equal for equal places.
        url: String,
    },
    /// A directory of this machine: a mounted share, or the node itself.
    Local,
}

/// A node as the adapters need to know it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Node {
    /// How it is called.
    pub id: NodeId,
    /// How it is reached.
    pub reach: Reach,
}

impl Reach {
    /// True for a machine of Proxmox VE, and false for what only holds images.
    pub fn has_machines(&self) -> bool {
        match self {
            Self::Ssh { .. } | Self::Api { .. } => true,
            Self::Bucket { .. } | Self::Local => false,
        }
    }

    /// The canonical text of a target, equal for equal targets:
    /// `[user@]host[:port]`, `cluster/node`, the URL of a bucket, or `local`.
    pub fn address(&self) -> String {
        match self {
            Self::Local => "local".to_owned(),
            Self::Bucket { url } => url.clone(),
            Self::Api { cluster, node } => format!("{cluster}/{node}"),
            Self::Ssh { host, user, port } => {
                let user = user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
                let port = port.map(|p| format!(":{p}")).unwrap_or_default();
                if port.is_empty() || !host.as_str().contains(':') {
                    format!("{user}{host}{port}")
                } else {
                    format!("{user}[{host}]{port}")
                }
            }
        }
    }
}

impl FromStr for NodeId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if plain(text, "._-@:[]%") && !text.starts_with(['-', '.']) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(format!(
                "{text:?} is not a node name; expected letters, digits and . _ - @ :, \
                 not starting with - or ."
            )))
        }
    }
}
