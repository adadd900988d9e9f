//! The configuration as written: every key optional, unknown ones refused.
//!
//! These shapes are the one source of the accepted keys, of their order in
//! messages and of the JSON Schema; their doc comments are what an editor shows.
//! Nothing here is checked for meaning; `validate` does that.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster_shape::{ClusterShape, FileServerShape};
use super::fleet_shape::FleetShape;
use super::hooks_shape::HookShape;
use super::inventory_shape::{NodeShape, SiteShape};
use super::notifications_shape::NotificationsShape;
use super::orders_shape::OrdersShape;
use super::running_shape::{LimitsShape, PruneShape, ReconcileShape, VerifyShape};
use super::store_shape::StoreShape;
use super::web_shape::WebShape;
use crate::orders::{RolloutShape, WindowShape};
use crate::yaml::{At, TextOr};

/// The configuration of talos-order.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "talos-order configuration")]
pub(super) struct ConfigFile {
    /// The name of this controller. It stands in the records on nodes, and no
    /// other controller removes what this one placed. Default: the machine's name
    pub owner: Option<At<String>>,
    /// The orders: a file, a directory of *.yaml and *.yml files, or a git repository.
    /// --orders wins. Default: the directory orders beside this file, where there is one
    pub orders: Option<At<TextOr<OrdersShape>>>,
    /// Where the controller keeps what it remembers. Default: .talos-order in the
    /// cache directory, or talos-order in $XDG_STATE_HOME
    pub state_dir: Option<At<String>>,
    /// What orders fall back on, and where images are kept on this machine.
    pub defaults: Option<Defaults>,
    /// Where the manifest of each order is written. Of several keys the first of
    /// path_template, dir and path counts; with none it is
    /// manifest-<orderid>.yaml in the working directory.
    pub manifest: Option<ManifestShape>,
    /// The Image Factory.
    pub factory: Option<FactoryShape>,
    /// The GitHub API, as a source of versions.
    pub github: Option<GithubShape>,
    /// How released versions become known.
    pub versions: Option<Versions>,
    /// How files are named.
    pub naming: Option<NamingShape>,
    /// How much happens at once, and how long things may take.
    pub limits: Option<LimitsShape>,
    /// When the controller looks at orders, versions and nodes.
    pub reconcile: Option<ReconcileShape>,
    /// What goes from nodes, and how much of it at once.
    pub prune: Option<PruneShape>,
    /// How delivered and cached files are read back.
    pub verify: Option<VerifyShape>,
    /// The nodes, described once, for orders to refer to by name or by label.
    pub nodes: Option<Vec<At<NodeShape>>>,
    /// Sites group nodes that are near each other and far from this machine.
    pub sites: Option<Vec<At<SiteShape>>>,
    /// Clusters of Proxmox VE that are reached through the API.
    pub clusters: Option<Vec<At<ClusterShape>>>,
    /// Where nodes that are reached through the API load images from.
    pub file_server: Option<FileServerShape>,
    /// The bucket that the controllers of a fleet share.
    pub store: Option<At<StoreShape>>,
    /// Several controllers that share a store, and the sites that this one serves.
    pub fleet: Option<At<FleetShape>>,
    /// Who is told of failures and recoveries.
    pub notifications: Option<NotificationsShape>,
    /// Where the controller serves the status page, metrics and hooks over HTTP:
    /// ADDRESS:PORT, such as 127.0.0.1:8080, or unix:/PATH. Default: nowhere
    pub listen: Option<At<String>>,
    /// The status page.
    pub web: Option<WebShape>,
    /// Paths that make the controller look at its orders when they are called.
    pub hooks: Option<Vec<At<HookShape>>>,
}

/// What orders fall back on, and where images are kept on this machine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    /// Where images are kept. Default: /var/cache/talos-sync; for a user other than
    /// root, where that does not exist, talos-order in $XDG_CACHE_HOME
    pub cache_dir: Option<At<String>>,
    /// The directory on a node for ISO files, and for everything else without a
    /// directory of its own. Default: /var/lib/vz/template/iso
    pub proxmox_default_iso_dir: Option<At<String>>,
    /// The directory on a node for raw and qcow2 images, such as
    /// /var/lib/vz/import. Default: none, they go to the ISO directory.
    pub proxmox_default_import_dir: Option<At<String>>,
    /// The storage of Proxmox VE for ISO files, such as local. It takes the place of
    /// proxmox_default_iso_dir. Default: none
    pub proxmox_default_iso_storage: Option<At<String>>,
    /// The storage of Proxmox VE for raw and qcow2 images. It takes the place of
    /// proxmox_default_import_dir. Default: proxmox_default_iso_storage
    pub proxmox_default_import_storage: Option<At<String>>,
    /// The architecture of images. Default: amd64
    #[schemars(extend("enum" = ["amd64", "arm64"]))]
    pub arch: Option<At<String>>,
    /// How images reach nodes.
    pub push: Option<PushDefaults>,
    /// What goes from the cache, and when.
    pub cache_policy: Option<CachePolicyShape>,
    /// What no order wants any more is removed from nodes, where neither the order
    /// nor the node says otherwise. Default: false
    pub prune: Option<bool>,
    /// The times in which pushes and prunes may begin, where the order has none of its
    /// own. Default: at any time
    pub windows: Option<Vec<At<WindowShape>>>,
    /// The rings by which new images reach nodes, where the order has no rollout of its
    /// own. Default: all nodes at once
    pub rollout: Option<At<RolloutShape>>,
}

