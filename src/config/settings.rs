//! The configuration as used: validated, complete, plain values.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::fleet::FleetSettings;
use super::notifications::NotificationSettings;
use super::store::StoreSettings;
use crate::bucket::BucketSettings;
use crate::model::{
    ApiTransport, ClusterName, Credentials, Fingerprint, GitSource, Hook, ImageTrust, Invalid,
    ListSource, ListenAddress, NameTemplate, Network, NodeId, NodeTransport, OrderDefaults,
    OrderId, Proof, PushMethod, Rollout, SiteName, TokenId, VmConfigs, WebToken, Windows,
};

/// Everything that a run can be told by configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The configuration file, as manifests and messages name it; `None` if none
    /// was found and every value is a default.
    pub source: Option<PathBuf>,
    /// Where the orders are, unless the command line says; `None` if nothing does.
    pub orders_path: Option<PathBuf>,
    /// The repository that they are fetched from instead of a path.
    pub orders_git: Option<GitSource>,
    /// Where images are kept.
    pub cache_dir: PathBuf,
    /// What goes from the cache, and when.
    pub cache_policy: CachePolicy,
    /// What orders fall back on, and the nodes they can name.
    pub orders: OrderDefaults,
    /// How file names are made.
    pub naming: NameTemplate,
    /// Where manifests go.
    pub manifest: ManifestTarget,
    /// The Image Factory.
    pub factory: FactorySettings,
    /// The repository of Talos.
    pub github: GithubSettings,
    /// Who is asked for versions, in this order.
    pub versions: Vec<ListSource>,
    /// How images reach nodes.
    pub push: PushSettings,
    /// Which nodes are near each other.
    pub network: Network,
    /// The clusters that are reached through the API.
    pub clusters: BTreeMap<ClusterName, ClusterSettings>,
    /// Where nodes that are reached through the API load images from.
    pub file_server: FileServerSettings,
    /// How much happens at once, and how long things may take.
    pub limits: LimitSettings,
    /// What the controllers of a fleet share; `None` for a single controller.
    pub store: Option<StoreSettings>,
    /// The sites that this controller serves together with others; `None` for a single one.
    pub fleet: Option<FleetSettings>,
    /// The name of this controller, for the records on nodes; of the alphabet of
    /// node names.
    pub owner: String,
    /// Where the controller keeps what it remembers.
    pub state_dir: PathBuf,
    /// When runs start.
    pub reconcile: ReconcileSettings,
    /// What goes from nodes.
    pub prune: PruneSettings,
    /// When pushes and prunes may begin, where the order does not say.
    pub windows: Windows,
    /// By which rings new images go to nodes, where an order does not say.
    pub rollout: Rollout,
    /// How files are read back.
    pub verify: VerifySettings,
    /// The status page.
    pub web: WebSettings,
    /// The buckets among the nodes.
    pub buckets: BTreeMap<NodeId, BucketSettings>,
    /// Who is told of what.
    pub notifications: NotificationSettings,
}

/// The status page, metrics and hooks.
#[derive(Debug, Clone, Default)]
pub struct WebSettings {
    /// Where they are served; `None` for nowhere.
    pub listen: Option<ListenAddress>,
    /// Who may act; `None` where the page is read-only.
    pub tokens: Option<Vec<WebToken>>,
    /// Host names under which it may be asked for, in lower case.
    pub hosts: Vec<String>,
    /// What can be called to make the controller look.
    pub hooks: Vec<Hook>,
    /// The URL under which people reach it.
    pub external_url: Option<Url>,
}

/// How the API of a cluster is reached.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The URLs of its nodes, at least one, in the order of preference. HTTP is for this
    /// machine only.
    pub endpoints: Vec<Url>,
    /// Whose token it is.
    pub token_id: TokenId,
    /// Its secret; `None` where secrets are not needed.
    pub token: Option<SecretString>,
    /// How an endpoint proves who it is.
    pub trust: ClusterTrust,
    /// How images reach those of its nodes that do not say.
    pub transport: NodeTransport,
    /// It is asked for its nodes.
    pub discover: bool,
    /// The site of its nodes, where they do not say.
    pub site: Option<SiteName>,
    /// How images reach its nodes through the API.
    pub api: ApiTransport,
}

