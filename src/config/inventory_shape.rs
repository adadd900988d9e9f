//! Nodes and sites as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::store_shape::BucketShape;
use crate::yaml::At;

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
    /// A bucket of an S3-compatible server takes the place of a machine: images are
    /// uploaded there for others to import. iso_dir and import_dir are prefixes in it.
    /// Default: none
    pub s3: Option<At<BucketShape>>,
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
