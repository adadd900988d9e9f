//! The manifest as it is written. Keys that existed before keep their names.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::Provenance;
use crate::model::{Arch, Format, OrderId, Platform, SchematicId, Sha256, TalosVersion, VmId};

/// What a run did for one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// When the content last changed.
    pub generated_at: Timestamp,
    /// The order.
    pub order: OrderForm,
    /// The configuration file, if there was one.
    pub source_config: Option<String>,
    /// The file that the order was read from.
    pub source_orders: String,
    /// The revision of the orders when the content last changed, where they are
    /// under git: `branch@sha1:<commit>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Who wrote its commit, where the program fetches the orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_author: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_date: Option<Timestamp>,
    /// The first line of its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_subject: Option<String>,
    /// What goes from the cache, and when.
    pub cache_policy: CachePolicyForm,
    /// Who named the versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<Catalogue>,
    /// Problems of the order as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// One entry per position, in the order's order.
    pub entries: Vec<ManifestEntry>,
}

/// Which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderForm {
    /// Its id.
    pub orderid: OrderId,
    /// For whom it is.
    pub customer: Option<String>,
}

/// The cache's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CachePolicyForm {
    /// Retention is on.
    pub enabled: bool,
    /// How many versions of a family are kept.
    pub keep_versions: u32,
    /// The cache is emptied before a run.
    pub purge_before: bool,
}

/// Who named the versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Catalogue {
    /// `factory` or `github`.
    pub source: String,
    /// When the list is from, if no source answers now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
}

/// A position's entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ManifestEntry {
    /// What was wanted and what there is.
    Image(Box<ManifestImage>),
    /// Why there is nothing.
    Failed(Failed),
}

/// An entry without an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failed {
    /// The position's name.
    pub name: String,
    /// `error`, or `skipped` for another product.
    pub status: String,
    /// What is wrong, for the user.
    pub error: String,
    /// When the entry last changed.
    pub timestamp_utc: Timestamp,
}

/// An entry with an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestImage {
    /// The position's name.
    pub name: String,
    /// `talos`.
    pub product: String,
    /// The platform.
    pub platform: Platform,
    /// The architecture.
    pub arch: Arch,
    /// The version.
    pub version: TalosVersion,
    /// `order`, `factory` or `github`.
    pub version_source: String,
    /// Signed for SecureBoot.
    pub secureboot: bool,
    /// The form that is downloaded.
    pub image_format: Format,
    /// The customization.
    pub schematic_id: SchematicId,
    /// Where it comes from.
    pub url: String,
    /// The installer image of the same version and customization, for
    /// `talosctl upgrade` and `machine.install.image`.
    pub installer: String,
    /// Where it is kept.
    pub cache_dir: String,
    /// `ok`, `error` or `held`.
    pub status: String,
    /// What went wrong, for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The downloaded file.
    pub download: Download,
    /// The unpacked file.
    pub decompressed: Option<Decompressed>,
    /// The nodes.
    pub pushed: Vec<Pushed>,
    /// The templates that are made from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<ManifestTemplate>,
    /// What the customization adds.
    pub features: BTreeMap<String, serde_json::Value>,
    /// When the entry last changed.
    pub timestamp_utc: Timestamp,
}

/// The downloaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Download {
    /// Its path.
    pub path: String,
    /// It is complete and checked.
    pub done: bool,
    /// Its digest.
    pub sha256: Option<Sha256>,
    /// Its length.
    pub size_bytes: Option<u64>,
    /// Why the digest is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// The unpacked file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decompressed {
    /// Its path.
    pub path: String,
    /// Its digest.
    pub sha256: Option<Sha256>,
    /// Its length.
    pub size_bytes: Option<u64>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PushStatus {
    /// The right file is there.
    Ok,
    /// It could not be delivered.
    Error,
    /// It was not tried.
    #[serde(rename = "held")]
    Blocked,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pushed {
    /// The node.
    pub host: String,
    /// Where the file is there.
    pub path: String,
    /// Its ID for Proxmox VE, such as `local:import/talos.raw`, where the storage is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// The digest of the file there, where that is another form of the image in the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// The length of the file there, in the same case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// What became of it.
    pub status: PushStatus,
    /// What the node or its programs said; empty if all is well.
    pub stderr: String,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestTemplate {
    /// The node.
    pub host: String,
    /// Under which name it is found.
    pub name: String,
    /// Its number; absent before it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vmid: Option<VmId>,
    /// The storage of its disks.
    pub storage: String,
    /// All its tags.
    pub tags: Vec<String>,
    /// Whether it is made from this image, and found under its name.
    pub status: PushStatus,
    /// Why it is not; empty if all is well.
    pub error: String,
}