/// How images reach nodes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PushDefaults {
    /// Images are pushed where an order does not say. Default: false
    pub enabled: Option<bool>,
    /// How the bytes of an image are sent: only those parts that hold data (stream),
    /// with rsync, or as is best for what is there and for the link (auto).
    /// Default: auto
    #[schemars(extend("enum" = crate::model::PushMethod::ALL))]
    pub method: Option<At<String>>,
    /// How it is proven that a streamed image arrived: what is on the node is read
    /// back there (readback), or what arrives is hashed before it is written and the
    /// node's disk is trusted (inline). Default: readback
    #[schemars(extend("enum" = crate::model::Proof::ALL))]
    pub verify: Option<At<String>>,
    /// Bytes per second to all nodes together, such as 50MiB, or
    /// none for as many as there can be. Default: none
    pub bandwidth_limit: Option<At<String>>,
    /// Options given to rsync, as a shell would split them. With others than the
    /// default, auto sends with rsync. Default: -av --progress --inplace
    pub rsync_opts: Option<At<String>>,
    /// Options given to ssh, also by rsync. Default: -o BatchMode=yes
    pub ssh_opts: Option<At<String>>,
    /// A missing directory is made also where it is below no storage of its node, where
    /// the node does not say otherwise. Default: false
    pub create: Option<bool>,
    /// Of a compressed image the unpacked form is pushed. Default: false
    pub prefer_decompressed: Option<bool>,
}

/// What goes from the cache, and when.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CachePolicyShape {
    /// Old versions are removed. Default: true
    pub enabled: Option<bool>,
    /// How many versions of one kind of image are kept, at least 1. Wanted images are
    /// always kept. Default: 3
    #[schemars(range(min = 1))]
    pub keep_versions: Option<At<u32>>,
    /// The cache is emptied before every run. Default: false
    pub purge_before: Option<bool>,
    /// How long images are kept that no order asks for any more, such as 7d or
    /// 12h. Default: 7d
    pub orphan_grace: Option<At<String>>,
}

/// Where the manifest of each order is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Manifest")]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestShape {
    /// A directory; the file is manifest-<orderid>.yaml.
    pub dir: Option<At<String>>,
    /// A path with {orderid} and, if wanted, {customer} in it.
    pub path_template: Option<At<String>>,
    /// A path; -<orderid> is put before its extension.
    pub path: Option<At<String>>,
}

/// What `factory.verify` can be.
pub(super) const VERIFY_WORDS: [&str; 4] = ["none", "offered", "checksum", "signature"];

/// The Image Factory.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Factory")]
#[serde(deny_unknown_fields)]
pub(super) struct FactoryShape {
    /// Its base URL. Default: https://factory.talos.dev
    pub url: Option<At<String>>,
    /// The user name for a factory that asks for one.
    pub username: Option<At<String>>,
    /// The environment variable that holds the password.
    pub password_env: Option<At<String>>,
    /// The file that holds the password.
    pub password_file: Option<At<String>>,
    /// The environment variable that holds a bearer token.
    pub token_env: Option<At<String>>,
    /// The file that holds a bearer token.
    pub token_file: Option<At<String>>,
    /// A file with the certificates (PEM) of authorities that are trusted besides the
    /// system's, for a private CA. Default: none
    pub ca_file: Option<At<String>>,
    /// How a downloaded image is verified: the factory's checksum where it
    /// offers one (offered), its checksum, its signature, or nothing (none). What is
    /// demanded and not there refuses the image. Default: offered
    #[schemars(extend("enum" = VERIFY_WORDS))]
    pub verify: Option<At<String>>,
    /// The file with the public key (PEM, ECDSA P-256) of the factory's signatures.
    pub public_key_file: Option<At<String>>,
}

/// The GitHub API, as a source of versions.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Github")]
#[serde(deny_unknown_fields)]
pub(super) struct GithubShape {
    /// Its base URL. Default: https://api.github.com
    pub api_url: Option<At<String>>,
    /// The environment variable that holds a token; it may be unset, a token
    /// only raises the rate limit. Default: GITHUB_TOKEN
    pub token_env: Option<At<String>>,
}

/// How released versions become known.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Versions {
    /// Who is asked, in this order, until one answers. Default: factory, github
    pub sources: Option<At<Vec<At<VersionSourceWord>>>>,
}

/// A source of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum VersionSourceWord {
    /// The factory's own list: what can really be built.
    Factory,
    /// The tags of the Talos repository.
    Github,
}

/// How files are named.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Naming")]
#[serde(deny_unknown_fields)]
pub(super) struct NamingShape {
    /// The name of an image; every part that decides its bytes must occur.
    /// Default: talos-{version}-{platform}-{arch}{secureboot}-{schematic12}.{ext}
    pub template: Option<At<String>>,
}
