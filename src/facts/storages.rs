//! The storages of a node, as Proxmox VE describes them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure_kind::FailureKind;
use crate::model::{Dir, FileName, ImageContent, StorageName};

/// What is known of the storages of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeStorages {
    /// The node described them.
    Known(StorageConfig),
    /// The node does not answer.
    Unreachable {
        /// One sentence for the user.
        why: String,
        /// What kind of trouble it is, where only an operator can end it.
        lasting: Option<FailureKind>,
        /// What it said when it last answered.
        last: Option<StorageConfig>,
    },
    /// The node answers, and its storages are not known.
    Unreadable {
        /// Why, as a clause.
        why: String,
    },
}

impl NodeStorages {
    /// What the node said, now or when it last answered.
    pub fn config(&self) -> Option<&StorageConfig> {
        match self {
            Self::Known(config) => Some(config),
            Self::Unreachable { last, .. } => last.as_ref(),
            Self::Unreadable { .. } => None,
        }
    }
}

/// The storages that a node knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StorageConfig {
    /// The node's own name in its cluster.
    pub host: String,
    /// The cluster; `None` for a node that is in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The API token that they were asked with: of what it may not see, nothing is told.
    /// `None` where the node itself told of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_by: Option<String>,
    /// The storages, also those that are for other nodes.
    pub storages: BTreeMap<StorageName, DescribedStorage>,
}

impl StorageConfig {
    /// The ID of a file in a directory of a storage, such as `local:iso/talos.iso`.
    pub fn volume(&self, dir: &Dir, file: &FileName) -> Option<String> {
        self.storages.iter().find_map(|(name, storage)| {
            let contents = [ImageContent::Iso, ImageContent::Import].into_iter();
            let mut holding = contents.filter(|content| {
                let own = storage.dir_for(*content);
                own.is_some_and(|own| own.as_ref() == Ok(dir))
            });
            Some(volume_id(name.as_str(), holding.next()?, file))
        })
    }
}

/// The ID that Proxmox VE gives to an image.
pub(super) fn volume_id(storage: &str, content: ImageContent, file: &FileName) -> String {
    format!("{storage}:{}/{file}", content.name())
}

/// One storage, as it is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DescribedStorage {
    /// Its type: `dir`, `nfs`, `lvmthin`.
    pub kind: String,
    /// Its directory; `None` for a type without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The content types that are enabled.
    pub content: BTreeSet<String>,
    /// Directories below its own, by content type, where they are not the usual ones.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub content_dirs: BTreeMap<String, String>,
    /// The only nodes that it is for; empty for all.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub nodes: BTreeSet<String>,
    /// Every node of the cluster sees the same files.
    pub shared: bool,
    /// It is switched off.
    pub disabled: bool,
}

impl DescribedStorage {
    /// The directory for some content; `None` for a type without one.
    ///
    /// # Errors
    /// Why what is configured cannot be a directory for images.
    pub fn dir_for(&self, content: ImageContent) -> Option<Result<Dir, String>> {
        let path = self.path.as_ref()?;
        let usual = match content {
            ImageContent::Iso => "template/iso",
            ImageContent::Import => "import",
        };
        let own = self.content_dirs.get(content.name());
        let own = own.map_or(usual, |dir| dir.trim_matches('/'));
        let dir = format!("{path}/{own}").parse::<Dir>();
        let dir = dir.and_then(Dir::for_images);
        Some(dir.map_err(|invalid| invalid.message))
    }
}
