//! What the API answers, as far as it is of use here. Fields that are not known are
//! passed over; lists come in no order and are sorted by whoever asks.

use jiff::Timestamp;
use serde::Deserialize;

use super::config::Fingerprint;
use super::lenient::{maybe_number, maybe_signed, number, switch, words};

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct PveNode {
    /// Its name.
    #[serde(rename = "node")]
    pub name: String,
    /// Whether the cluster sees it.
    #[serde(default, rename = "status")]
    pub health: NodeHealth,
}

/// Whether the cluster sees a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeHealth {
    /// It takes part.
    Online,
    /// It does not.
    Offline,
    /// It has not been heard of yet.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The state of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterState {
    /// Its name; `None` for a single node.
    pub name: Option<String>,
    /// True if it may be changed; a single node always may.
    pub quorate: bool,
    /// Name and address of each node, sorted.
    pub addresses: Vec<(String, Option<String>)>,
    /// The node that answered.
    pub local: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ClusterStatusEntry {
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    #[serde(default, deserialize_with = "switch")]
    pub quorate: bool,
    #[serde(default)]
    pub ip: Option<String>,
    #[serde(default, deserialize_with = "switch")]
    pub local: bool,
}

/// A storage as it is configured for the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct PveStorage {
    /// Its name.
    #[serde(rename = "storage")]
    pub name: String,
    /// Its kind, such as `dir`, `nfs` or `cephfs`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Where it is mounted on each node; block storages have none.
    #[serde(default)]
    pub path: Option<String>,
    /// The content types that are enabled, sorted.
    #[serde(default, deserialize_with = "words")]
    pub content: Vec<String>,
    /// Directories for content types in place of the usual ones, as configured.
    #[serde(default, rename = "content-dirs")]
    pub content_dirs: Option<String>,
    /// True if all nodes see the same content.
    #[serde(default, deserialize_with = "switch")]
    pub shared: bool,
    /// The nodes that have it, sorted; empty for all.
    #[serde(default, deserialize_with = "words")]
    pub nodes: Vec<String>,
    /// True if it is switched off.
    #[serde(default, rename = "disable", deserialize_with = "switch")]
    pub disabled: bool,
}

/// A storage as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StorageStatus {
    /// Its kind, such as `dir`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// True if it can be used now. A directory that is not mounted cannot.
    #[serde(default, deserialize_with = "switch")]
    pub active: bool,
    /// True unless it is switched off.
    #[serde(default, deserialize_with = "switch")]
    pub enabled: bool,
    /// True if all nodes see the same content.
    #[serde(default, deserialize_with = "switch")]
    pub shared: bool,
    /// Its bytes.
    #[serde(default, deserialize_with = "maybe_number")]
    pub total: Option<u64>,
    /// Bytes in use.
    #[serde(default, deserialize_with = "maybe_number")]
    pub used: Option<u64>,
    /// Bytes that are free.
    #[serde(default, rename = "avail", deserialize_with = "maybe_number")]
    pub free: Option<u64>,
    /// The content types that are enabled, sorted.
    #[serde(default, deserialize_with = "words")]
    pub content: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NodeStatus {
    #[serde(default)]
    pub rootfs: Option<RootFs>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RootFs {
    #[serde(default, deserialize_with = "maybe_number")]
    pub avail: Option<u64>,
}

/// A file that a storage lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Volume {
    /// Its ID, such as `local:import/talos.qcow2`.
    pub volid: String,
    /// `iso`, or the extension of an image.
    #[serde(default)]
    pub format: String,
    /// Bytes of the file.
    #[serde(deserialize_with = "number")]
    pub size: u64,
    /// When the file was changed, in seconds since 1970.
    #[serde(default, deserialize_with = "maybe_signed")]
    pub ctime: Option<i64>,
}

impl Volume {
    /// The name of the file.
    pub fn file_name(&self) -> &str {
        self.volid.rsplit('/').next().unwrap_or_default()
    }
}

/// One file, looked at by itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VolumeDetail {
    /// Where the node has it.
    #[serde(default)]
    pub path: Option<String>,
    /// The format that qemu sees.
    #[serde(default)]
    pub format: String,
    /// The virtual size that qemu sees, rounded up to 512. The length of the file is in
    /// the list.
    #[serde(rename = "size", deserialize_with = "number")]
    pub virtual_size: u64,
    /// Bytes on the disk: less than the size where there are holes.
    #[serde(default, deserialize_with = "maybe_number")]
    pub used: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct CertificateEntry {
    pub filename: String,
    #[serde(default)]
    pub fingerprint: Option<String>,
    #[serde(default, deserialize_with = "maybe_signed")]
    pub notafter: Option<i64>,
    #[serde(default)]
    pub san: Vec<String>,
}

/// The certificate that a node's API has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedCertificate {
    /// The node.
    pub node: String,
    /// Its SHA-256.
    pub fingerprint: Fingerprint,
    /// The end of its validity.
    pub not_after: Option<Timestamp>,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
}

/// What a node sees of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UrlMetadata {
    /// The name that the server or the URL gives.
    #[serde(default)]
    pub filename: Option<String>,
    /// Bytes.
    #[serde(default, deserialize_with = "maybe_number")]
    pub size: Option<u64>,
    /// The media type.
    #[serde(default)]
    pub mimetype: Option<String>,
}

/// A virtual machine or container of the cluster. Its name and whether it is a template
/// come from the statistics that each node sends every ten seconds: after a change they
/// are as old, and a node that is off has none. Its tags and its lock are those of now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct VmSummary {
    /// Its number.
    #[serde(deserialize_with = "number")]
    pub vmid: u64,
    /// The node that has it.
    pub node: String,
    /// `qemu` or `lxc`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// True for a template.
    #[serde(default, deserialize_with = "switch")]
    pub template: bool,
    /// Its tags, separated by semicolons.
    #[serde(default)]
    pub tags: Option<String>,
    /// What it is locked for, such as `create` or `backup`.
    #[serde(default)]
    pub lock: Option<String>,
}
