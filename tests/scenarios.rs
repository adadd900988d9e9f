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
    CacheState, CachedFile, Catalog, ClusterLook, DirState, EndingCertificate, Link, Memory, Meta,
    MissingPrivilege, NodeState, NodeStorages, Observed, Part, Provenance, RecordEntry, References,
    Registration, RemoteFile, StepId, StoppedWork, StorageConfig, StorageRoot, VersionKnowledge,
    VersionSource,
};
use talos_order::model::{
    ApiTransport, ArtifactId, ClusterName, DataDigest, Deletion, Dir, FileName, ImportFormat,
    NameTemplate, NodeId, PartName, SchematicId, Sha256, TalosVersion,
};
use talos_order::plan::{
    Create, NamePattern, Naming, Policy, PrunePolicy, Retention, RunOptions, Selection,
    SharedStorages, TransportPolicy, VerifyPolicy, keep_raw, plan, render, render::PlanView,
    resolve,
};
use talos_order::{config, orders};

#[path = "support/expected.rs"]
mod expected;
#[path = "support/machine.rs"]
mod machine;
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

impl ClusterWorld {
    fn look(&self) -> ClusterLook {
        let missing = |path: &str, privilege: &str, role: &str, stops| MissingPrivilege {
            token: "talos-order@pve!ctl".to_owned(),
            path: path.to_owned(),
            privileges: vec![privilege.to_owned()],
            role: role.to_owned(),
            command: format!("pveum acl modify {path} --roles {role}"),
            stops,
        };
        let fetch = StoppedWork::Deliveries(None);
        let fetch = missing("/nodes", "Sys.AccessNetwork", "TalosOrderFetch", fetch);
        let vms = missing("/vms", "VM.Audit", "TalosOrderUsage", StoppedWork::Pruning);
        let missing = [(self.no_fetch, fetch), (self.no_vms, vms)].into_iter();
        ClusterLook {
            members: self.members.clone(),
            failure: self.silent.clone(),
            is_named: self.named,
            missing: missing
                .filter(|(lacks, _)| *lacks)
                .map(|(_, one)| one)
                .collect(),
            ending: self
                .ending
                .iter()
                .map(|(node, days)| EndingCertificate {
                    node: node.clone(),
                    until: now() + SignedDuration::from_hours(24 * days + 1),
                    is_pinned: false,
                })
                .collect(),
            ..ClusterLook::default()
        }
    }
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
    deletion: Option<Deletion>,
    days: i64,
    /// The image's usual name, where the file has another.
    image: Option<FileName>,
}

const NOW: &str = "2026-06-01T12:00:00Z";
const FACTORY: &str = "https://factory.talos.dev/";

fn all_tools() -> BTreeSet<String> {
    let tools = ["rsync", "perl", "xz", "zstd", "sha256sum", "flock"];
    tools.map(str::to_owned).into()
}

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

impl NodeWorld {
    fn storages(&self) -> Option<NodeStorages> {
        let last = self.described.clone();
        match (&self.down, &self.undescribed) {
            (Some(why), _) => Some(NodeStorages::Unreachable {
                why: why.clone(),
                lasting: None,
                last,
            }),
            (None, Some(why)) => Some(NodeStorages::Unreadable { why: why.clone() }),
            (None, None) => last.map(NodeStorages::Known),
        }
    }
}

impl World {
    fn artifact(&self, name: &FileName) -> ArtifactId {
        let parts = NameTemplate::default()
            .read(name.as_str())
            .unwrap_or_else(|| panic!("{name} is not an image's name"));
        let schematic = self
            .schematics
            .iter()
            .find(|id| id.to_string().starts_with(&parts.schematic))
            .unwrap_or_else(|| panic!("the full schematic of {name} is not listed"));
        ArtifactId {
            version: parts.version,
            platform: parts.platform,
            arch: parts.arch,
            secureboot: parts.secureboot,
            schematic: *schematic,
            format: parts.format,
        }
    }

    fn observed(&self, wanted: &BTreeSet<ArtifactId>) -> Observed {
        Observed {
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

    fn links(&self) -> BTreeMap<NodeId, Link> {
        let link = |bytes_per_second: u64| Link {
            bytes_per_second,
            measured_at: now(),
        };
        let links = self.links.iter();
        links
            .map(|(node, &speed)| (node.clone(), link(speed)))
            .collect()
    }

    fn knowledge(&self) -> VersionKnowledge {
        match &self.versions {
            Some(versions) => VersionKnowledge::Known {
                versions: versions.clone(),
                source: VersionSource::Factory,
                fetched_at: now(),
                failures: Vec::new(),
            },
            None => VersionKnowledge::Unknown {
                failures: vec!["factory: connection refused".to_owned()],
            },
        }
    }

    fn cache(&self) -> CacheState {
        let files = self.cache.iter().map(|(name, cached)| {
            let artifact = self.artifact(name);
            let url = cached
                .url
                .clone()
                .unwrap_or_else(|| format!("{FACTORY}{}", artifact.factory_path()));
            let file = CachedFile {
                meta: Meta {
                    size: cached.size,
                    sha256: Sha256::from_bytes([cached.digest; 32]),
                    url,
                    data: cached.data.map(|bytes| DataDigest {
                        sha256: Sha256::from_bytes([cached.digest; 32]),
                        bytes,
                    }),
                    unpacked_from: None,
                    provenance: Provenance::FirstSeen,
                    etag: None,
                    completed_at: now(),
                    mtime_ns: 0,
                    last_wanted: now() - SignedDuration::from_hours(24 * cached.days_unwanted),
                    whole: None,
                    refuted: cached
                        .refuted
                        .iter()
                        .map(|byte| Sha256::from_bytes([*byte; 32]))
                        .collect(),
                    artifact,
                },
                size: (!cached.gone).then_some(cached.found.unwrap_or(cached.size)),
                untouched: !cached.touched,
                fault: cached.fault.clone(),
            };
            (name.clone(), file)
        });
        CacheState {
            files: files.collect(),
            foreign: self.foreign.clone(),
            partial: self.partial.clone(),
            free_bytes: self.cache_free,
        }
    }

    fn node(&self, node: &NodeWorld) -> NodeState {
        if let Some(why) = &node.down {
            return NodeState::Unreachable {
                why: why.clone(),
                lasting: None,
            };
        }
        let dirs = node.dirs.iter().map(|(dir, world)| {
            let mut state = DirState {
                exists: world.nearest.is_none(),
                free_bytes: world.free,
                mount_point: world.mount.clone(),
                nearest: world.nearest.clone(),
                root: world.root.clone(),
                is_proxmox: world.proxmox,
                is_silent: world.silent,
                inodes_full: world.inodes_full,
                parts: world.parts.clone(),
                unread: world.unread.clone(),
                ..DirState::default()
            };
            for (name, found) in &world.files {
                let file = RemoteFile {
                    size: found.size,
                    mtime: i64::from(found.touched),
                    inode: 1,
                };
                state.files.insert(name.clone(), file);
                if !found.foreign {
                    let name: FileName = name.parse().expect("a name of ours");
                    let entry = self.entry(&name, found);
                    state.record.insert(name, entry);
                }
            }
            (dir.clone(), state)
        });
        NodeState::Listed {
            dirs: dirs.collect(),
            tools: node.tools.clone().unwrap_or_else(all_tools),
            references: match &node.use_unknown {
                Some(why) => References::Unknown { why: why.clone() },
                None => References::Known(node.used.clone()),
            },
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
            orders: BTreeSet::new(),
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
    let world: World = serde_yaml::from_str(&read("world.yaml").expect("world.yaml"))
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
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
