//! A fleet as a controller would know it: orders are read, resolved and planned by the
//! real code; only what is on the nodes and what came of the steps is made up.

mod sites;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};

use super::copies::{entry, meta, size};
use super::orders_text::order_text;
use super::run_now::downloads_fail;
use crate::conclude::record::Occasion;
use crate::conclude::{Report, RetryLimits, RunRecord, Status, after, verdict};
use crate::config::{self, Settings};
use crate::facts::{
    CacheState, CachedFile, Catalog, DirState, Link, Memory, NodeState, Observed, Outcome,
    RecordEntry, References, RemoteFile, VersionKnowledge, VersionSource,
};
use crate::live::{Finished, LiveView};
use crate::model::{ArtifactId, Format, Network, NodeId, OrderSet, Trigger, Windows};
use crate::orders;
use crate::plan::{
    Create, Desired, Look, Naming, Policy, PrunePolicy, Retention, RunOptions, SharedStorages,
    Step, TransportPolicy, plan, resolve,
};

/// A fleet in which every order wants an image on every node.
pub(super) fn large(orders: usize, nodes: usize) -> Fleet {
    let nodes = (1..=nodes).map(|node| format!("  - {{name: pve-{node:03}, labels: [all]}}\n"));
    let config = format!("nodes:\n{}", nodes.collect::<String>());
    let orders = (1..=orders).map(|order| {
        let id = format!("order-{order:04}");
        order_text(&id, "A customer with a name", "all", "")
    });
    let text: String = orders.collect();
    let trouble = Trouble {
        unreachable: &["pve-007"],
        missing: &["order-001"],
        ..Trouble::default()
    };
    fleet(&config, &text, &trouble, downloads_fail)
}

/// The controller's name.
pub(super) const OWNER: &str = "homelab";

/// Everything that a page is made of.
pub(super) struct Fleet {
    pub view: LiveView,
    pub network: Network,
    pub history: Vec<RunRecord>,
}

/// When everything here is: the same moment for all tests of a process.
pub(super) fn now() -> Timestamp {
    static NOW: LazyLock<Timestamp> = LazyLock::new(Timestamp::now);
    *NOW
}

pub(super) fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

/// What differs from a fleet in which everything is in sync.
#[derive(Default)]
pub(super) struct Trouble<'a> {
    /// Nodes that do not answer.
    pub unreachable: &'a [&'a str],
    /// Nodes whose disks are full.
    pub full: &'a [&'a str],
    /// Orders whose files are not on the nodes yet, by the beginning of their id.
    pub missing: &'a [&'a str],
    /// Orders that somebody has removed: text of orders that were there before.
    pub removed: &'a str,
}

/// What came of a step.
pub(super) type Ends = fn(&Step) -> Outcome;

pub(super) fn settings(config: &str) -> Settings {
    config::parse("config.yaml", config, &|_| None).unwrap()
}

/// A fleet after a run.
pub(super) fn fleet(config: &str, text: &str, trouble: &Trouble<'_>, ends: Ends) -> Fleet {
    let settings = settings(config);
    let orders = orders::parse("orders/fleet.yaml", text, &settings.orders);
    let removed = orders::parse("orders/old.yaml", trouble.removed, &settings.orders);
    let observed = observed(&settings, &orders, &removed, trouble);
    let policy = policy(&settings);
    let desired = desired(&settings, &orders, &observed.catalog);
    let plan = plan(&desired, &observed, &policy, &RunOptions::default());
    let outcomes: BTreeMap<_, _> = plan
        .steps
        .iter()
        .map(|step| (step.id.clone(), ends(step)))
        .collect();
    let memory = observed.memory.clone();
    let look = Look {
        desired,
        observed,
        plan,
    };
    let manifests = BTreeMap::new();
    let verdict = verdict(&orders, &look, &outcomes, &manifests, None);
    let limits = RetryLimits {
        step: std::time::Duration::from_secs(60),
        node: std::time::Duration::from_secs(60),
        most: std::time::Duration::from_secs(3600),
    };
    let memory = after(&memory, &look, &outcomes, ago(4), &limits);
    let report = Report {
        look,
        outcomes,
        manifests,
        verdict,
        source: None,
    };
    let occasion = occasion(6, 4, Trigger::Change);
    let status = Status::default().finished(&occasion, &orders, &report, &memory);
    let history = history(&occasion, &report);
    let view = LiveView {
        status: Arc::new(Status {
            next_run: Some(now() + SignedDuration::from_mins(6)),
            ..status
        }),
        running: None,
        last: Some(Arc::new(Finished {
            report,
            orders: Arc::new(orders),
            memory,
            at: ago(4),
        })),
        runs: 12,
        manifest_changes: Arc::default(),
        fleet: None,
        reported: Default::default(),
        started: ago(3000),
        version: 7,
    };
    Fleet {
        view,
        network: settings.network,
        history,
    }
}

