//! The composition root: settings in, live parts out.
//!
//! The only room that names the concrete upstream, cache and nodes. Whoever asks
//! for a reconciler gets one that is wired; nobody below knows where its parts are from.

#![expect(
    clippy::disallowed_methods,
    reason = "reads environment and clock once for all other rooms"
)]

mod bucket_use;
mod cluster_use;
mod deliveries;
mod error;
mod fleet;
mod instructions;
mod orders_at;
mod outbox;
mod places;
mod policies;
mod remote_script;
mod requests;
mod shared;
mod sites;
mod survey;
mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;

use crate::cache::Cache;
use crate::conclude::manifest;
use crate::config::{self, Settings};
use crate::daemon;
use crate::execute::Downloads;
use crate::facts::{CacheState, VersionKnowledge};
use crate::fleet::{FleetUpstream, SharedDeliveries, SiteReports};
pub(crate) use bucket_use::{BucketLook, BucketUse};
pub(crate) use cluster_use::{ClusterUse, StorageUse};
pub(crate) use deliveries::RecordsMoment;
pub(crate) use error::StartError;
pub(crate) use fleet::CERTIFICATE_DAYS;
pub(crate) use instructions::{InstructError, Instructions};
pub(crate) use orders_at::OrdersAt;
use places::NodeAuthorities;
pub(crate) use remote_script::run_script;

pub(crate) use crate::io::file::lock::DirLock;
use crate::model::{Node, Reach, SiteName, TalosVersion, visible_path};
use crate::nodes::{ApiNodes, Authority, BucketNodes, KeepOpen, NodesByReach, SystemNodes};
use crate::orders::{self};
use crate::plan::{Naming, RunOptions, Selection};
use crate::reconcile::Reconciler;
use crate::source::{GitOrders, SourceTally};
use crate::store::{FileRecords, StateDir, StateError};
use crate::upstream::{self, HttpFactory, RequestTally, Upstream};

/// A reconciler of the real places.
pub(crate) type LiveReconciler = Reconciler<FleetUpstream<HttpFactory>, NodesByReach>;

/// Whether anything may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing is written anywhere, not even caches of our own.
    ReadOnly,
    /// A run may write.
    ReadWrite,
}

/// The directory in the state directory for ssh's sockets.
const CONNECTIONS: &str = "ssh";

/// The directory in the state directory for what is fetched from git.
const SOURCE: &str = "git";

/// The file in the state directory with what was delivered to nodes of the API.
const DELIVERED: &str = "delivered.json";

/// The program, configured.
pub(crate) struct App {
    settings: Settings,
    mode: Mode,
    cache: Arc<Cache>,
    reader: Mutex<orders::OrdersReader>,
    /// The repository of the orders, where they are fetched.
    source: Option<Arc<GitOrders>>,
    /// The clusters, once somebody asks for them.
    fleet: OnceLock<fleet::Fleet>,
    /// What was delivered to nodes of the API, once somebody asks for it.
    records: OnceLock<Arc<FileRecords>>,
    /// The same as controllers of a fleet share it, once a run needs it.
    shared_records: OnceLock<SharedDeliveries>,
    tally: RequestTally,
    asked: SourceTally,
    /// Of the sites that are served in a fleet.
    authorities: BTreeMap<SiteName, Authority>,
    /// What the sites of a fleet say, once somebody asks.
    site_reports: OnceLock<SiteReports>,
}

impl App {
    /// Reads the configuration.
    ///
    /// # Errors
    /// When the named file is missing or anything in it is wrong.
    pub(crate) fn start(config: Option<&Path>, mode: Mode) -> Result<Self, StartError> {
        Ok(Self::with(config::load(config)?, mode))
    }

