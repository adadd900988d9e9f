//! The composition root: settings in, live parts out.
//!
//! The only file that names the concrete upstream, cache and nodes. Whoever asks
//! for a pass gets one that is wired; nobody below knows where its parts are from.

#![expect(
    clippy::disallowed_methods,
    reason = "reads environment and clock once, for everyone below"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::cache::{Cache, CacheError};
use crate::conclude::manifest;
use crate::config::{self, ConfigError, Credentials, Settings, VerifyFactory, VersionsFrom};
use crate::daemon;
use crate::execute::Downloads;
use crate::facts::VersionKnowledge;
pub use crate::io::file::lock::DirLock;
use crate::model::{InventoryNode, NodeId, OrderSet, VmConfigs, visible_path};
use crate::nodes::{self, NodeError, NodesConfig, SystemNodes};
use crate::orders::{self, OrdersError};
use crate::plan::{
    Create, Naming, Policy, PrunePolicy, Retention, RunOptions, SharedStorages, TransportPolicy,
    VerifyPolicy,
};
use crate::reconcile::Reconciler;
use crate::store::StateDir;
use crate::upstream::{
    self, Authorization, CaFile, HttpFactory, ListSource, Upstream, UpstreamConfig, UpstreamError,
};

/// A reconciler of the real places.
pub type LiveReconciler = Reconciler<HttpFactory, SystemNodes>;

/// Whether anything may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is written anywhere, not even caches of our own.
    ReadOnly,
    /// A pass may write.
    ReadWrite,
}

/// Bytes that a download leaves free in the cache's file system.
const CACHE_RESERVE: u64 = 64 << 20;

/// The hidden directory in the cache for what is remembered of upstreams.
const STATE_DIR: &str = ".talos-order";

/// The directory in the state directory for ssh's sockets.
const CONNECTIONS: &str = "ssh";

/// How long, in seconds, files are read back in one pass at the configured rate.
const READ_BACK_SECONDS: u64 = 300;

/// How long to wait before the first retry of a request; it doubles with each.
const BACKOFF: Duration = Duration::from_secs(1);

