//! Golden scenarios: one directory a case, each a test of its own.
//!
//! `orders/` and an optional `config.yaml` are read as ever, `world.yaml` says
//! what is there, and `plan.txt` is the plan a user would see. Where a change
//! is meant, `SNAPSHOTS=overwrite cargo test --test scenarios` accepts it.

#![expect(clippy::disallowed_methods, reason = "reads the scenarios")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use talos_order::facts::{
    Catalog, Memory, Observed, Part, RecordEntry, Registration, StepId, StorageConfig, StorageRoot,
};
use talos_order::model::{
    ApiTransport, ArtifactId, ClusterName, Deletion, Dir, FileName, ImportFormat, NodeId, OrderId,
    PartName, SchematicId, Sha256, SiteName, TalosVersion,
};
use talos_order::plan::{
    Create, NamePattern, Naming, Policy, PrunePolicy, Retention, RunOptions, Selection,
    SharedStorages, TransportPolicy, VerifyPolicy, keep_raw, plan, render, render::PlanView,
    resolve,
};
use talos_order::{config, orders};

#[path = "support/expected.rs"]
mod expected;
#[path = "support/fleets.rs"]
mod fleets;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/places.rs"]
mod places;
#[path = "support/vms.rs"]
mod vms;

/// The world of a scenario, in as few words as possible.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct World {
    /// Released versions; none means that no source answers.
    versions: Option<BTreeSet<TalosVersion>>,
    /// Full schematic ids, for names that carry twelve digits.
    schematics: Vec<SchematicId>,
    /// The factory's own id for a computed one.
    renamed: BTreeMap<SchematicId, SchematicId>,
    /// Sizes the factory tells, by the last part of the URL.
    sizes: BTreeMap<String, u64>,
    /// Sizes of images in the store, by the last part of the URL.
    stored: BTreeMap<String, u64>,
    cache: BTreeMap<FileName, Cached>,
    foreign: BTreeSet<String>,
    /// Free bytes for downloads.
    cache_free: Option<u64>,
    partial: BTreeMap<FileName, u64>,
    nodes: BTreeMap<NodeId, NodeWorld>,
    /// Virtual machines of the nodes that were asked for them.
    vms: BTreeMap<NodeId, vms::NodeVmsWorld>,
    /// A line for each step.
    detailed: bool,
    /// After the plan, what each step waits for.
    needs: bool,
    purge: bool,
    /// Files that no order wants go from nodes.
    prune: bool,
    /// The only prunes from nodes that the run may do: those of its first plan.
    prunable: Option<BTreeSet<StepId>>,
    /// What the run is for; none means everything.
    select_orders: Vec<String>,
    select_nodes: Vec<String>,
    /// Files are read back once a day, 1500 bytes a run.
    verify: bool,
    /// The shared storage of a node.
    storages: BTreeMap<NodeId, String>,
    /// Bytes per second to a node, as measured in earlier runs.
    links: BTreeMap<NodeId, u64>,
    clusters: BTreeMap<ClusterName, ClusterWorld>,
    /// The sites that the run is for; none means all of them.
    serves: BTreeSet<SiteName>,
    /// What is known of other sites.
    fleet: Option<fleets::FleetWorld>,
    memory: Memory,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ClusterWorld {
    /// Why it does not answer.
    silent: Option<String>,
    /// What it calls its nodes, now or when it last answered.
    members: Option<BTreeSet<String>>,
    /// Orders name nodes that only it knows.
    named: bool,
    /// Its token may not let nodes load a URL.
    no_fetch: bool,
    /// Its token may not see virtual machines.
    no_vms: bool,
    /// The days for which the certificate of a node is valid yet.
    ending: BTreeMap<String, i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Cached {
    /// The length on record; the real one too unless `found` says otherwise.
    size: u64,
    found: Option<u64>,
    gone: bool,
    touched: bool,
    /// Why it is not a whole image.
    fault: Option<String>,
    /// The digests of files of this name that were not whole images.
    refuted: Vec<u8>,
    digest: u8,
    /// The bytes of it that are not zeros, where that is on record.
    data: Option<u64>,
    days_unwanted: i64,
    /// What the file is, where its name does not say so.
    url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NodeWorld {
    down: Option<String>,
    /// The programs it has; all that are asked for unless it says otherwise.
    tools: Option<BTreeSet<String>>,
    /// Files that virtual machines refer to.
    used: BTreeMap<String, BTreeSet<u32>>,
    /// Why the machines' configurations cannot be read.
    use_unknown: Option<String>,
    /// How it describes its storages; for a node that is down, how it did.
    described: Option<StorageConfig>,
    /// Why its storages cannot be known.
    undescribed: Option<String>,
    dirs: BTreeMap<Dir, DirWorld>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DirWorld {
    free: Option<u64>,
    mount: Option<String>,
    /// The directory is missing, and this one above it is there.
    nearest: Option<String>,
    root: Option<StorageRoot>,
    /// The node has Proxmox's directory for storage.cfg.
    proxmox: bool,
    silent: bool,
    inodes_full: bool,
    /// Why the record cannot be read; its files are foreign then.
    unread: Option<String>,
    files: BTreeMap<String, Found>,
    parts: BTreeMap<PartName, Part>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Found {
    size: u64,
    /// Not recorded by us.
    foreign: bool,
    /// The length on record, where it is another.
    recorded: Option<u64>,
    touched: bool,
    digest: u8,
    owner: Option<String>,
    /// The orders that it was placed for.
    orders: BTreeSet<OrderId>,
    deletion: Option<Deletion>,
    days: i64,
    /// The image's usual name, where the file has another.
    image: Option<FileName>,
}

const NOW: &str = "2026-06-01T12:00:00Z";
const FACTORY: &str = "https://factory.talos.dev/";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

impl World {
    fn observed(&self, wanted: &BTreeSet<ArtifactId>) -> Observed {
        Observed {
            fleet: self.fleet.as_ref().map(fleets::FleetWorld::view),
            catalog: Catalog {
                versions: self.knowledge(),
                schematics: self
                    .renamed
                    .iter()
                    .map(|(computed, id)| (*computed, Registration { id: *id }))
                    .collect(),
                sizes: wanted
                    .iter()
                    .filter_map(|artifact| {
                        let size = self.sizes.get(&artifact.factory_file())?;
                        Some((artifact.clone(), *size))
                    })
                    .collect(),
                stored: wanted
                    .iter()
                    .filter_map(|artifact| {
                        let size = self.stored.get(&artifact.factory_file())?;
                        Some((artifact.clone(), *size))
                    })
                    .collect(),
                clusters: self
                    .clusters
                    .iter()
                    .map(|(name, cluster)| (name.clone(), cluster.look()))
                    .collect(),
                storages: self
                    .nodes
                    .iter()
                    .filter_map(|(id, node)| Some((id.clone(), node.storages()?)))
                    .collect(),
            },
            cache: self.cache(),
            nodes: self
                .nodes
                .iter()
                .map(|(id, node)| (id.clone(), self.node(node)))
                .collect(),
            vms: vms::observed(&self.vms, now(), &|name| self.artifact(name)),
            memory: Memory {
                links: self.links(),
                ..self.memory.clone()
            },
            now: now(),
        }
    }

    fn entry(&self, name: &FileName, found: &Found) -> RecordEntry {
        RecordEntry {
            name: name.clone(),
            size: found.recorded.unwrap_or(found.size),
            mtime: 0,
            inode: 1,
            sha256: Sha256::from_bytes([found.digest; 32]),
            image_sha256: None,
            artifact: self.artifact(found.image.as_ref().unwrap_or(name)),
            orders: found.orders.clone(),
            owner: found.owner.clone().unwrap_or_else(|| "us".to_owned()),
            deletion: found.deletion,
            revision: None,
            placed_at: now() - SignedDuration::from_hours(24 * found.days),
        }
    }
}

fn run(dir: &Path) -> String {
    let read = |name: &str| std::fs::read_to_string(dir.join(name));
    let config_text = read("config.yaml").unwrap_or_default();
    let env = |name: &str| (name == "PVE_TOKEN").then(|| "secret".to_owned());
    let settings = config::parse("config.yaml", &config_text, &env).expect("a configuration");
    let orders = orders::load(&dir.join("orders"), &settings.orders).expect("orders");
    let mut orders = orders;
    let world: World = serde_yaml::from_str(&read("world.yaml").expect("world.yaml"))
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    if !world.serves.is_empty() {
        let inventory = &settings.orders.inventory;
        let site = |node: &NodeId| inventory.by_name(node).and_then(|node| node.site.as_ref());
        let serves = |node: &NodeId| site(node).is_some_and(|site| world.serves.contains(site));
        orders = orders.covering(serves, |_| false);
    }
    let clusters = settings.clusters.iter();
    let api: BTreeMap<ClusterName, ApiTransport> = clusters
        .map(|(name, cluster)| (name.clone(), cluster.api))
        .collect();
    let naming = Naming {
        template: settings.naming.clone(),
        factory_url: settings.factory.url.to_string(),
        qcow2_clusters: api
            .iter()
            .filter(|(_, api)| api.import_format == ImportFormat::Qcow2)
            .map(|(cluster, _)| cluster.clone())
            .collect(),
    };
    let nodes = settings.orders.inventory.nodes.iter();
    let policy = Policy {
        rollout: settings.rollout.clone(),
        retention: Retention {
            keep_versions: Some(settings.cache_policy.keep_versions),
            orphan_grace_seconds: settings.cache_policy.orphan_grace.as_secs() as i64,
        },
        node_reserve: 0,
        cache_reserve: 0,
        prune: PrunePolicy {
            owner: "us".to_owned(),
            default: world.prune,
            nodes: BTreeMap::new(),
            keep_versions: settings.cache_policy.keep_versions,
            grace_seconds: 24 * 3600,
            max_files: 5,
            max_percent: 20,
        },
        shared: SharedStorages {
            of_nodes: world.storages.clone(),
            ..SharedStorages::default()
        },
        create: Create {
            default: settings.push.create,
            nodes: nodes
                .clone()
                .filter_map(|entry| Some((entry.node.id.clone(), entry.create?)))
                .collect(),
        },
        transport: TransportPolicy {
            default: settings.push.method,
            nodes: nodes
                .filter_map(|entry| Some((entry.node.id.clone(), entry.push_method?)))
                .collect(),
            proof: settings.push.proof,
            api,
            rsync_opts_set: settings.push.rsync_opts_set,
            network: settings.network.clone(),
        },
        windows: settings.windows.clone(),
    };
    let options = RunOptions {
        purge: world.purge,
        verify: world.verify.then_some(VerifyPolicy {
            max_age_seconds: 24 * 3600,
            budget_bytes: 1500,
        }),
        prunable: world.prunable.clone(),
        selection: Selection {
            orders: patterns(&world.select_orders),
            nodes: patterns(&world.select_nodes),
        },
        ignore_windows: Vec::new(),
        is_final: false,
    };
    let first = resolve(&orders, &world.observed(&BTreeSet::new()).catalog, &naming);
    let observed = world.observed(&first.artifacts.keys().cloned().collect());
    let mut desired = resolve(&orders, &observed.catalog, &naming);
    keep_raw(&mut desired, &observed.nodes);
    let problems: String = orders
        .problems()
        .map(|problem| format!("problem: {}\n", problem.headline()))
        .collect();
    let problems = problems.replace(&format!("{}/", dir.display()), "");
    let plan = plan(&desired, &observed, &policy, &options);
    let view = PlanView {
        detailed: world.detailed,
        ..PlanView::default()
    };
    let mut text = problems + &render::render(&plan, &view);
    let waiting = plan.steps.iter().filter(|step| !step.needs.is_empty());
    for step in waiting.filter(|_| world.needs) {
        let needs: Vec<String> = step.needs.iter().map(|id| id.text().to_string()).collect();
        text.push_str(&format!(
            "\n{}\n  after: {}\n",
            step.id.text(),
            needs.join(", ")
        ));
    }
    text
}

fn patterns(texts: &[String]) -> Vec<NamePattern> {
    let patterns = texts.iter().map(|text| text.parse());
    patterns.collect::<Result<_, _>>().expect("a pattern")
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    expected::run_cases(&root, 100, "plan.txt", run);
}
