//! The small world that plans are drawn from.

mod places;
mod remembered;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use talos_order::facts::{Catalog, Memory, NodeState, Observed, VersionKnowledge, VersionSource};
use talos_order::model::{
    ApiTransport, Arch, ArtifactId, Format, LoadFrom, NameTemplate, Network, Node, NodeId, Order,
    OrderSet, Platform, Position, Problem, PushMethod, PushTarget, Reach, RejectedFile, Schematic,
    SchematicId, SchematicSource, Sha256, Site, SiteName, SourceRef, TalosVersion, UploadUse,
    VersionPolicy, Windows,
};
use talos_order::plan::{
    Create, Desired, Naming, Policy, PrunePolicy, Retention, RunOptions, SharedStorages,
    TransportPolicy, VerifyPolicy, keep_raw, resolve,
};
use talos_order::schematic::Canonical;

use places::{cache, node_state};
pub use places::{entry, meta};
use remembered::{memory, missed_since};

/// Orders, a world, and a policy.
#[derive(Debug, Clone)]
pub struct Case {
    pub orders: OrderSet,
    pub observed: Observed,
    pub policy: Policy,
    pub options: RunOptions,
}

const VERSIONS: [&str; 4] = ["v1.10.5", "v1.11.0-rc.1", "v1.11.0", "v1.12.0-beta.0"];
pub const NODES: [&str; 3] = ["pve-01", "pve-02", "pve-03"];
const DIRS: [&str; 2] = ["/var/lib/vz/template/iso", "/var/lib/vz/import"];
/// The node that is reached through the API of this cluster.
const API_NODE: &str = "pve-03";
const CLUSTER: &str = "lab";
const FACTORY: &str = "https://factory.example/";

pub fn naming() -> Naming {
    Naming {
        template: NameTemplate::default(),
        factory_url: FACTORY.to_owned(),
        qcow2_clusters: BTreeSet::from([CLUSTER.parse().expect("a cluster")]),
    }
}

/// What orders want in a world, as a run resolves it.
pub fn wanted(orders: &OrderSet, observed: &Observed) -> Desired {
    let mut desired = resolve(orders, &observed.catalog, &naming());
    keep_raw(&mut desired, &observed.nodes);
    desired
}

pub fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn schematics() -> Vec<SchematicSource> {
    let mut described = Schematic::default();
    described.customization.extra_kernel_args = vec!["noapic".into()];
    vec![
        SchematicSource::Id(SchematicId::from_bytes([7; 32])),
        SchematicSource::Customization(Box::new(described)),
    ]
}

fn version() -> impl Strategy<Value = TalosVersion> {
    select(&VERSIONS[..]).prop_map(|text| text.parse().expect("a version"))
}

fn policy_of_version() -> impl Strategy<Value = VersionPolicy> {
    prop_oneof![
        version().prop_map(VersionPolicy::Exact),
        Just(VersionPolicy::Latest),
        select(vec!["v1.10", "v1.11", "v1.12", "v1.99"])
            .prop_map(|minor| VersionPolicy::LatestInMinor(minor.parse().expect("a minor"))),
    ]
}

fn target() -> impl Strategy<Value = PushTarget> {
    (select(&NODES[..]), select(&DIRS[..])).prop_map(|(node, dir)| PushTarget {
        node: node.parse().expect("a node"),
        dir: dir.parse().expect("a directory"),
    })
}

fn format() -> impl Strategy<Value = Format> {
    select(vec![Format::Iso, Format::Raw, Format::RawXz])
}