/// Why the program could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The orders are not there.
    #[error(transparent)]
    Orders(#[from] OrdersError),
    /// No orders were named.
    #[error("no orders are named")]
    NoOrders,
    /// The upstream's client could not be made.
    #[error("cannot prepare for the Image Factory")]
    Upstream(#[source] UpstreamError),
    /// The nodes' programs could not be prepared.
    #[error("cannot prepare for the nodes")]
    Nodes(#[source] NodeError),
    /// Another run holds the cache, or it cannot be written.
    #[error("cannot take the cache")]
    Cache(#[source] CacheError),
}

impl StartError {
    /// What a person can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint().map(str::to_owned),
            Self::Orders(error) => Some(error.hint().to_owned()),
            Self::NoOrders => Some("name a file or a directory with --orders PATH".to_owned()),
            Self::Upstream(error) => error.hint().map(str::to_owned),
            Self::Nodes(error) => error.hint(),
            Self::Cache(error) => error.hint().map(str::to_owned),
        }
    }
}

/// The program, configured.
pub struct App {
    settings: Settings,
    mode: Mode,
    cache: Arc<Cache>,
    reader: Mutex<orders::OrdersReader>,
}

impl App {
    /// Reads the configuration.
    ///
    /// # Errors
    /// When the named file is missing or anything in it is wrong.
    pub fn start(config: Option<&Path>, mode: Mode) -> Result<Self, StartError> {
        Ok(Self::with(config::load(config)?, mode))
    }

    /// Reads the configuration where its secrets need not be at hand: for checks
    /// that speak to nobody.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn offline(config: Option<&Path>) -> Result<Self, StartError> {
        let settings = config::load_without_secrets(config)?;
        Ok(Self::with(settings, Mode::ReadOnly))
    }

    fn with(settings: Settings, mode: Mode) -> Self {
        let cache = Cache::new(settings.cache_dir.clone());
        let cache = cache.accepting_up_to(settings.limits.image_size);
        let cache = Arc::new(cache.unpacking_at_once(settings.limits.downloads));
        Self {
            settings,
            mode,
            cache,
            reader: Mutex::default(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The controller's files, whether there are any or not.
    pub fn state(&self) -> StateDir {
        StateDir::new(&self.settings.state_dir)
    }

    /// The time; read here and handed down.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Loads the orders; those that did not change since the last time are the same.
    ///
    /// # Errors
    /// When no path is named, or it cannot be read at all. Problems inside are
    /// part of the answer.
    pub fn orders(&self, path: Option<&Path>) -> Result<Arc<OrderSet>, StartError> {
        let path = path.ok_or(StartError::NoOrders)?;
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(reader.load(path, &self.settings.orders)?)
    }

    /// Takes the cache for this run.
    ///
    /// # Errors
    /// When another run holds it for longer than `wait`, or it cannot be written.
    pub async fn lock(&self, wait: Duration) -> Result<DirLock, StartError> {
        self.cache.lock(wait).await.map_err(StartError::Cache)
    }

    /// Wires the three places. Serves every run until the settings change.
    ///
    /// # Errors
    /// When the clients cannot be made.
    pub fn reconciler(&self) -> Result<LiveReconciler, StartError> {
        let settings = &self.settings;
        let factory = HttpFactory::new(&self.upstream_config()).map_err(StartError::Upstream)?;
        let nodes = SystemNodes::new(NodesConfig {
            ssh_opts: settings.push.ssh_opts.clone(),
            rsync_opts: settings.push.rsync_opts.clone(),
            connect: settings.limits.connect,
            idle: settings.limits.idle,
            look: settings.limits.look,
            control_dir: self.connections(),
            sessions: settings.limits.nodes,
            owner: settings.owner.clone(),
            instance: self.instance(),
            lease: nodes::LEASE,
            verify_rate: settings.verify.rate,
            vm_configs: directory(&settings.prune.vm_configs),
            vm_configs_of: self.vm_configs_of(),
            bandwidth: settings.push.bandwidth,
            bandwidth_of: self.of_nodes(|entry| entry.bandwidth_limit),
        })
        .map_err(StartError::Nodes)?;
        let target = settings.manifest.clone();
        Ok(Reconciler {
            factory: Arc::new(factory),
            cache: Arc::clone(&self.cache),
            nodes: Arc::new(nodes),
            naming: Naming {
                template: settings.naming.clone(),
                factory_url: settings.factory.url.to_string(),
            },
            policy: self.policy(),
            context: self.context(),
            manifest_path: Box::new(move |order, customer| target.path(order, customer)),
            downloads: Arc::new(Downloads::new(settings.limits.downloads)),
            nodes_at_once: settings.limits.nodes,
        })
    }

    /// What leases on nodes are taken for, beside the owner. A look takes none, and a
    /// name that cannot be kept serves once: then what a crash leaves behind is waited
    /// for until it expires.
    fn instance(&self) -> String {
        let made = || format!("{:016x}", fastrand::u64(..));
        match self.mode {
            Mode::ReadOnly => made(),
            Mode::ReadWrite => self.cache.instance().unwrap_or_else(|error| {
                tracing::warn!(reason = %error, "cannot keep a name for the cache");
                made()
            }),
        }
    }

    /// Where open connections to nodes are for the next pass to find. A dry run
    /// leaves nothing behind.
    fn connections(&self) -> Option<PathBuf> {
        match self.mode {
            Mode::ReadOnly => None,
            Mode::ReadWrite => {
                let dir = self.settings.state_dir.join(CONNECTIONS);
                std::path::absolute(dir).ok()
            }
        }
    }

    /// Asks for the released versions.
    ///
    /// # Errors
    /// When the client cannot be made; that no source answers is part of the answer.
    pub async fn versions(&self) -> Result<VersionKnowledge, StartError> {
        let factory = HttpFactory::new(&self.upstream_config()).map_err(StartError::Upstream)?;
        Ok(factory.versions().await)
    }

    fn upstream_config(&self) -> UpstreamConfig {
        let settings = &self.settings;
        UpstreamConfig {
            factory: settings.factory.url.clone(),
            authorization: authorization(&settings.factory.credentials),
            ca: settings
                .factory
                .ca
                .clone()
                .map(|(path, pem)| CaFile { path, pem }),
            verify: verify(&settings.factory.verify),
            github: settings.github.api_url.clone(),
            github_token: settings.github.token.clone(),
            versions: settings.versions.iter().map(source).collect(),
            state_dir: settings.cache_dir.join(STATE_DIR),
            read_only: self.mode == Mode::ReadOnly,
            connect: settings.limits.connect,
            first_byte: settings.limits.first_byte,
            idle: settings.limits.idle,
            least_rate: settings.limits.least_rate,
            rate_window: settings.limits.rate_window,
            builds: settings.limits.builds,
            retries: settings.limits.retries,
            backoff: BACKOFF,
        }
    }

    fn policy(&self) -> Policy {
        let cache = &self.settings.cache_policy;
        Policy {
            retention: Retention {
                keep_versions: cache.enabled.then_some(cache.keep_versions),
                orphan_grace_seconds: seconds(cache.orphan_grace),
            },
            node_reserve: nodes::RESERVE,
            cache_reserve: CACHE_RESERVE,
            prune: self.prune_policy(),
            shared: self.shared_storages(),
            create: Create {
                default: self.settings.push.create,
                nodes: self.of_nodes(|entry| entry.create),
            },
            transport: self.transport(),
        }
    }

    fn prune_policy(&self) -> PrunePolicy {
        let prune = &self.settings.prune;
        PrunePolicy {
            owner: self.settings.owner.clone(),
            default: prune.enabled,
            nodes: self.of_nodes(|entry| entry.prune),
            keep_versions: prune.keep_versions,
            grace_seconds: seconds(prune.grace),
            max_files: prune.max_files as usize,
            max_percent: prune.max_percent,
        }
    }

    /// The nodes that see a shared storage.
    fn shared_storages(&self) -> SharedStorages {
        let nodes = &self.settings.orders.inventory.nodes;
        let shared = nodes.iter().filter_map(|entry| {
            let storage = entry.storage.as_ref().filter(|storage| storage.shared)?;
            Some((entry.node.id.clone(), storage.name.clone()))
        });
        SharedStorages {
            of_nodes: shared.collect(),
        }
    }

    /// How images are sent.
    fn transport(&self) -> TransportPolicy {
        let push = &self.settings.push;
        TransportPolicy {
            default: push.method,
            nodes: self.of_nodes(|entry| entry.push_method),
            proof: push.proof,
            rsync_opts_set: push.rsync_opts_set,
            network: self.settings.network.clone(),
        }
    }

    /// Where single nodes keep the configurations of virtual machines.
    fn vm_configs_of(&self) -> BTreeMap<NodeId, Option<String>> {
        self.of_nodes(|entry| entry.vm_configs.as_ref().map(directory))
    }

    /// What the nodes of the inventory say of one thing, where they say anything.
    fn of_nodes<T>(&self, say: impl Fn(&InventoryNode) -> Option<T>) -> BTreeMap<NodeId, T> {
        let nodes = self.settings.orders.inventory.nodes.iter();
        nodes
            .filter_map(|entry| Some((entry.node.id.clone(), say(entry)?)))
            .collect()
    }

    /// What one run is asked for: an empty cache to begin with, where somebody says so
    /// now or the configuration says so of every run, and to read back what is due.
    pub fn run_options(&self, purge: bool, read_back: bool) -> RunOptions {
        RunOptions {
            purge: purge || self.settings.cache_policy.purge_before,
            verify: read_back.then(|| self.verify_policy()),
        }
    }

    /// What a deep verification reads: what is older than the configuration says,
    /// as much as five minutes allow at the configured rate.
    fn verify_policy(&self) -> VerifyPolicy {
        let verify = &self.settings.verify;
        VerifyPolicy {
            max_age_seconds: seconds(verify.max_age),
            budget_bytes: verify
                .rate
                .map_or(u64::MAX, |rate| rate.saturating_mul(READ_BACK_SECONDS)),
        }
    }

    /// When the loop does passes.
    pub fn schedule(&self) -> daemon::Schedule {
        let reconcile = &self.settings.reconcile;
        let cron = reconcile.cron.as_deref().and_then(|pattern| {
            // Checked when the configuration was read.
            daemon::Cron::parse(pattern, reconcile.time_zone.as_deref()).ok()
        });
        daemon::Schedule {
            interval: reconcile.interval,
            jitter: f64::from(reconcile.jitter) / 100.0,
            cron,
            versions: Some(reconcile.versions_interval),
            verify: reconcile.verify_interval,
            verify_cron: None,
        }
    }

    /// How the loop watches the orders.
    pub fn watching(&self) -> daemon::Watching {
        let reconcile = &self.settings.reconcile;
        daemon::Watching {
            quiet: reconcile.debounce,
            longest: reconcile.debounce * 5,
            poll: reconcile.poll,
        }
    }

    fn context(&self) -> manifest::Context {
        let settings = &self.settings;
        let url = &settings.factory.url;
        let host = url.host_str().unwrap_or_default();
        manifest::Context {
            source_config: settings.source.as_deref().map(shown),
            // Each run has its own.
            revision: None,
            // A directory that is gone leaves the names as they were given.
            working_dir: std::env::current_dir().unwrap_or_default(),
            cache_dir: shown(&settings.cache_dir),
            cache_policy: manifest::CachePolicyForm {
                enabled: settings.cache_policy.enabled,
                keep_versions: settings.cache_policy.keep_versions,
                purge_before: settings.cache_policy.purge_before,
            },
            naming: settings.naming.clone(),
            factory_host: match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            },
        }
    }
}

/// Whole seconds, as the planner counts them.
fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn directory(configs: &VmConfigs) -> Option<String> {
    match configs {
        VmConfigs::In(dir) => Some(dir.to_string()),
        VmConfigs::Nowhere => None,
    }
}

fn shown(path: &Path) -> String {
    visible_path(path)
}

fn authorization(credentials: &Credentials) -> Authorization {
    match credentials {
        Credentials::None => Authorization::None,
        Credentials::Basic { username, password } => Authorization::Basic {
            username: username.clone(),
            password: password.clone(),
        },
        Credentials::Bearer(token) => Authorization::Bearer(token.clone()),
    }
}

fn verify(verify: &VerifyFactory) -> upstream::Verify {
    match verify {
        VerifyFactory::None => upstream::Verify::None,
        VerifyFactory::Offered => upstream::Verify::Offered,
        VerifyFactory::Checksum => upstream::Verify::Checksum,
        VerifyFactory::Signature(key) => upstream::Verify::Signature { key: key.clone() },
    }
}

fn source(from: &VersionsFrom) -> ListSource {
    match from {
        VersionsFrom::Factory => ListSource::Factory,
        VersionsFrom::Github => ListSource::Github,
    }
}