/// Where nodes that are reached through the API load images from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileServerSettings {
    /// The address to listen at; `None` for that of the route to the cluster.
    pub address: Option<IpAddr>,
    /// The port; 0 for any.
    pub port: u16,
    /// The URL under which nodes reach it, where that is another.
    pub url: Option<Url>,
}

/// How an endpoint of a cluster proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterTrust {
    /// By a certificate of an authority that the system trusts.
    System,
    /// By a certificate of one of these authorities.
    Authorities {
        /// The file that they are from.
        path: PathBuf,
        /// Its content.
        pem: Vec<u8>,
    },
    /// By having this certificate.
    Fingerprint(Fingerprint),
}

/// When runs start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcileSettings {
    /// How long after a run the next one begins; `None` only where `cron` is given.
    pub interval: Option<Duration>,
    /// By how many per cent an interval varies, 0 to 50.
    pub jitter: u32,
    /// When further runs start; accepted by `croner`.
    pub cron: Option<String>,
    /// The IANA name of the time zone of `cron`, known to this machine; `None` for
    /// the machine's own.
    pub time_zone: Option<String>,
    /// How long the orders must be quiet before a change starts a run.
    pub debounce: Duration,
    /// How often the orders are looked through for changes that were not told.
    pub poll: Duration,
    /// How often released versions are listed.
    pub versions_interval: Duration,
    /// How often due files are verified; `None` for never.
    pub verify_interval: Option<Duration>,
}

/// What goes from nodes, where neither order nor node say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneSettings {
    /// Anything goes at all (`defaults.prune`).
    pub enabled: bool,
    /// How many files one run prunes from a node.
    pub max_files: u32,
    /// The same in per cent of the files placed there, 0 to 100; the larger counts.
    pub max_percent: u32,
    /// How long a file stays that no order wants any more.
    pub grace: Duration,
    /// How many versions of a family stay; at least 1.
    pub keep_versions: u32,
    /// Where a node keeps the configurations of virtual machines.
    pub vm_configs: VmConfigs,
}

/// How delivered and cached files are read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifySettings {
    /// Bytes per second; `None` for no limit. Never 0.
    pub rate: Option<u64>,
    /// How long ago a file was read back at most.
    pub max_age: Duration,
}

/// What goes from the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachePolicy {
    /// Retention is on.
    pub enabled: bool,
    /// How many versions of a family are kept; at least 1.
    pub keep_versions: u32,
    /// The cache is emptied before every run.
    pub purge_before: bool,
    /// How long a family that no order refers to is kept.
    pub orphan_grace: Duration,
}

/// Where manifests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestTarget {
    /// A path with `{orderid}` (and `{customer}`) in it; made by
    /// [`ManifestTarget::template`] only.
    Template(String),
    /// `manifest-<orderid>.yaml` in a directory.
    Dir(PathBuf),
    /// A path into which `-<orderid>` is put before the extension.
    Path(PathBuf),
    /// `manifest-<orderid>.yaml` in the working directory.
    WorkingDir,
}

const ORDERID: &str = "{orderid}";
const CUSTOMER: &str = "{customer}";
/// What stands for the customer of an order that names none.
const NO_CUSTOMER: &str = "no-customer";

