//! Storages of Proxmox VE: how they are called, and what they take.

use std::str::FromStr;
use std::sync::Arc;

use super::{Dir, Invalid, NodeId};

/// The name of a storage, as `pvesm status` lists it: `local`, `nfs-images`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageName(Arc<str>);

impl StorageName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for StorageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for StorageName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_end = |c: char| c.is_ascii_alphanumeric();
        let fits = (2..=100).contains(&text.len())
            && text.chars().all(|c| is_end(c) || "._-".contains(c))
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.ends_with(is_end);
        if fits {
            return Ok(Self(text.into()));
        }
        let invalid = Invalid::new(format!(
            "{text:?} is not the name of a storage; expected 2 to 100 letters, digits and \
             . _ -, starting with a letter and ending with a letter or digit"
        ));
        Err(match text.starts_with('/') {
            true => invalid.hint("a directory is set with `iso_dir` or `import_dir`"),
            false => invalid,
        })
    }
}

super::text_form!(StorageName);

/// Where an image is kept on a storage.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ImageContent {
    /// ISO images.
    Iso,
    /// Disk images to import from.
    Import,
}

impl ImageContent {
    /// The name in the API and in a storage's configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iso => "iso",
            Self::Import => "import",
        }
    }
}

/// Where on a node an image is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryPlace {
    /// In this directory.
    Dir(Dir),
    /// On this storage; the node knows the directory.
    Storage(StorageName, ImageContent),
}

/// A storage of a node that an image is to be on.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
pub struct StorageTarget {
    /// The node; its description is in [`OrderSet::nodes`](super::OrderSet::nodes).
    pub node: NodeId,
    /// The storage.
    pub storage: StorageName,
    /// What it has to take.
    pub content: ImageContent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_proxmox_takes() {
        for text in ["local", "local-lvm", "a1", "nfs_1.x", "NAS"] {
            assert_eq!(text.parse::<StorageName>().unwrap().as_str(), text);
        }
        for text in ["", "a", "1a", "-a", "a-", "a b", "a/b", "a:b", "ä1", "a\n"] {
            assert!(text.parse::<StorageName>().is_err(), "{text:?}");
        }
        let path = "/mnt/pve/nas".parse::<StorageName>().unwrap_err();
        assert!(path.hint.unwrap().contains("iso_dir"));
    }
}
