//! How the upstream and the nodes are reached, from the settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::policies::of_nodes;
use crate::bucket::{Bucket, BucketError, BucketSettings};
use crate::config::Settings;
use crate::model::{NodeId, SiteName, VmConfigs};
use crate::nodes::{
    self, ApiNode, ApiNodesConfig, Authority, BucketNodesConfig, FileServerConfig, KeepOpen,
    NodesConfig,
};
use crate::upstream::{CaFile, RequestTally, UpstreamConfig};

/// The hidden directory in the cache for what is remembered of upstreams.
const STATE_DIR: &str = ".talos-order";

/// How long to wait before the first retry of a request; it doubles with each.
const BACKOFF: Duration = Duration::from_secs(1);

/// The upstream; `read_only` keeps it from writing what it learns, and `tally` counts what
/// it is asked.
pub(super) fn upstream(
    settings: &Settings,
    read_only: bool,
    tally: &RequestTally,
) -> UpstreamConfig {
    UpstreamConfig {
        factory: settings.factory.url.clone(),
        authorization: settings.factory.credentials.clone(),
        ca: settings
            .factory
            .ca
            .clone()
            .map(|(path, pem)| CaFile { path, pem }),
        verify: settings.factory.verify.clone(),
        github: settings.github.api_url.clone(),
        github_token: settings.github.token.clone(),
        versions: settings.versions.clone(),
        state_dir: settings.cache_dir.join(STATE_DIR),
        read_only,
        connect: settings.limits.connect,
        first_byte: settings.limits.first_byte,
        idle: settings.limits.idle,
        least_rate: settings.limits.least_rate,
        rate_window: settings.limits.rate_window,
        builds: settings.limits.builds,
        retries: settings.limits.retries,
        backoff: BACKOFF,
        tally: tally.clone(),
    }
}

/// The authorities over the sites that are served. They outlive a reading of the
/// configuration.
pub(super) fn authorities(settings: &Settings) -> BTreeMap<SiteName, Authority> {
    let sites = settings.fleet.iter().flat_map(|fleet| &fleet.sites);
    let of = |site: &SiteName| (site.clone(), Authority::of_site(site.clone()));
    sites.map(of).collect()
}

/// Under which authority nodes are changed.
pub(super) struct NodeAuthorities {
    /// Over the nodes of the inventory.
    nodes: BTreeMap<NodeId, Authority>,
    /// Over those that only their cluster knows.
    others: Authority,
}

impl NodeAuthorities {
    /// `sites` are those that are served. A node of another site is not worked on, and has
    /// an authority that nobody grants.
    pub(super) fn new(settings: &Settings, sites: &BTreeMap<SiteName, Authority>) -> Self {
        let of_site = |site: &SiteName| {
            let served = sites.get(site).cloned();
            served.unwrap_or_else(|| Authority::of_site(site.clone()))
        };
        let nodes = match settings.fleet {
            Some(_) => of_nodes(settings, |entry| entry.site.as_ref().map(of_site)),
            None => BTreeMap::new(),
        };
        // With several sites no cluster is asked for its nodes.
        let first = sites.values().next().cloned();
        Self {
            nodes,
            others: first.unwrap_or_else(Authority::single),
        }
    }
}

/// How many connections a controller keeps open between its runs. Each takes about 1.5 MiB
/// here and up to 10 MiB on its node.
const KEPT_CONNECTIONS: usize = 64;

/// The longest time between two runs over which it does so.
const LONGEST_KEPT: Duration = Duration::from_secs(3600);

/// What a run may begin later than it should, or take until it uses a connection.
const LATE: Duration = Duration::from_secs(120);

/// How long a controller that runs as the settings say keeps connections open.
pub(super) fn kept_open(settings: &Settings, nodes: usize) -> KeepOpen {
    let reconcile = &settings.reconcile;
    // With a schedule nobody knows how long the next pause is.
    let interval = reconcile.interval.filter(|_| reconcile.cron.is_none());
    match interval {
        Some(interval) if interval <= LONGEST_KEPT && nodes <= KEPT_CONNECTIONS => {
            let late = interval * reconcile.jitter / 100;
            KeepOpen::WhileAlive(interval + late + LATE)
        }
        _ => KeepOpen::Briefly,
    }
}

/// The nodes; `instance` is what leases are taken for beside the owner, and
/// `connections` where open connections are kept for others.
pub(super) fn nodes(
    settings: &Settings,
    instance: String,
    connections: Option<PathBuf>,
    keep_open: KeepOpen,
    over: &NodeAuthorities,
) -> NodesConfig {
    NodesConfig {
        ssh_opts: settings.push.ssh_opts.clone(),
        rsync_opts: settings.push.rsync_opts.clone(),
        connect: settings.limits.connect,
        idle: settings.limits.idle,
        look: settings.limits.look,
        control_dir: connections,
        keep_open,
        sessions: settings.limits.nodes,
        owner: settings.owner.clone(),
        instance,
        lease: nodes::LEASE,
        verify_rate: settings.verify.rate,
        vm_configs: directory(&settings.prune.vm_configs),
        vm_configs_of: vm_configs_of(settings),
        bandwidth: settings.push.bandwidth,
        bandwidth_of: of_nodes(settings, |entry| entry.bandwidth_limit),
        authority: over.others.clone(),
        authority_of: over.nodes.clone(),
        machine_epochs: nodes::MACHINE_EPOCHS.to_owned(),
    }
}

/// How long what was seen of virtual machines serves the looks at the other nodes of their
/// cluster: as long as one look at all of them may take.
const USAGE_AGE: Duration = Duration::from_secs(60);

/// The same for its nodes and storages: they are asked for at the beginning of a look.
const CLUSTER_AGE: Duration = Duration::from_secs(2);

/// How nodes are served through the API.
pub(super) fn api_nodes(
    settings: &Settings,
    nodes: BTreeMap<NodeId, ApiNode>,
    over: &NodeAuthorities,
) -> ApiNodesConfig {
    let server = &settings.file_server;
    ApiNodesConfig {
        nodes,
        owner: settings.owner.clone(),
        look: settings.limits.look,
        usage_age: USAGE_AGE,
        cluster_age: CLUSTER_AGE,
        server: FileServerConfig {
            address: server.address,
            port: server.port,
            public_url: server.url.clone(),
            bandwidth: settings.push.bandwidth,
        },
        authority: over.others.clone(),
        authority_of: over.nodes.clone(),
    }
}

/// How nodes that are buckets are served.
pub(super) fn buckets(
    settings: &Settings,
    over: &NodeAuthorities,
) -> Result<BucketNodesConfig, BucketError> {
    let buckets = settings.buckets.iter();
    let open = |(node, bucket): (&NodeId, &BucketSettings)| {
        Ok((node.clone(), Bucket::open(bucket)?.of_node()))
    };
    Ok(BucketNodesConfig {
        nodes: buckets.map(open).collect::<Result<_, _>>()?,
        owner: settings.owner.clone(),
        look: settings.limits.look,
        authority: over.others.clone(),
        authority_of: over.nodes.clone(),
    })
}

/// Where single nodes keep the configurations of virtual machines.
fn vm_configs_of(settings: &Settings) -> BTreeMap<NodeId, Option<String>> {
    of_nodes(settings, |entry| entry.vm_configs.as_ref().map(directory))
}

fn directory(configs: &VmConfigs) -> Option<String> {
    match configs {
        VmConfigs::In(dir) => Some(dir.to_string()),
        VmConfigs::Nowhere => None,
    }
}
