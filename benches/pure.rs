//! The parts of a run that only think: reading orders, resolving, planning.
//!
//! Run with `cargo bench --bench pure`. What matters is the slope from one size to
//! the next: ten times as much of anything should cost ten times as long. The last
//! size is the hard one: ten thousand positions on every one of a hundred nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use talos_order::facts::{
    CacheState, CachedFile, Catalog, DirState, Memory, Meta, NodeState, Observed, Provenance,
    RecordEntry, References, RemoteFile, VersionKnowledge,
};
use talos_order::model::{NameTemplate, OrderDefaults, OrderSet, Sha256, Windows};
use talos_order::plan::{
    Create, Naming, Policy, PrunePolicy, Retention, RunOptions, SharedStorages, TransportPolicy,
    plan, resolve,
};
use talos_order::{config, orders};

/// How much is wanted.
#[derive(Clone, Copy)]
struct Size {
    positions: usize,
    nodes: usize,
    /// On how many of the nodes each position is wanted.
    per_position: usize,
}

/// Each position goes to a tenth of the nodes, and in the last size to all of them.
const SIZES: [Size; 7] = [
    tenth(100, 10),
    tenth(1_000, 10),
    tenth(10_000, 10),
    tenth(100, 100),
    tenth(1_000, 100),
    tenth(10_000, 100),
    Size {
        positions: 10_000,
        nodes: 100,
        per_position: 100,
    },
];

const fn tenth(positions: usize, nodes: usize) -> Size {
    Size {
        positions,
        nodes,
        per_position: nodes / 10,
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            positions,
            nodes,
            per_position,
        } = self;
        write!(
            f,
            "{positions} positions on {per_position} of {nodes} nodes"
        )
    }
}

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().expect("a time")
}

fn naming() -> Naming {
    Naming {
        template: NameTemplate::default(),
        factory_url: "https://factory.example/".to_owned(),
        qcow2_clusters: BTreeSet::new(),
    }
}

fn defaults() -> OrderDefaults {
    let settings = config::parse("config.yaml", "", &|_| None).expect("the defaults");
    settings.orders
}

