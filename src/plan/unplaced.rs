//! Images whose storage has no known directory on a node.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::facts::FailureKind;
use crate::model::{ImageContent, StorageName, StorageTarget};

/// A storage of a node that an image is wanted on, and that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplaced {
    /// Where the image is wanted.
    pub target: StorageTarget,
    /// Why it does not go there.
    pub why: UnplacedReason,
}

/// Why an image does not go to a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnplacedReason {
    /// The node does not answer and never described its storages.
    Unreachable {
        /// What it said.
        why: String,
        /// What kind of trouble it is, where only an operator can end it.
        lasting: Option<FailureKind>,
    },
    /// The storage cannot be used.
    Unfit(StorageUnfit),
}

/// Why a storage of a node cannot be used for an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum StorageUnfit {
    /// The node answers, and its storages are not known.
    Unreadable {
        /// Why.
        why: String,
    },
    /// The node has no storage of this name.
    Missing {
        /// Those with a directory that it has.
        known: Vec<StorageName>,
        /// The API token that may not see it, where one was asked with.
        #[serde(skip_serializing_if = "Option::is_none")]
        seen_by: Option<String>,
    },
    /// It is switched off.
    Disabled,
    /// It is for other nodes.
    OtherNodes {
        /// Those.
        nodes: Vec<String>,
        /// The node's own name.
        own: String,
    },
    /// A storage of this type has no directory.
    NoDirectory {
        /// The type.
        #[serde(rename = "type")]
        of_type: String,
    },
    /// It does not take this content.
    NoContent {
        /// What is to go there.
        content: ImageContent,
        /// What it takes.
        enabled: Vec<String>,
    },
    /// Its directory takes no images.
    BadPath {
        /// Why.
        why: String,
    },
}

impl StorageUnfit {
    /// The reason with what helps, as text for people.
    pub(super) fn write(&self, storage: &StorageName, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { why } => write!(
                f,
                "the storages of the node are not known, so storage {storage} is not: {why}"
            ),
            Self::Missing {
                known,
                seen_by: Some(token),
            } => {
                let known: Vec<&str> = known.iter().map(StorageName::as_str).collect();
                write!(
                    f,
                    "storage {storage} does not exist, or the API token {token} may not see it; \
                     it sees {}; hint: it needs Datastore.Audit and Datastore.AllocateTemplate on \
                     /storage/{storage}, see `talos-order pve-setup`",
                    known.join(", ")
                )
            }
            Self::Missing {
                known,
                seen_by: None,
            } => {
                let known: Vec<&str> = known.iter().map(StorageName::as_str).collect();
                write!(
                    f,
                    "storage {storage} does not exist; with a directory there are {}; \
                     hint: `pvesm status` on the node lists all storages",
                    known.join(", ")
                )
            }
            Self::Disabled => write!(
                f,
                "storage {storage} is disabled; hint: `pvesm set {storage} --disable 0`"
            ),
            Self::OtherNodes { nodes, own } => {
                let nodes = nodes.join(",");
                write!(
                    f,
                    "storage {storage} is restricted to other nodes: {nodes}; \
                     hint: `pvesm set {storage} --nodes {nodes},{own}`"
                )
            }
            Self::NoDirectory { of_type } => write!(
                f,
                "storage {storage} has the type {of_type}, which has no directory for images; \
                 hint: choose a storage of the type dir, nfs, cifs, cephfs or btrfs"
            ),
            Self::NoContent { content, enabled } => {
                let content = content.name();
                let has = match enabled.as_slice() {
                    [] => "nothing".to_owned(),
                    enabled => enabled.join(", "),
                };
                let all: Vec<&str> = enabled
                    .iter()
                    .map(String::as_str)
                    .chain([content])
                    .collect();
                write!(
                    f,
                    "storage {storage} does not have the content type {content}; enabled: {has}; \
                     hint: `pvesm set {storage} --content {}`",
                    all.join(",")
                )
            }
            Self::BadPath { why } => write!(f, "storage {storage}: {why}"),
        }
    }
}
