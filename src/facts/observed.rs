//! What is there: the state of the three places, as values.
//!
//! Each place can also be unknown, and unknown is never empty: an unreachable
//! node has no file list at all, not an empty one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clusters::Clusters;
use super::failure_kind::FailureKind;
use super::fleet::FleetView;
use super::memory::Memory;
use super::storages::{NodeStorages, volume_id};
use super::vms::NodeVms;
use crate::model::{
    ArtifactId, DataDigest, Deletion, Dir, FileName, ImageContent, Node, NodeId, OrderId, PartName,
    Reach, SchematicId, Sha256, TalosVersion,
};

/// Everything a run knows about the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// What the upstreams said.
    pub catalog: Catalog,
    /// What the cache holds.
    pub cache: CacheState,
    /// What each node holds.
    pub nodes: BTreeMap<NodeId, NodeState>,
    /// What other sites of the fleet say; `None` for a single controller.
    pub fleet: Option<FleetView>,
    /// The virtual machines of the nodes that templates are wanted on, or were.
    pub vms: BTreeMap<NodeId, NodeVms>,
    /// What is remembered from earlier runs.
    pub memory: Memory,
    /// When the observation was made; the run has no other clock.
    pub now: Timestamp,
}

/// What the upstreams said: versions, schematics, sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The released versions, or why they are not known.
    pub versions: VersionKnowledge,
    /// The ids that the factory gave to schematics, where they differ from the
    /// computed ones, and what is known of their being registered.
    pub schematics: BTreeMap<SchematicId, Registration>,
    /// Sizes in bytes that similar images had, by the image that is wanted; the
    /// factory itself is not asked (see the `Size` of a plan).
    pub sizes: BTreeMap<ArtifactId, u64>,
    /// Sizes in bytes of wanted images that are in the store of the fleet, and not in the
    /// cache. An image that is missing here may be in the store nevertheless.
    pub stored: BTreeMap<ArtifactId, u64>,
    /// The storages of nodes that an order wants an image on a storage of, or did.
    pub storages: BTreeMap<NodeId, NodeStorages>,
    /// The clusters of nodes that orders name.
    pub clusters: Clusters,
}

impl Catalog {
    /// True if the cluster of a node answers and does not have it any more.
    pub fn has_gone(&self, node: &Node) -> bool {
        let Reach::Api { cluster, node } = &node.reach else {
            return false;
        };
        let cluster = self.clusters.get(cluster);
        cluster.is_some_and(|cluster| cluster.lacks(node))
    }
}

/// The known versions, with where the knowledge comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionKnowledge {
    /// Nobody asked: every wanted version is exact.
    NotNeeded,
    /// A list from a source.
    Known {
        /// The versions.
        versions: BTreeSet<TalosVersion>,
        /// Who said so.
        source: VersionSource,
        /// When they said so; in the past if no source answers now.
        fetched_at: Timestamp,
        /// Why newer knowledge could not be had, for each source that failed.
        failures: Vec<String>,
    },
    /// No source answered and no earlier answer is on disk.
    Unknown {
        /// What each source said.
        failures: Vec<String>,
    },
}

impl Default for VersionKnowledge {
    fn default() -> Self {
        Self::Unknown {
            failures: Vec::new(),
        }
    }
}

/// Who named a version.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum VersionSource {
    /// The order itself.
    Order,
    /// The factory's `/versions`.
    Factory,
    /// The repository's tags.
    Github,
}

impl VersionSource {
    /// The name used in the configuration and in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Factory => "factory",
            Self::Github => "github",
        }
    }
}

/// What is known of a schematic at the factory, by its computed id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The id the factory answered with; it is the authority.
    pub id: SchematicId,
}

/// The state of the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheState {
    /// Files that we wrote, by name, each with the metadata we recorded.
    pub files: BTreeMap<FileName, CachedFile>,
    /// Names that we have no record of: never touched.
    pub foreign: BTreeSet<String>,
    /// Left-overs of interrupted work: partial downloads by the name they are to
    /// become, with their size in bytes.
    pub partial: BTreeMap<FileName, u64>,
    /// Free bytes on the cache's file system, where it could be asked.
    pub free_bytes: Option<u64>,
}

/// A managed image in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedFile {
    /// What we recorded when we wrote it.
    pub meta: Meta,
    /// Its size now, in bytes; `None` if only the metadata is left.
    pub size: Option<u64>,
    /// True if its modification time is still the recorded one.
    pub untouched: bool,
    /// Why it is not a whole image, where that is so: earlier releases did not look.
    pub fault: Option<String>,
}

/// The metadata kept beside a cached file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// What the file is.
    pub artifact: ArtifactId,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
    /// The digest of its data; absent in records of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataDigest>,
    /// The URL its bytes came from (of the compressed file for an unpacked one).
    pub url: String,
    /// For an unpacked image: the digest of the compressed file it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpacked_from: Option<Sha256>,
    /// Why the digest is believed.
    pub provenance: Provenance,
    /// The entity tag of the answer, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When it was completed.
    pub completed_at: Timestamp,
    /// Modification time of the file at completion, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When an order last wanted it.
    pub last_wanted: Timestamp,
    /// The edition of the checks by which it was found to be a whole image; absent in
    /// records of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<u32>,
    /// Digests of files that had this name before and were found not to be whole:
    /// what was delivered of them is replaced.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub refuted: BTreeSet<Sha256>,
}

/// Why a digest is believed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Provenance {
    /// The order pins it.
    Pinned,
    /// The factory's checksum file says so.
    Upstream,
    /// It is what came the first time (trust on first use).
    FirstSeen,
}

