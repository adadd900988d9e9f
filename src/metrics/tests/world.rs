//! A run made of a real plan: orders are read, resolved and planned; what is there and what
//! came of the steps is made up, so that every metric has a number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::known;
use crate::conclude::alerts::DeliveryNumbers;
use crate::conclude::record::Occasion;
use crate::conclude::{Report, Status, Verdict};
use crate::config;
use crate::facts::{
    CacheState, CachedFile, Catalog, ClusterLook, DirState, Fact, Failure, FailureKind, Memory,
    Meta, NodeState, NodeVms, Observed, Outcome, Provenance, RecordEntry, References, RemoteFile,
    SourceUse, TemplateMark, TemplateState, UpstreamUse, VersionKnowledge, VersionSource, VmConfig,
    VmInventory,
};
use crate::io::process::ProcessUse;
use crate::metrics::{LastLook, LiveNumbers, MetricsScene, RunningNumbers};
use crate::model::{
    Arch, ArtifactId, Dir, FileName, Format, NodeId, OrderSet, Platform, SchematicId, Sha256,
    Trigger, Windows,
};
use crate::orders;
use crate::plan::{
    self, Action, Create, Desired, Look, Naming, Policy, PrunePolicy, Retention, RunOptions,
    SharedStorages, Step, TransportPolicy,
};

/// The file has a name that nobody should give one.
pub(super) const FILE: &str = "quo\"te\\back\nline.yaml";

const ORDERS: &str = "
- orderid: alpha
  positions:
    - name: iso
      version: v1.11.2
      push: {enabled: true, hosts: [{node: pve-01}, {node: pve-02}]}
- orderid: beta
  suspend: true
  positions:
    - {name: old, version: v1.11.1, push: {enabled: true, hosts: [{node: pve-02}]}}
- orderid: gamma
  positions:
    - {name: iso, version: v1.11.2, push: {enabled: true, hosts: [{node: pve-02}]}}
- positions: []
";

const DIR: &str = "/var/lib/vz/template/iso";
const MIB: u64 = 1 << 20;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).unwrap()
}

pub(super) fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

/// Everything that a scene borrows.
pub(super) struct World {
    pub status: Status,
    pub report: Report,
    pub memory: Memory,
    pub upstream: UpstreamUse,
    pub source_use: SourceUse,
    pub notifications: BTreeMap<String, DeliveryNumbers>,
}

impl World {
    /// After a run that did what it could: one node is silent, an older image was removed
    /// from the other, and what is wanted there was repaired.
    pub(super) fn new() -> Self {
        Self::of(&read_orders(ORDERS))
    }

    pub(super) fn of(orders: &OrderSet) -> Self {
        let report = report(orders);
        let memory = known::memory();
        let upstream = known::upstream();
        let occasion = |second: i64| Occasion {
            owner: "homelab".to_owned(),
            started: at(second),
            finished: at(second + 3),
            trigger: Trigger::Change,
            revision: Some("main@sha1:abc".to_owned()),
            source: Some(known::source()),
            requests: upstream.requests.clone(),
            source_use: known::source_use(),
        };
        let status = Status::default()
            .finished(&occasion(100), orders, &report, &memory)
            .unable(&occasion(200), "the cache is gone".to_owned());
        let status = Status {
            next_run: Some(at(500)),
            next_window: Some(at(600)),
            sites: known::sites(),
            rollouts: known::rollouts(),
            ..status
        };
        Self {
            status,
            report,
            memory,
            upstream,
            source_use: known::source_use(),
            notifications: known::notifications(),
        }
    }