prop_compose! {
    fn position()(
        version in policy_of_version(),
        format in format(),
        secureboot in prop::bool::weighted(0.2),
        schematic in select(schematics()),
        unpack in any::<bool>(),
        push_unpacked in any::<bool>(),
        targets in prop::collection::btree_set(target(), 0..5),
        fixed_name in prop::option::weighted(0.1, Just(())),
        pinned in prop::option::weighted(0.1, 0_u8..2),
        push_method in prop::option::weighted(0.1, select(PushMethod::ALL)),
    ) -> Position {
        let unpack = unpack && format.codec().is_some();
        let filename = fixed_name.map(|()| "fixed.img".parse().expect("a name"));
        Position {
            elsewhere: BTreeSet::new(),
            elsewhere_awaited: BTreeSet::new(),
            index: 0,
            name: String::new(),
            platform: Platform::Nocloud,
            format,
            arch: Arch::Amd64,
            secureboot,
            version,
            schematic,
            unpack,
            targets: targets.into_iter().collect(),
            storages: Vec::new(),
            awaited: Vec::new(),
            push_unpacked: push_unpacked && unpack,
            filename,
            push_method,
            pinned: pinned.map(|byte| Sha256::from_bytes([byte; 32])),
            template: None,
            source: source(),
        }
    }
}

fn source() -> SourceRef {
    SourceRef {
        file: "orders.yaml".to_owned(),
        line: 1,
    }
}

fn orders() -> impl Strategy<Value = OrderSet> {
    let lists = prop::collection::vec(prop::collection::vec(position(), 0..4), 0..4);
    (lists, prop::bool::weighted(0.15)).prop_map(|(lists, broken)| {
        let mut set = OrderSet {
            nodes: NODES.iter().map(|name| node(name)).collect(),
            ..OrderSet::default()
        };
        for (number, mut positions) in lists.into_iter().enumerate() {
            for (index, position) in positions.iter_mut().enumerate() {
                position.index = index;
                position.name = format!("position-{}", index + 1);
            }
            set.orders.push(Order {
                rollout: None,
                elsewhere: Vec::new(),
                id: format!("order-{number}").parse().expect("an id"),
                customer: None,
                source: source(),
                suspended: false,
                deletion: None,
                windows: None,
                positions,
                rejected: Vec::new(),
                skipped: Vec::new(),
            });
        }
        if broken {
            set.rejected_files.push(RejectedFile {
                file: "broken.yaml".to_owned(),
                problems: vec![Problem::of_file("broken.yaml", "broken")],
            });
        }
        set
    })
}

fn node(name: &str) -> (NodeId, Node) {
    let id: NodeId = name.parse().expect("a node");
    let node = Node {
        id: id.clone(),
        reach: match name {
            API_NODE => Reach::Api {
                cluster: CLUSTER.parse().expect("a cluster"),
                node: name.to_owned(),
            },
            _ => Reach::Ssh {
                host: name.parse().expect("a host"),
                user: None,
                port: None,
            },
        },
    };
    (id, node)
}

prop_compose! {
    pub fn artifact()(
        version in version(),
        format in format(),
        secureboot in prop::bool::weighted(0.2),
        schematic in select(schematics()),
    ) -> ArtifactId {
        let schematic = match schematic {
            SchematicSource::Id(id) => id,
            SchematicSource::Customization(schematic) => Canonical::of(&schematic).id(),
        };
        ArtifactId {
            version,
            platform: Platform::Nocloud,
            arch: Arch::Amd64,
            secureboot,
            schematic,
            format,
        }
    }
}

fn knowledge() -> impl Strategy<Value = VersionKnowledge> {
    let all: Vec<TalosVersion> = VERSIONS
        .iter()
        .map(|v| v.parse().expect("a version"))
        .collect();
    prop_oneof![
        5 => subsequence(all, 1..=VERSIONS.len()).prop_map(|versions| VersionKnowledge::Known {
            versions: versions.into_iter().collect(),
            source: VersionSource::Factory,
            fetched_at: now(),
            failures: Vec::new(),
        }),
        1 => Just(VersionKnowledge::Unknown { failures: vec!["down".to_owned()] }),
    ]
}