fn occasion(began: i64, ended: i64, trigger: Trigger) -> Occasion {
    Occasion {
        owner: OWNER.to_owned(),
        started: ago(began),
        finished: ago(ended),
        trigger,
        requests: crate::facts::RequestCounts::new(),
        source_use: crate::facts::SourceUse::default(),
        source: None,
        revision: Some("main@sha1:4f1c9a7be2d05c31".to_owned()),
    }
}

/// Runs of the last hours; the last one is the one of the report.
fn history(last: &Occasion, report: &Report) -> Vec<RunRecord> {
    let mut runs: Vec<RunRecord> = (1..48)
        .rev()
        .map(|number| {
            let began = number * 10 + 6;
            let mut occasion = occasion(began, began, Trigger::Schedule);
            let seconds = 2 + (number * number * 7919) % 90;
            occasion.finished = occasion.started + SignedDuration::from_secs(seconds);
            let mut run = RunRecord::new(&occasion, report);
            run.steps.clear();
            run.totals = crate::conclude::record::Totals::default();
            run.blocked = 0;
            run.verdict = match number {
                31 => crate::conclude::Verdict::Failed,
                17 | 18 => crate::conclude::Verdict::Retry,
                5 => crate::conclude::Verdict::Stalled,
                _ => crate::conclude::Verdict::Converged,
            };
            if number == 31 {
                run.error = Some("cannot read orders: the directory is not there".to_owned());
            }
            run
        })
        .collect();
    runs.push(RunRecord::new(last, report));
    runs
}

fn policy(settings: &Settings) -> Policy {
    Policy {
        rollout: crate::model::Rollout::default(),
        retention: Retention {
            keep_versions: None,
            orphan_grace_seconds: 0,
        },
        node_reserve: 2 << 30,
        cache_reserve: 0,
        prune: PrunePolicy {
            owner: OWNER.to_owned(),
            default: true,
            nodes: BTreeMap::new(),
            keep_versions: 0,
            grace_seconds: 24 * 3600,
            max_files: 3,
            max_percent: 5,
        },
        shared: SharedStorages::default(),
        create: Create {
            default: true,
            nodes: BTreeMap::new(),
        },
        transport: TransportPolicy {
            network: settings.network.clone(),
            ..TransportPolicy::default()
        },
        windows: Windows::default(),
    }
}

fn desired(settings: &Settings, orders: &OrderSet, catalog: &Catalog) -> Desired {
    let naming = Naming {
        template: settings.naming.clone(),
        factory_url: "https://factory.talos.dev/".to_owned(),
        qcow2_clusters: BTreeSet::new(),
    };
    resolve(orders, catalog, &naming)
}

fn catalog() -> Catalog {
    let versions = ["v1.10.8", "v1.11.2", "v1.11.3", "v1.11.5"];
    Catalog {
        versions: VersionKnowledge::Known {
            versions: versions.iter().map(|one| one.parse().unwrap()).collect(),
            source: VersionSource::Factory,
            fetched_at: ago(6),
            failures: Vec::new(),
        },
        ..Catalog::default()
    }
}

