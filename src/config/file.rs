//! The configuration as written: every key optional, unknown ones refused.
//!
//! These shapes are the one source of the accepted keys, of their order in
//! messages and of the JSON Schema; their doc comments are what an editor shows.
//! Nothing here is checked for meaning; `validate` does that.

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster_shape::{ClusterShape, FileServerShape};
use crate::yaml::At;

/// The configuration of talos-order.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "talos-order configuration")]
pub(super) struct ConfigFile {
    /// The name of this controller. It stands in the records on nodes, and no
    /// other controller removes what this one placed. Default: the machine's name
    pub owner: Option<At<String>>,
    /// The orders: a file, or a directory of *.yaml and *.yml files. --orders wins.
    /// Default: the directory orders beside this file, where there is one
    pub orders: Option<At<String>>,
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

/// How much happens at once, and how long things may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsShape {
    /// Downloads at once, 1 to 32. Default: 3
    #[schemars(range(min = 1, max = 32))]
    pub downloads: Option<At<u32>>,
    /// Nodes worked on at once, 1 to 256. Default: 8
    #[schemars(range(min = 1, max = 256))]
    pub nodes: Option<At<u32>>,
    /// How many times an interrupted transfer is resumed, 0 to 100. Default: 5
    #[schemars(range(max = 100))]
    pub retries: Option<At<u32>>,
    /// How long to wait for the first byte of an image, which the factory may
    /// have to build first. Default: 15m
    pub first_byte: Option<At<String>>,
    /// Images that are waited for at once until their first byte comes: as many as
    /// the factory may have to build, 1 to 32. Default: 2
    #[schemars(range(min = 1, max = 32))]
    pub builds: Option<At<u32>>,
    /// How long a transfer may make no progress. Default: 60s
    pub idle: Option<At<String>>,
    /// How many bytes of an image come in a second at least, on average over
    /// rate_window, such as 10KiB; none for no such limit. Default: 10KiB
    pub least_rate: Option<At<String>>,
    /// The time over which least_rate is measured. Default: 60s
    pub rate_window: Option<At<String>>,
    /// How long to wait for a connection. Default: 15s
    pub connect: Option<At<String>>,
    /// How long a look at a node may take altogether. Default: 60s
    pub look: Option<At<String>>,
    /// The largest image that is accepted, packed or unpacked, such as 32GiB. A
    /// download that goes on for longer is aborted. Default: 16GiB
    pub image_size: Option<At<String>>,
}

/// When the controller looks at orders, versions and nodes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReconcileShape {
    /// How long after a run the next one begins, if nothing happens before; off
    /// where cron says it all. Default: 10m
    pub interval: Option<At<String>>,
    /// By how many per cent an interval is made longer or shorter at random, 0 to
    /// 50, so that several controllers do not ask all at once. Default: 5
    #[schemars(range(max = 50))]
    pub jitter: Option<At<u32>>,
    /// When further runs start: minute, hour, day, month and weekday, with
    /// seconds before them if wanted. Default: none
    pub cron: Option<At<String>>,
    /// The time zone that cron is meant in, such as Europe/Berlin. Default: the
    /// machine's own
    pub time_zone: Option<At<String>>,
    /// How long the orders must be quiet before a change starts a run. Default: 2s
    pub debounce: Option<At<String>>,
    /// How often the orders are polled for changes without a file system
    /// event. Default: 30s
    pub poll: Option<At<String>>,
    /// How often released versions are listed. Default: 1h
    pub versions_interval: Option<At<String>>,
    /// How often files are read back that were not for verify.max_age; off for
    /// never. Default: off
    pub verify_interval: Option<At<String>>,
}

/// What goes from nodes, and how much of it at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PruneShape {
    /// How many files one run prunes from a node without approval. Default: 5
    pub max_files: Option<At<u32>>,
    /// The same as per cent of the files that were placed there, 0 to 100; the
    /// larger of the two applies. Default: 20
    #[schemars(range(max = 100))]
    pub max_percent: Option<At<u32>>,
    /// How long a file stays that no order wants any more. Default: 7d
    pub grace: Option<At<String>>,
    /// How many versions of one kind of image stay, at least 1. Wanted images are always
    /// kept. Default: defaults.cache_policy.keep_versions
    #[schemars(range(min = 1))]
    pub keep_versions: Option<At<u32>>,
    /// The directory on a node with the configurations of all virtual machines, or
    /// false where there are none. Default: /etc/pve/nodes
    #[schemars(extend("type" = ["string", "boolean"]))]
    pub vm_configs: Option<At<String>>,
}