    pub(super) fn scene(&self) -> MetricsScene<'_> {
        MetricsScene {
            status: &self.status,
            last: Some(LastLook {
                report: &self.report,
                memory: &self.memory,
            }),
            live: Some(LiveNumbers {
                running: Some(RunningNumbers {
                    since: at(300),
                    active: [(crate::facts::StepKind::Fetch, 2)].into(),
                }),
                waiting: 1,
                hooks: known::hooks(),
                process: Some(ProcessUse {
                    started: 1.76e9,
                    cpu_seconds: 1.25,
                    resident_bytes: 40 * MIB,
                    virtual_bytes: 400 * MIB,
                    open_fds: 17,
                    max_fds: Some(1024),
                    threads: 5,
                }),
                fleet: Some(Arc::new(known::fleet())),
            }),
            upstream: &self.upstream,
            source: self.source_use,
            notifications: &self.notifications,
        }
    }
}

pub(super) fn read_orders(text: &str) -> OrderSet {
    let settings = config::parse(
        "config.yaml",
        "nodes: [{name: pve-01}, {name: pve-02}]",
        &|_| None,
    );
    orders::parse(FILE, text, &settings.unwrap().orders)
}

fn report(orders: &OrderSet) -> Report {
    let catalog = Catalog {
        versions: VersionKnowledge::Known {
            versions: BTreeSet::new(),
            source: VersionSource::Factory,
            fetched_at: at(50),
            failures: Vec::new(),
        },
        clusters: [("lab".parse().unwrap(), ClusterLook::default())].into(),
        ..Catalog::default()
    };
    let settings = config::parse("none", "", &|_| None).unwrap();
    let naming = Naming {
        template: settings.naming,
        factory_url: "https://factory.example.net/".to_owned(),
        qcow2_clusters: BTreeSet::new(),
    };
    let desired = plan::resolve(orders, &catalog, &naming);
    let observed = Observed {
        fleet: None,
        cache: cache(),
        nodes: BTreeMap::from([
            (
                node("pve-01"),
                NodeState::Unreachable {
                    why: "no route to host".to_owned(),
                    lasting: None,
                },
            ),
            (node("pve-02"), listed(&desired)),
        ]),
        vms: [(node("pve-02"), NodeVms::Known(templates()))].into(),
        memory: Memory::default(),
        now: at(100),
        catalog,
    };
    let plan = plan::plan(&desired, &observed, &policy(), &RunOptions::default());
    let outcome = |step: &Step| (step.id.clone(), outcome(step));
    let outcomes = plan.steps.iter().map(outcome).collect();
    Report {
        look: Look {
            desired,
            observed,
            plan,
        },
        outcomes,
        manifests: BTreeMap::new(),
        source: None,
        verdict: Verdict::Retry,
    }
}

fn policy() -> Policy {
    Policy {
        rollout: crate::model::Rollout::default(),
        retention: Retention {
            keep_versions: None,
            orphan_grace_seconds: 0,
        },
        node_reserve: 0,
        cache_reserve: 0,
        prune: PrunePolicy {
            owner: "homelab".to_owned(),
            default: true,
            nodes: BTreeMap::new(),
            keep_versions: 0,
            grace_seconds: 0,
            max_files: 0,
            max_percent: 20,
        },
        shared: SharedStorages::default(),
        create: Create::default(),
        transport: TransportPolicy::default(),
        windows: Windows::default(),
    }
}

/// Of some image that no order wants.
fn artifact() -> ArtifactId {
    ArtifactId {
        version: "1.9.0".parse().unwrap(),
        platform: Platform::Metal,
        arch: Arch::Amd64,
        secureboot: false,
        schematic: SchematicId::from_bytes([7; 32]),
        format: Format::Iso,
    }
}

fn meta(artifact: &ArtifactId, size: u64) -> Meta {
    Meta {
        artifact: artifact.clone(),
        size,
        sha256: Sha256::from_bytes([1; 32]),
        data: None,
        url: "https://factory.example.net/".to_owned(),
        unpacked_from: None,
        provenance: Provenance::FirstSeen,
        etag: None,
        completed_at: at(0),
        mtime_ns: 0,
        last_wanted: at(0),
        whole: None,
        refuted: BTreeSet::new(),
    }
}

