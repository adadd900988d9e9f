//! The parts of a pass that only think: reading orders, resolving, planning.
//!
//! Run with `cargo bench --bench pure`. What matters is the slope from one size to
//! the next: ten times as much of anything should cost ten times as long.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use talos_order::model::{NameTemplate, OrderDefaults, OrderSet, Sha256};
use talos_order::plan::{
    CacheState, CachedFile, Catalog, DirState, Memory, Meta, Naming, NodeState, Observed, Policy,
    Provenance, PrunePolicy, RecordEntry, References, RemoteFile, Retention, Sites, Transfer,
    VersionKnowledge, plan, resolve,
};
use talos_order::{config, orders};

/// Positions and nodes of each size; every position goes to every node of a tenth
/// of them, at least one.
const SIZES: [(usize, usize); 4] = [(100, 10), (1_000, 10), (10_000, 10), (10_000, 100)];

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().expect("a time")
}

fn naming() -> Naming {
    Naming {
        template: NameTemplate::default(),
        factory_url: "https://factory.example/".to_owned(),
    }
}

fn defaults() -> OrderDefaults {
    let settings = config::parse("config.yaml", "", &|_| None).expect("the defaults");
    settings.orders
}

/// Orders of 50 positions each, every position another schematic.
fn text(positions: usize, nodes: usize) -> String {
    let mut text = String::new();
    let per_position = (nodes / 10).max(1);
    for position in 0..positions {
        if position % 50 == 0 {
            let order = position / 50;
            writeln!(text, "- orderid: order-{order}\n  positions:").expect("a string");
        }
        writeln!(
            text,
            "  - name: position-{position}\n    version: {{type: exact, value: v1.11.3}}\n    \
             schematic_id: \"{:064x}\"\n    push:\n      enabled: true\n      hosts:",
            position as u128 * 0x0123_4567_89ab_cdef_0123
        )
        .expect("a string");
        for node in 0..per_position {
            let node = (position * per_position + node) % nodes;
            writeln!(text, "      - host: pve-{node}").expect("a string");
        }
    }
    text
}

/// The world in which everything is in place.
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
        };
        let cached = CachedFile {
            meta,
            size: Some(1000),
            untouched: true,
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
        catalog,
        cache,
        nodes,
        memory: Memory::default(),
        now: now(),
    }
}

fn policy() -> Policy {
    Policy {
        retention: Retention {
            keep_versions: Some(3),
            orphan_grace_seconds: 7 * 24 * 3600,
        },
        purge: false,
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
        sites: Sites::default(),
        transfer: Transfer::default(),
        verify: None,
    }
}

fn pure(criterion: &mut Criterion) {
    let defaults = defaults();
    let mut group = criterion.benchmark_group("pure");
    group.sample_size(10);
    for (positions, nodes) in SIZES {
        let text = text(positions, nodes);
        let orders = orders::parse("orders.yaml", &text, &defaults);
        let size = format!("{positions} positions, {nodes} nodes");
        group.throughput(Throughput::Elements(positions as u64));
        // One file may have a mebibyte; larger sets are read from several.
        if orders.is_complete() {
            group.bench_function(BenchmarkId::new("parse", &size), |bench| {
                bench.iter(|| orders::parse("orders.yaml", black_box(&text), &defaults));
            });
        }
        let orders = in_pieces(positions, nodes, &defaults);
        let observed = converged(&orders);
        group.bench_function(BenchmarkId::new("resolve", &size), |bench| {
            bench.iter(|| resolve(black_box(&orders), &observed.catalog, &naming()));
        });
        let desired = resolve(&orders, &observed.catalog, &naming());
        group.bench_function(BenchmarkId::new("plan, nothing to do", &size), |bench| {
            bench.iter(|| plan(black_box(&desired), &observed, &policy()));
        });
        let empty = Observed {
            cache: CacheState::default(),
            ..observed.clone()
        };
        group.bench_function(BenchmarkId::new("plan, cache lost", &size), |bench| {
            bench.iter(|| plan(black_box(&desired), &empty, &policy()));
        });
    }
    group.finish();
}

/// The orders as a directory of files would give them.
fn in_pieces(positions: usize, nodes: usize, defaults: &OrderDefaults) -> OrderSet {
    let mut all = OrderSet::default();
    let text = text(positions, nodes);
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