/// Size and digest of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileFacts {
    /// Length in bytes.
    pub size: u64,
    /// The digest of the content.
    pub sha256: Sha256,
}

/// The state of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeState {
    /// It answered; every directory asked for is in the map.
    Listed {
        /// The directories, as far as they were asked for.
        dirs: BTreeMap<Dir, DirState>,
        /// Which of rsync, perl, xz, zstd, sha256sum and flock it has.
        tools: BTreeSet<String>,
        /// Which virtual machines refer to which files.
        references: References,
    },
    /// It did not answer, or not intelligibly.
    Unreachable {
        /// One sentence for the user.
        why: String,
        /// What kind of trouble it is, where only an operator can end it.
        lasting: Option<FailureKind>,
    },
}

/// The state of a directory on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirState {
    /// False if the directory is to be created.
    pub exists: bool,
    /// The regular files in it, by name, hidden ones left out.
    pub files: BTreeMap<String, RemoteFile>,
    /// What the record beside the files says that we placed, by name.
    pub record: BTreeMap<FileName, RecordEntry>,
    /// Why the record cannot be read, as a clause: what it says is not known then, and
    /// that is not nothing.
    pub unread: Option<String>,
    /// Free bytes for an unprivileged writer, where it could be asked; for a
    /// missing directory, where it would be made.
    pub free_bytes: Option<u64>,
    /// Bytes of the whole file system, where it could be asked.
    pub total_bytes: Option<u64>,
    /// The mount point of the file system it is on (or would be on): `/` for a
    /// share that is not mounted.
    pub mount_point: Option<String>,
    /// The nearest directory above a missing one that exists, or the directory
    /// itself, where it was asked.
    pub nearest: Option<String>,
    /// The storage it belongs to, where the node describes one.
    pub root: Option<StorageRoot>,
    /// The node describes its storages as Proxmox VE does, so what is below none of them
    /// is on none.
    pub is_proxmox: bool,
    /// It did not answer in time, or its storage cannot be used, so nothing is known of it.
    /// `unread` says why, where that is told.
    pub is_silent: bool,
    /// No further file can be made: the file system has no inode left.
    pub inodes_full: bool,
    /// What arrived so far of files that are not complete.
    pub parts: BTreeMap<PartName, Part>,
}

/// What arrived so far of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The space that it takes, in bytes: holes take none.
    pub bytes: u64,
    /// How long ago it was last written to, in seconds by the node's clock.
    pub idle_seconds: u64,
}

/// The storage that a directory belongs to, as the node describes it in Proxmox's
/// `storage.cfg` or in `/etc/fstab`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageRoot {
    /// The storage's name; `fstab` for a file system of `/etc/fstab`.
    pub name: String,
    /// Its type: `nfs`, `dir`, `ext4`.
    pub kind: String,
    /// What has to be mounted for it, if anything.
    pub mount: Option<String>,
    /// Its directory.
    pub path: String,
}

impl StorageRoot {
    /// The ID of a file in a directory of the storage, such as `local:iso/talos.iso`;
    /// `None` for a file system of `/etc/fstab`, and for directories that hold no images.
    pub fn volume(&self, dir: &Dir, file: &FileName) -> Option<String> {
        let contents = [
            ("/template/iso", ImageContent::Iso),
            ("/import", ImageContent::Import),
        ];
        let below = dir.as_str().strip_prefix(self.path.trim_end_matches('/'))?;
        let (_, content) = contents.into_iter().find(|(usual, _)| *usual == below)?;
        (self.name != "fstab").then(|| volume_id(&self.name, content, file))
    }
}

/// A file on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// Length in bytes.
    pub size: u64,
    /// Modification time, in nanoseconds since 1970: within one second a file
    /// can be removed and made anew under the same inode number.
    pub mtime: i64,
    /// The inode number; a replaced file has another.
    pub inode: u64,
}

/// What we recorded about a file that we placed on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordEntry {
    /// The file's name; first, so that a shell can find the line by its start.
    pub name: FileName,
    /// Length in bytes.
    pub size: u64,
    /// Modification time after placing, in nanoseconds since 1970.
    pub mtime: i64,
    /// The inode number after placing.
    pub inode: u64,
    /// The digest that was checked on the node.
    pub sha256: Sha256,
    /// The digest of the image in the cache, where the node stores another form of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_sha256: Option<Sha256>,
    /// What the file is.
    pub artifact: ArtifactId,
    /// The orders that wanted it when it was placed.
    pub orders: BTreeSet<OrderId>,
    /// The controller that placed it; no other removes it.
    #[serde(default)]
    pub owner: String,
    /// What becomes of it when no order wants it any more, where an order said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// The revision of the orders it was placed for, where they are under git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When it was placed.
    pub placed_at: Timestamp,
}

/// Which virtual machines of the cluster refer to a file, by the file's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum References {
    /// Every configuration of the cluster was read, snapshots included.
    Known(BTreeMap<String, BTreeSet<u32>>),
    /// They could not be read.
    Unknown {
        /// One sentence for the user.
        why: String,
    },
}

impl Default for References {
    fn default() -> Self {
        Self::Unknown {
            why: "not queried".to_owned(),
        }
    }
}

impl RecordEntry {
    /// The digest of the image in the cache that the file was made from.
    pub fn source_sha256(&self) -> Sha256 {
        self.image_sha256.unwrap_or(self.sha256)
    }

    /// True if the file still looks exactly as it did when it was placed.
    pub fn describes(&self, file: &RemoteFile) -> bool {
        self.size == file.size && self.mtime == file.mtime && self.inode == file.inode
    }
}