/// Orders of 50 positions each, every position another schematic. They differ where
/// file names do, in the first digits: positions that share a name would only be
/// refused.
fn text(size: Size) -> String {
    let mut text = String::new();
    let Size {
        positions,
        nodes,
        per_position,
    } = size;
    for position in 0..positions {
        if position % 50 == 0 {
            let order = position / 50;
            writeln!(text, "- orderid: order-{order}\n  positions:").expect("a string");
        }
        writeln!(
            text,
            "  - name: position-{position}\n    version: {{type: exact, value: v1.11.3}}\n    \
             schematic_id: \"{:016x}{:048x}\"\n    push:\n      enabled: true\n      hosts:",
            (position as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            position
        )
        .expect("a string");
        for node in 0..per_position {
            let node = (position * per_position + node) % nodes;
            writeln!(text, "      - host: pve-{node}").expect("a string");
        }
    }
    text
}

/// The world in which everything is in sync.
fn converged(orders: &OrderSet) -> Observed {
    let catalog = Catalog {
        versions: VersionKnowledge::NotNeeded,
        ..Catalog::default()
    };
    let desired = resolve(orders, &catalog, &naming());
    let digest = Sha256::from_bytes([1; 32]);
    let mut cache = CacheState::default();
    for (artifact, want) in &desired.artifacts {
        let meta = Meta {
            artifact: artifact.clone(),
            size: 1000,
            sha256: digest,
            url: format!("https://factory.example/{}", artifact.factory_path()),
            data: None,
            unpacked_from: None,
            provenance: Provenance::FirstSeen,
            etag: None,
            completed_at: now(),
            mtime_ns: 0,
            last_wanted: now(),
            whole: None,
            refuted: BTreeSet::new(),
        };
        let cached = CachedFile {
            meta,
            size: Some(1000),
            untouched: true,
            fault: None,
        };
        cache.files.insert(want.file.clone(), cached);
    }
    let mut nodes = BTreeMap::new();
    for (target, files) in &desired.placed {
        let state = nodes
            .entry(target.node.clone())
            .or_insert_with(|| NodeState::Listed {
                dirs: BTreeMap::new(),
                tools: BTreeSet::new(),
                references: References::Known(BTreeMap::new()),
            });
        let NodeState::Listed { dirs, .. } = state else {
            continue;
        };
        let dir: &mut DirState = dirs.entry(target.dir.clone()).or_default();
        for (file, placed) in files {
            let found = RemoteFile {
                size: 1000,
                mtime: 1,
                inode: 1,
            };
            dir.files.insert(file.to_string(), found);
            let entry = RecordEntry {
                name: file.clone(),
                size: 1000,
                mtime: 1,
                inode: 1,
                sha256: digest,
                image_sha256: None,
                artifact: placed.artifact.clone(),
                orders: BTreeSet::new(),
                owner: "us".to_owned(),
                deletion: None,
                revision: None,
                placed_at: now(),
            };
            dir.record.insert(file.clone(), entry);
        }
    }
    Observed {
        fleet: None,
        catalog,
        cache,
        nodes,
        vms: BTreeMap::new(),
        memory: Memory::default(),
        now: now(),
    }
}

fn policy() -> Policy {
    Policy {
        rollout: talos_order::model::Rollout::default(),
        retention: Retention {
            keep_versions: Some(3),
            orphan_grace_seconds: 7 * 24 * 3600,
        },
        node_reserve: 0,
        cache_reserve: 0,
        prune: PrunePolicy {
            owner: "us".to_owned(),
            default: true,
            nodes: BTreeMap::new(),
            keep_versions: 3,
            grace_seconds: 7 * 24 * 3600,
            max_files: 5,
            max_percent: 20,
        },
        shared: SharedStorages::default(),
        create: Create::default(),
        transport: TransportPolicy::default(),
        windows: Windows::default(),
    }
}

fn pure(criterion: &mut Criterion) {
    let defaults = defaults();
    let mut group = criterion.benchmark_group("pure");
    group.sample_size(10);
    for size in SIZES {
        let text = text(size);
        let orders = orders::parse("orders.yaml", &text, &defaults);
        group.throughput(Throughput::Elements(size.positions as u64));
        // One file may have a mebibyte; larger sets are read from several.
        if orders.is_complete() {
            group.bench_function(BenchmarkId::new("parse", size), |bench| {
                bench.iter(|| orders::parse("orders.yaml", black_box(&text), &defaults));
            });
        } else if size.per_position < size.nodes {
            group.bench_function(BenchmarkId::new("parse", size), |bench| {
                bench.iter(|| in_pieces(black_box(&text), &defaults));
            });
        }
        let orders = in_pieces(&text, &defaults);
        let observed = converged(&orders);
        group.bench_function(BenchmarkId::new("resolve", size), |bench| {
            bench.iter(|| resolve(black_box(&orders), &observed.catalog, &naming()));
        });
        let desired = resolve(&orders, &observed.catalog, &naming());
        let converged = plan(&desired, &observed, &policy(), &RunOptions::default());
        assert!(converged.steps.is_empty() && converged.blocked.is_empty());
        assert!(converged.in_sync.len() > size.positions * size.per_position);
        drop(converged);
        group.bench_function(BenchmarkId::new("plan, nothing to do", size), |bench| {
            bench.iter(|| {
                plan(
                    black_box(&desired),
                    &observed,
                    &policy(),
                    &RunOptions::default(),
                )
            });
        });
        let empty = Observed {
            cache: CacheState::default(),
            ..observed.clone()
        };
        group.bench_function(BenchmarkId::new("plan, cache lost", size), |bench| {
            bench.iter(|| {
                plan(
                    black_box(&desired),
                    &empty,
                    &policy(),
                    &RunOptions::default(),
                )
            });
        });
    }
    group.finish();
}

/// The orders as a directory of files would give them.
fn in_pieces(text: &str, defaults: &OrderDefaults) -> OrderSet {
    let mut all = OrderSet::default();
    for order in text.split("- orderid:").filter(|piece| !piece.is_empty()) {
        let piece = orders::parse("orders.yaml", &format!("- orderid:{order}"), defaults);
        assert!(piece.is_complete(), "the orders are right");
        all.orders.extend(piece.orders);
        all.nodes.extend(piece.nodes);
    }
    all
}

criterion_group!(benches, pure);
criterion_main!(benches);