/// An image that no order wants, and a part of another.
fn cache() -> CacheState {
    let old: FileName = "old.iso".parse().unwrap();
    let part: FileName = "part.iso".parse().unwrap();
    let cached = CachedFile {
        meta: meta(&artifact(), 7 * MIB),
        size: Some(7 * MIB),
        untouched: true,
        fault: None,
    };
    CacheState {
        files: [(old, cached)].into(),
        partial: [(part, MIB)].into(),
        free_bytes: Some(999 * MIB),
        ..CacheState::default()
    }
}

fn entry(artifact: &ArtifactId, name: &FileName, size: u64) -> RecordEntry {
    RecordEntry {
        name: name.clone(),
        size,
        mtime: 1,
        inode: 1,
        sha256: Sha256::from_bytes([1; 32]),
        image_sha256: None,
        artifact: artifact.clone(),
        orders: BTreeSet::new(),
        owner: "homelab".to_owned(),
        deletion: None,
        revision: None,
        placed_at: at(0),
    }
}

/// A node with an older image that a VM uses, one that nobody wants, and a record of an
/// image that somebody has removed.
fn listed(desired: &Desired) -> NodeState {
    let dir: Dir = DIR.parse().unwrap();
    let artifact = artifact();
    let wanted = desired.placed.iter();
    let wanted = wanted.filter(|(target, _)| target.node == node("pve-02"));
    let gone = wanted.flat_map(|(_, files)| files.keys()).next().cloned();
    let [used, unused] = ["used.iso", "unused.iso"].map(|name| name.parse::<FileName>().unwrap());
    let there = [&used, &unused];
    let file = RemoteFile {
        size: 5 * MIB,
        mtime: 1,
        inode: 1,
    };
    let records = there.into_iter().cloned().chain(gone);
    let state = DirState {
        exists: true,
        files: there.map(|name| (name.to_string(), file)).into(),
        record: records
            .map(|name| (name.clone(), entry(&artifact, &name, 5 * MIB)))
            .collect(),
        free_bytes: Some(123 * MIB),
        ..DirState::default()
    };
    NodeState::Listed {
        dirs: [(dir, state)].into(),
        tools: BTreeSet::from(["perl".to_owned()]),
        references: References::Known([(used.to_string(), [100].into())].into()),
    }
}

fn templates() -> VmInventory {
    let states = [TemplateState::Current, TemplateState::Retired];
    let marked = (9000u32..).zip(states).map(|(number, state)| {
        let vmid = number.to_string().parse().unwrap();
        let mark = TemplateMark {
            owner: "homelab".to_owned(),
            vmid,
            template: "talos".parse().unwrap(),
            orders: BTreeSet::new(),
            artifact: artifact(),
            sha256: Sha256::from_bytes([1; 32]),
            deletion: None,
            state,
            made_at: at(0),
        };
        let config = VmConfig([("description".to_owned(), mark.notes())].into());
        (vmid, config)
    });
    VmInventory {
        marked: marked.collect(),
        ..VmInventory::default()
    }
}

fn outcome(step: &Step) -> Outcome {
    let fact = match &step.action {
        Action::Register { expected, .. } => Fact::Registered { id: *expected },
        Action::Fetch {
            download, unpack, ..
        } => Fact::Fetched {
            download: Box::new(meta(download, 100 * MIB)),
            unpacked: unpack
                .as_ref()
                .map(|(to, _)| Box::new(meta(to, 1024 * MIB))),
            wire_bytes: 100 * MIB,
        },
        Action::Push {
            target,
            artifact,
            file,
            ..
        } if target.node == node("pve-02") => Fact::Pushed {
            entry: Box::new(entry(artifact, file, 100 * MIB)),
            copied: true,
            wire_bytes: Some(90 * MIB),
            millis: 1500,
        },
        Action::PruneNode { bytes, .. } | Action::PruneCache { bytes, .. } => {
            Fact::Removed { bytes: *bytes }
        }
        _ => {
            return Outcome::Failed {
                failure: Failure {
                    error: "no".to_owned(),
                    hint: None,
                    transient: true,
                    kind: FailureKind::Other,
                },
            };
        }
    };
    Outcome::Done { fact }
}