    /// Reads the configuration where its secrets need not be at hand: for checks
    /// that speak to nobody.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) fn offline(config: Option<&Path>) -> Result<Self, StartError> {
        let settings = config::load_without_secrets(config)?;
        Ok(Self::with(settings, Mode::ReadOnly))
    }

    fn with(settings: Settings, mode: Mode) -> Self {
        let cache = Cache::new(settings.cache_dir.clone());
        let cache = cache.accepting_up_to(settings.limits.image_size);
        let cache = Arc::new(cache.unpacking_at_once(settings.limits.downloads));
        let dir = settings.state_dir.join(SOURCE);
        let source = settings.orders_git.clone();
        let asked = SourceTally::default();
        let source = source.map(|source| {
            let mut git = GitOrders::new(source, dir);
            git.count_in(asked.clone());
            Arc::new(git)
        });
        Self {
            authorities: places::authorities(&settings),
            settings,
            mode,
            cache,
            source,
            reader: Mutex::default(),
            fleet: OnceLock::new(),
            records: OnceLock::new(),
            shared_records: OnceLock::new(),
            site_reports: OnceLock::new(),
            tally: RequestTally::default(),
            asked,
        }
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The controller's files, whether there are any or not.
    pub(crate) fn state(&self) -> StateDir {
        StateDir::new(&self.settings.state_dir)
    }

    /// The controller's files, to be read by its user or root.
    ///
    /// # Errors
    /// When they belong to somebody else and this user may not read them.
    pub(crate) fn readable_state(&self) -> Result<StateDir, StateError> {
        let state = self.state();
        state.check_owner()?;
        Ok(state)
    }

    /// What is in the cache.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn cached(&self) -> Result<CacheState, StartError> {
        self.cache.observe().map_err(StartError::Cache)
    }

    /// The time; read here and handed down.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Takes the cache for this run.
    ///
    /// # Errors
    /// When another run holds it for longer than `wait`, or it cannot be written.
    pub(crate) async fn lock(&self, wait: Duration) -> Result<DirLock, StartError> {
        self.cache.lock(wait).await.map_err(StartError::Cache)
    }

    /// True if a run holds the cache now; `None` where this user cannot tell.
    pub(crate) fn is_locked(&self) -> Option<bool> {
        self.cache.is_locked()
    }

    /// Wires the three places. Serves every run until the settings change.
    ///
    /// # Errors
    /// When the clients cannot be made.
    pub(crate) fn reconciler(&self) -> Result<LiveReconciler, StartError> {
        self.reconciler_with(match self.mode {
            // A dry run leaves nothing behind.
            Mode::ReadOnly => KeepOpen::Borrowed,
            Mode::ReadWrite => KeepOpen::Briefly,
        })
    }

    /// The same for a controller, which keeps connections open between its runs.
    ///
    /// # Errors
    /// As [`reconciler`](Self::reconciler).
    pub(crate) fn resident_reconciler(&self) -> Result<LiveReconciler, StartError> {
        let nodes = self.configured_nodes();
        let is_ssh = |node: &&Node| matches!(node.reach, Reach::Ssh { .. });
        let nodes = nodes.iter().filter(is_ssh).count();
        self.reconciler_with(places::kept_open(&self.settings, nodes))
    }

    fn reconciler_with(&self, keep_open: KeepOpen) -> Result<LiveReconciler, StartError> {
        let settings = &self.settings;
        let factory = HttpFactory::new(&self.upstream()).map_err(StartError::Upstream)?;
        let shared = shared::images(settings, &self.tally).map_err(StartError::Store)?;
        let dir = settings.state_dir.join(CONNECTIONS);
        let connections = std::path::absolute(dir).ok();
        let over = NodeAuthorities::new(settings, &self.authorities);
        let nodes = places::nodes(settings, self.instance(), connections, keep_open, &over);
        let system = SystemNodes::new(nodes).map_err(StartError::Nodes)?;
        let api = places::api_nodes(settings, self.known_nodes()?, &over);
        let records = self.records();
        let buckets =
            BucketNodes::new(places::buckets(settings, &over).map_err(StartError::Bucket)?);
        let nodes = NodesByReach::new(system, ApiNodes::new(api, records), buckets);
        let target = settings.manifest.clone();
        Ok(Reconciler {
            factory: Arc::new(FleetUpstream::new(factory, shared)),
            cache: Arc::clone(&self.cache),
            nodes: Arc::new(nodes),
            naming: Naming {
                template: settings.naming.clone(),
                factory_url: settings.factory.url.to_string(),
                qcow2_clusters: policies::qcow2_clusters(settings),
            },
            policy: policies::policy(settings),
            context: self.context(),
            manifest_path: Box::new(move |order, customer| target.path(order, customer)),
            clock: Box::new(Timestamp::now),
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
                tracing::warn!(reason = %error, "cannot record the name of the cache");
                made()
            }),
        }
    }

    /// Asks for the released versions.
    ///
    /// # Errors
    /// When the client cannot be made; that no source answers is part of the answer.
    pub(crate) async fn versions(&self) -> Result<VersionKnowledge, StartError> {
        let factory = HttpFactory::new(&self.upstream()).map_err(StartError::Upstream)?;
        Ok(factory.versions().await)
    }

    /// The versions of the last lists that came from upstream; asks nobody.
    pub(crate) fn known_versions(&self) -> BTreeSet<TalosVersion> {
        upstream::remembered_versions(&places::upstream(&self.settings, true, &self.tally))
    }

    /// What one run is asked for: an empty cache to begin with, where somebody says so
    /// now or the configuration says so of every run, and to read back what is due.
    pub(crate) fn run_options(&self, purge: bool, read_back: bool) -> RunOptions {
        RunOptions {
            purge: purge || self.settings.cache_policy.purge_before,
            verify: read_back.then(|| policies::verify_policy(&self.settings)),
            prunable: None,
            ignore_windows: Vec::new(),
            selection: Selection::default(),
            is_final: false,
        }
    }

    /// When the loop reconciles.
    pub(crate) fn schedule(&self) -> daemon::LoopSchedule {
        let reconcile = &self.settings.reconcile;
        let cron = reconcile.cron.as_deref().and_then(|pattern| {
            // Checked when the configuration was read.
            daemon::Cron::parse(pattern, reconcile.time_zone.as_deref()).ok()
        });
        daemon::LoopSchedule {
            interval: reconcile.interval,
            jitter: f64::from(reconcile.jitter) / 100.0,
            cron,
            versions: Some(reconcile.versions_interval),
            verify: reconcile.verify_interval,
            verify_cron: None,
        }
    }

    /// How the loop watches the orders.
    pub(crate) fn watching(&self) -> daemon::Watching {
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
            commit: None,
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

fn shown(path: &Path) -> String {
    visible_path(path)
}

#[cfg(test)]
mod tests;