impl ManifestTarget {
    /// A template for paths, checked: `{orderid}` must be in it, since every order
    /// has a manifest of its own.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub fn template(text: &str) -> Result<Self, Invalid> {
        let rest = text.replace(ORDERID, "").replace(CUSTOMER, "");
        if rest.contains(['{', '}']) {
            return Err(Invalid::new(format!(
                "manifest template {text:?} has a {{part}} that is not known; expected \
                 {ORDERID} and {CUSTOMER}"
            )));
        }
        if !text.contains(ORDERID) {
            return Err(Invalid::new(format!(
                "manifest template {text:?} lacks {ORDERID}: all orders would share one manifest"
            ))
            .hint("such as /var/lib/talos-order/{orderid}.yaml"));
        }
        if text.contains("}{") {
            return Err(Invalid::new(format!(
                "manifest template {text:?} needs a separator between its parts"
            )));
        }
        if text.ends_with('/') {
            return Err(Invalid::new(format!(
                "manifest template {text:?} names a directory, not a file"
            )));
        }
        Ok(Self::Template(text.to_owned()))
    }

    /// The path of an order's manifest.
    pub fn path(&self, order: &OrderId, customer: Option<&str>) -> PathBuf {
        let name = format!("manifest-{order}.yaml");
        match self {
            Self::Template(template) => {
                let customer = as_path_part(customer.unwrap_or(NO_CUSTOMER));
                PathBuf::from(
                    template
                        .replace(CUSTOMER, &customer)
                        .replace(ORDERID, order.as_str()),
                )
            }
            Self::Dir(dir) => dir.join(name),
            Self::Path(path) => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                let name = match path.extension() {
                    Some(ext) => format!("{stem}-{order}.{}", ext.to_string_lossy()),
                    None => format!("{stem}-{order}"),
                };
                path.with_file_name(name)
            }
            Self::WorkingDir => PathBuf::from(name),
        }
    }
}

/// A free text as one harmless part of a path: no separator, no `..`, no hidden
/// name. Two customers may become one text; the order's id keeps paths apart.
fn as_path_part(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let part: String = text
        .trim()
        .chars()
        .take(64)
        .map(|c| if safe(c) { c } else { '-' })
        .collect();
    let part = part.trim_start_matches(['.', '-']);
    if part.is_empty() { NO_CUSTOMER } else { part }.to_owned()
}

/// The Image Factory.
#[derive(Debug, Clone)]
pub struct FactorySettings {
    /// Its base URL, with a trailing slash.
    pub url: Url,
    /// How requests are authorised.
    pub credentials: Credentials,
    /// Certificates that are trusted besides the system's: the file and what is in it.
    pub ca: Option<(PathBuf, Vec<u8>)>,
    /// What has to vouch for an image.
    pub verify: ImageTrust,
}

/// The repository of Talos.
#[derive(Debug, Clone)]
pub struct GithubSettings {
    /// The API's base URL, with a trailing slash.
    pub api_url: Url,
    /// A token, which raises the rate limit.
    pub token: Option<SecretString>,
}

/// How images reach nodes. Words for ssh and rsync are split as a shell would, and
/// run without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushSettings {
    /// `defaults.push.ssh_opts`.
    pub ssh_opts: Vec<String>,
    /// `defaults.push.rsync_opts`.
    pub rsync_opts: Vec<String>,
    /// Those are not the default ones.
    pub rsync_opts_set: bool,
    /// How bytes are sent, where neither order nor node say otherwise.
    pub method: PushMethod,
    /// How it is proven that they arrived.
    pub proof: Proof,
    /// How many are sent in a second to all nodes together; `None` for no limit.
    /// Never 0.
    pub bandwidth: Option<u64>,
    /// Missing directories are made wherever they are, where a node does not say
    /// otherwise.
    pub create: bool,
}

/// How much happens at once, and how long things may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// Downloads at once.
    pub downloads: usize,
    /// Nodes worked on at once.
    pub nodes: usize,
    /// How long to wait for the first byte of an image, which may have to be built.
    pub first_byte: Duration,
    /// How long a transfer may make no progress.
    pub idle: Duration,
    /// Bytes per second that an image comes with at least; 0 for no such limit.
    pub least_rate: u64,
    /// The time over which that is measured.
    pub rate_window: Duration,
    /// Images that are waited for at once until their first byte comes.
    pub builds: usize,
    /// How long to wait for a connection to a node or an upstream.
    pub connect: Duration,
    /// How long a look at a node may take altogether.
    pub look: Duration,
    /// How many times a transfer is resumed before the step fails.
    pub retries: u32,
    /// The largest image that is accepted, packed or not, in bytes; never 0.
    pub image_size: u64,
}