/// What is asked for, and most often a site with a relay.
fn transfer() -> impl Strategy<Value = TransportPolicy> {
    let asked = || select([&[PushMethod::Auto; 3], PushMethod::ALL].concat());
    (
        asked(),
        prop::collection::btree_map(select(&NODES[..]), asked(), 0..2),
        prop::bool::weighted(0.1),
        prop::option::weighted(
            0.7,
            (select(&NODES[..]), subsequence(NODES.to_vec(), 1..=3)),
        ),
        select(UploadUse::ALL),
        select(LoadFrom::ALL),
    )
        .prop_map(
            |(default, nodes, rsync_opts_set, site, upload, load_from)| TransportPolicy {
                default,
                api: BTreeMap::from([(
                    CLUSTER.parse().expect("a cluster"),
                    ApiTransport {
                        upload,
                        load_from,
                        ..ApiTransport::default()
                    },
                )]),
                nodes: nodes
                    .into_iter()
                    .map(|(name, method)| (name.parse().expect("a node"), method))
                    .collect(),
                rsync_opts_set,
                network: site.map_or_else(Network::default, |(relay, members)| {
                    network(relay, &members)
                }),
                ..TransportPolicy::default()
            },
        )
}

fn network(relay: &str, members: &[&str]) -> Network {
    let name: SiteName = "far".parse().expect("a site");
    let site = Site {
        relay: Some(relay.parse().expect("a node")),
        ..Site::default()
    };
    let members = members.iter().chain([&relay]);
    Network {
        sites: BTreeMap::from([(name.clone(), site)]),
        site_of: members
            .map(|node| (node.parse().expect("a node"), name.clone()))
            .collect(),
    }
}

/// How long, in seconds, a file stays after the run that first missed it.
pub const GRACE: i64 = 24 * 3600;

/// How long, in seconds, a file in the cache stays whose family no order refers to.
pub const ORPHAN_GRACE: i64 = 48 * 3600;

prop_compose! {
    pub fn case()(
        orders in orders(),
        versions in knowledge(),
        cache in cache(),
        states in prop::collection::vec(node_state(), NODES.len()),
        keep in prop::option::weighted(0.8, 1_u32..4),
        purge in prop::bool::weighted(0.15),
        prunes in prop::bool::weighted(0.7),
        max_files in 0_usize..4,
        shares in prop::bool::weighted(0.3),
        reads in prop::bool::weighted(0.3),
        memory in memory(),
        missed in prop::collection::vec(prop::option::weighted(0.8, 0_i64..72), 1..8),
        transfer in transfer(),
    ) -> Case {
        let nodes: BTreeMap<NodeId, NodeState> = NODES
            .iter()
            .map(|name| name.parse().expect("a node"))
            .zip(states)
            .collect();
        let memory = Memory {
            unwanted_since: missed_since(&cache, &nodes, &missed),
            ..memory
        };
        Case {
            orders,
            observed: Observed {
                fleet: None,
                catalog: Catalog { versions, ..Catalog::default() },
                cache,
                nodes,
                vms: BTreeMap::new(),
                memory,
                now: now(),
            },
            policy: Policy {
                rollout: talos_order::model::Rollout::default(),
                retention: Retention {
                    keep_versions: keep,
                    orphan_grace_seconds: ORPHAN_GRACE,
                },
                node_reserve: 0,
                cache_reserve: 0,
                prune: PrunePolicy {
                    owner: "us".to_owned(),
                    default: prunes,
                    nodes: BTreeMap::new(),
                    keep_versions: keep.unwrap_or(3),
                    grace_seconds: GRACE,
                    max_files,
                    max_percent: 20,
                },
                shared: SharedStorages {
                    of_dirs: BTreeMap::new(),
                    of_nodes: if shares {
                        NODES.iter().take(2).map(|name| (name.parse().expect("a node"), "nas".to_owned())).collect()
                    } else {
                        BTreeMap::new()
                    },
                },
                create: Create::default(),
                transport: transfer,
                windows: Windows::default(),
            },
            options: RunOptions {
                purge,
                verify: reads.then_some(VerifyPolicy { max_age_seconds: 3600, budget_bytes: 2500 }),
                ..RunOptions::default()
            },
        }
    }
}

/// Puts the orders into another sequence, the same for the same seed.
pub fn shuffle(orders: &mut [Order], seed: u64) {
    fastrand::Rng::with_seed(seed).shuffle(orders);
}