fn observed(
    settings: &Settings,
    orders: &OrderSet,
    removed: &OrderSet,
    trouble: &Trouble<'_>,
) -> Observed {
    let catalog = catalog();
    let now_wanted = desired(settings, orders, &catalog);
    let before = desired(settings, removed, &catalog);
    let mut cache = CacheState::default();
    for (artifact, want) in &now_wanted.artifacts {
        let is_missing = |order: &str| trouble.missing.iter().any(|one| order.starts_with(one));
        if !want
            .wanted_by
            .iter()
            .all(|at| is_missing(at.order.as_str()))
        {
            cache.files.insert(want.file.clone(), cached(artifact));
        }
    }
    let mut nodes: BTreeMap<NodeId, NodeState> = BTreeMap::new();
    let mut unwanted_since = BTreeMap::new();
    let mut vms = 100;
    for (is_wanted, desired) in [(true, &now_wanted), (false, &before)] {
        for (target, files) in &desired.placed {
            let state = nodes
                .entry(target.node.clone())
                .or_insert_with(|| NodeState::Listed {
                    dirs: BTreeMap::new(),
                    tools: BTreeSet::new(),
                    references: References::Known(BTreeMap::new()),
                });
            let NodeState::Listed {
                dirs, references, ..
            } = state
            else {
                continue;
            };
            let is_full = trouble.full.contains(&target.node.as_str());
            let dir: &mut DirState = dirs.entry(target.dir.clone()).or_insert_with(|| DirState {
                exists: true,
                free_bytes: Some(if is_full { 1 << 30 } else { 58 << 30 }),
                total_bytes: Some(94 << 30),
                mount_point: Some("/".to_owned()),
                files: [("debian-13.1.iso", 790 << 20), ("notes.txt", 812)]
                    .map(|(name, size)| (name.to_owned(), remote(size)))
                    .into(),
                ..DirState::default()
            });
            for (file, placed) in files {
                let by = placed.wanted_by.iter().next();
                let is_missing = trouble
                    .missing
                    .iter()
                    .any(|one| by.is_some_and(|at| at.order.as_str().starts_with(one)));
                if is_missing {
                    continue;
                }
                let bytes = size(&placed.artifact);
                dir.files.insert(file.to_string(), remote(bytes));
                let entry = RecordEntry {
                    orders: placed.wanted_by.iter().map(|at| at.order.clone()).collect(),
                    ..entry(file, &placed.artifact)
                };
                dir.record.insert(file.clone(), entry);
                if let References::Known(uses) = references {
                    vms += 1;
                    if is_wanted && vms % 3 == 0 {
                        uses.insert(file.to_string(), BTreeSet::from([vms]));
                    }
                }
                let id = crate::facts::StepId::prune_node(target, file);
                let since = if vms % 4 == 0 { 300 } else { 3000 };
                unwanted_since.insert(id, ago(since));
            }
        }
    }
    for name in trouble.unreachable {
        let why = format!("ssh: connect to host {name} port 22: No route to host");
        let state = NodeState::Unreachable { why, lasting: None };
        nodes.insert(name.parse().unwrap(), state);
    }
    let links = nodes.keys().map(|node| {
        let link = Link {
            bytes_per_second: 11 << 20,
            measured_at: ago(300),
        };
        (node.clone(), link)
    });
    let memory = Memory {
        unwanted_since,
        links: links.collect(),
        ..Memory::default()
    };
    Observed {
        fleet: None,
        catalog,
        cache,
        nodes,
        vms: BTreeMap::new(),
        memory,
        now: ago(6),
    }
}

fn remote(size: u64) -> RemoteFile {
    RemoteFile {
        size,
        mtime: 1,
        inode: 1,
    }
}

fn cached(artifact: &ArtifactId) -> CachedFile {
    let is_unpacked = artifact.format == Format::Raw;
    CachedFile {
        size: Some(size(artifact)),
        untouched: true,
        fault: None,
        meta: meta(artifact, is_unpacked),
    }
}