/// How delivered and cached files are read back.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyShape {
    /// How many bytes are read in a second, such as 50MiB, or none for as many as
    /// there can be. Default: 50MiB
    pub rate: Option<At<String>>,
    /// How long ago a file was read back at most. Default: 30d
    pub max_age: Option<At<String>>,
}

/// A node: a machine that is reached over ssh, or a directory of this machine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeShape {
    /// Its name: orders, plans and manifests call it so.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// Where ssh connects to: a host name, an alias of ssh's own configuration or
    /// an address, also with a login before it (root@pve-01). Default: the name
    pub host: Option<At<String>>,
    /// The login. Default: what ssh's own configuration says
    pub user: Option<At<String>>,
    /// The port. Default: what ssh's own configuration says
    #[schemars(range(min = 1))]
    pub port: Option<At<u16>>,
    /// True for a directory of this machine: a mounted share, or the node itself.
    /// Default: false
    pub local: Option<bool>,
    /// Its directory for ISO files. Default: defaults.proxmox_default_iso_dir
    pub iso_dir: Option<At<String>>,
    /// Its directory for raw and qcow2 images. Default: defaults.proxmox_default_import_dir
    pub import_dir: Option<At<String>>,
    /// Its storage of Proxmox VE for ISO files, instead of iso_dir. Default:
    /// defaults.proxmox_default_iso_storage
    pub iso_storage: Option<At<String>>,
    /// Its storage of Proxmox VE for raw and qcow2 images, instead of import_dir.
    /// Default: defaults.proxmox_default_import_storage, or iso_storage
    pub import_storage: Option<At<String>>,
    /// A missing directory is created even if it is below no storage of the node.
    /// Default: defaults.push.create
    pub create: Option<bool>,
    /// Groups that orders can use (group: LABEL).
    pub labels: Option<Vec<At<String>>>,
    /// What no order wants any more is removed from it, where the order does not
    /// say otherwise. Default: defaults.prune
    pub prune: Option<bool>,
    /// The storage that its directories are on.
    pub storage: Option<At<String>>,
    /// Every node that names this storage sees the same files, so each is sent
    /// there once. Default: false
    pub shared: Option<At<bool>>,
    /// How the bytes of an image are sent to it, where the order does not say
    /// otherwise. Default: defaults.push.method
    #[schemars(extend("enum" = crate::model::PushMethod::ALL))]
    pub push_method: Option<At<String>>,
    /// Bytes per second to this node, such as 5MiB, or none. Default: none
    /// of its own
    pub bandwidth_limit: Option<At<String>>,
    /// The site it belongs to, one of sites.
    pub site: Option<At<String>>,
    /// The cluster it belongs to, one of clusters.
    pub cluster: Option<At<String>>,
    /// How it is reached: ssh or api. Default: as its cluster says, or ssh
    pub transport: Option<At<String>>,
    /// Its name in that cluster. Default: its name
    pub pve_name: Option<At<String>>,
    /// The directory on it with the configurations of all virtual machines, or
    /// false where there are none. Default: prune.vm_configs
    #[schemars(extend("type" = ["string", "boolean"]))]
    pub vm_configs: Option<At<String>>,
}

/// A place whose nodes are near each other and far from this machine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SiteShape {
    /// Its name; nodes say by it that they belong there.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// A node of the site: it receives over the slow link and sends on to its
    /// neighbours. Default: none, every node is served from here
    pub relay: Option<At<String>>,
    /// Options given to ssh on the relay, as a shell would split them.
    /// Default: -o BatchMode=yes
    pub ssh_opts: Option<At<String>>,
    /// Images sent into the site at once, 1 to 256. Default: no limit of its own
    #[schemars(range(min = 1, max = 256))]
    pub at_once: Option<At<u32>>,
}
