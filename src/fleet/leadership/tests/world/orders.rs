//! Orders that change: other versions, orders that come and go, files that cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::controllers::SiteSet;
use super::rollouts::WorldRings;
use super::{SECOND, Time, WorldSize};
use crate::facts::Catalog;
use crate::model::{
    Arch, Dir, FileName, Format, NameTemplate, Node, NodeId, Order, OrderId, OrderSet, Platform,
    Position, Problem, PushTarget, Reach, RejectedFile, RejectedPosition, Release, Rollout,
    SchematicId, SchematicSource, SourceRef, VersionPolicy,
};
use crate::plan::{Desired, Naming, resolve};

const VERSIONS: [&str; 4] = ["v1.10.8", "v1.11.1", "v1.11.2", "v1.11.3"];
pub(super) const DIR: &str = "/var/lib/vz/template/iso";

/// The orders as they stand from some time on.
pub(super) struct Revision {
    pub since: Time,
    /// Everything can be read, and no position is invalid.
    pub is_valid: bool,
    /// The orders with an invalid position.
    pub partial: BTreeSet<OrderId>,
    /// The rings that orders have of their own.
    pub rollouts: BTreeMap<OrderId, Rollout>,
    /// The images of orders, with the files that each node is to have of them.
    pub releases: BTreeMap<(OrderId, Release), BTreeMap<usize, BTreeSet<FileName>>>,
    /// What is wanted, by the sites that a run may be for.
    desired: BTreeMap<SiteSet, Rc<Desired>>,
    /// Which files are wanted on which nodes, whatever stands in invalid positions.
    pub wanted: BTreeMap<usize, BTreeSet<FileName>>,
}

/// What is wrong with the orders.
#[derive(Debug, Clone, Copy)]
enum OrderFlaw {
    None,
    /// A file cannot be read.
    BrokenFile,
    /// A position of an order is invalid.
    InvalidPosition {
        order: usize,
        position: usize,
    },
}

impl Revision {
    pub(super) fn of_sites(&self, sites: &SiteSet) -> Rc<Desired> {
        Rc::clone(&self.desired[sites])
    }

    /// True if this file is wanted on this node.
    pub(super) fn wants(&self, node: usize, file: &FileName) -> bool {
        let files = self.wanted.get(&node);
        files.is_some_and(|files| files.contains(file))
    }
}

/// The name of a node.
pub(super) fn name(node: usize) -> NodeId {
    format!("pve-{node}").parse().unwrap()
}

/// Which node has this name.
pub(super) fn number(node: &NodeId) -> usize {
    node.as_str()["pve-".len()..].parse().unwrap()
}

pub(super) fn target(node: usize) -> PushTarget {
    PushTarget {
        node: name(node),
        dir: DIR.parse::<Dir>().unwrap(),
    }
}

/// The history of the orders. The last revision can be read, but for a position of an order
/// without rings, and stands since before the trouble is over.
pub(super) fn revisions(
    random: &mut fastrand::Rng,
    size: WorldSize,
    rings: &WorldRings,
    served: &[SiteSet],
) -> Vec<Revision> {
    let count = random.usize(3..9 + usize::from(size.has_rings) * 4);
    let mut times: Vec<Time> = (0..count)
        .map(|_| random.u64(20 * SECOND..size.trouble()))
        .collect();
    times.sort_unstable();
    times.insert(0, 0);
    let mut orders = vec![order(random, size, rings, 0)];
    let mut made = 1;
    let times = times.into_iter().enumerate();
    let revisions = times.map(|(at, since)| {
        match random.u8(0..6) {
            0 | 1 => {
                orders.push(order(random, size, rings, made));
                made += 1;
            }
            2 if orders.len() > 1 => {
                orders.remove(random.usize(0..orders.len()));
            }
            _ => {
                let changed = random.usize(0..orders.len());
                let version = VERSIONS[random.usize(0..VERSIONS.len())];
                for position in &mut orders[changed].positions {
                    position.version = VersionPolicy::Exact(version.parse().unwrap());
                }
            }
        }
        let flaw = match random.u8(0..8) {
            0 | 1 if at != count => OrderFlaw::BrokenFile,
            2 | 3 => invalid_position(random, &orders, |order| {
                let rollout = order.rollout.as_ref().unwrap_or(&rings.common);
                at != count || rollout.rings.is_empty()
            }),
            _ => OrderFlaw::None,
        };
        revision(since, flaw, &orders, (size, rings, served))
    });
    revisions.collect()
}

/// Of an order that may have one.
fn invalid_position(
    random: &mut fastrand::Rng,
    orders: &[Order],
    may: impl Fn(&Order) -> bool,
) -> OrderFlaw {
    let orders = orders.iter().enumerate().filter(|(_, order)| may(order));
    match random.choice(orders.collect::<Vec<_>>()) {
        Some((order, of)) => OrderFlaw::InvalidPosition {
            order,
            position: random.usize(0..of.positions.len()),
        },
        None => OrderFlaw::None,
    }
}

fn revision(
    since: Time,
    flaw: OrderFlaw,
    orders: &[Order],
    (size, rings, served): (WorldSize, &WorldRings, &[SiteSet]),
) -> Revision {
    let mut set = OrderSet {
        orders: orders.to_vec(),
        ..OrderSet::default()
    };
    let ids = (0..size.sites * size.nodes).map(name);
    let nodes = ids.map(|id| {
        let reach = Reach::Local;
        (id.clone(), Node { id, reach })
    });
    set.nodes = nodes.collect();
    let traits = (0..size.sites * size.nodes).map(|node| (name(node), rings.traits(node, size)));
    set.traits = traits.collect();
    let mut rejected = None;
    match flaw {
        OrderFlaw::None => {}
        OrderFlaw::BrokenFile => {
            // What stood in the file is not known, and is wanted all the same.
            set.orders.pop();
            let broken = "broken.yaml".to_owned();
            set.rejected_files.push(RejectedFile {
                problems: vec![Problem::of_file(&broken, "it cannot be read")],
                file: broken,
            });
        }
        OrderFlaw::InvalidPosition { order, position } => {
            let position = set.orders[order].positions.remove(position);
            let problem = Problem::of_file(&position.source.file, "it has no such format");
            let refused = RejectedPosition {
                index: position.index,
                name: position.name,
                problems: vec![problem],
            };
            rejected = Some((order, refused));
        }
    }
    // The other positions are wanted as if it were not there.
    let sites = (0..size.sites).map(|site| SiteSet::from([site]));
    let single = resolved(&set, sites, size);
    let (mut releases, mut wanted) = (BTreeMap::new(), BTreeMap::new());
    for (release, node, file) in single.values().flat_map(|desired| releases_of(desired)) {
        let nodes: &mut BTreeMap<_, BTreeSet<_>> = releases.entry(release).or_default();
        nodes.entry(node).or_default().insert(file.clone());
        let files: &mut BTreeSet<_> = wanted.entry(node).or_default();
        files.insert(file);
    }
    let mut partial = BTreeSet::new();
    if let Some((order, refused)) = rejected {
        set.orders[order].rejected.push(refused);
        partial.insert(set.orders[order].id.clone());
    }
    let more = served.iter().filter(|sites| sites.len() > 1).cloned();
    let desired = match partial.is_empty() {
        true => {
            let more = resolved(&set, more, size);
            single.into_iter().chain(more).collect()
        }
        false => {
            let sites = single.into_keys();
            resolved(&set, sites.chain(more), size)
        }
    };
    let own = set.orders.iter();
    let own = own.filter_map(|order| Some((order.id.clone(), order.rollout.clone()?)));
    Revision {
        since,
        is_valid: matches!(flaw, OrderFlaw::None),
        partial,
        rollouts: own.collect(),
        releases,
        desired,
        wanted,
    }
}

/// What the orders want in each of these sets of sites.
fn resolved(
    set: &OrderSet,
    of: impl Iterator<Item = SiteSet>,
    size: WorldSize,
) -> BTreeMap<SiteSet, Rc<Desired>> {
    let naming = Naming {
        template: NameTemplate::default(),
        factory_url: "https://factory.example/".to_owned(),
        qcow2_clusters: BTreeSet::new(),
    };
    let resolved = of.map(|sites| {
        let covers = |node: &_| sites.contains(&(number(node) / size.nodes));
        let covered = set.covering(covers, |_| false);
        let desired = resolve(&covered, &Catalog::default(), &naming);
        (sites, Rc::new(desired))
    });
    resolved.collect()
}

fn order(random: &mut fastrand::Rng, size: WorldSize, rings: &WorldRings, number: usize) -> Order {
    let source = SourceRef {
        file: format!("order-{number}.yaml"),
        line: 1,
    };
    let positions = (0..random.usize(1..3)).map(|index| {
        let schematic = SchematicId::from_bytes([random.u8(0..3); 32]);
        let version = VERSIONS[random.usize(0..VERSIONS.len())];
        // All of them, or every so many.
        let step = random.usize(1..4);
        let nodes = (0..size.sites * size.nodes).step_by(step);
        Position {
            index,
            name: format!("position-{index}"),
            platform: Platform::Nocloud,
            format: Format::Iso,
            arch: Arch::Amd64,
            secureboot: false,
            version: VersionPolicy::Exact(version.parse().unwrap()),
            schematic: SchematicSource::Id(schematic),
            unpack: false,
            targets: nodes.map(target).collect(),
            storages: Vec::new(),
            awaited: Vec::new(),
            elsewhere: BTreeSet::new(),
            elsewhere_awaited: BTreeSet::new(),
            push_unpacked: false,
            filename: None,
            push_method: None,
            pinned: None,
            template: None,
            source: source.clone(),
        }
    });
    let positions = positions.collect();
    Order {
        id: format!("order-{number}").parse().unwrap(),
        customer: None,
        positions,
        source,
        suspended: false,
        deletion: None,
        windows: None,
        rollout: rings.of_order(random, size),
        elsewhere: Vec::new(),
        rejected: Vec::new(),
        skipped: Vec::new(),
    }
}

/// Nodes that are known and that orders need not name any more.
pub(super) fn with_known(
    desired: &Desired,
    known: &BTreeMap<NodeId, crate::facts::KnownNode>,
) -> Desired {
    let mut desired = desired.clone();
    for (id, place) in known {
        let node = desired.nodes.entry(id.clone());
        node.or_insert_with(|| place.node.clone());
    }
    desired
}

/// The images of orders, with their files on nodes.
fn releases_of(desired: &Desired) -> impl Iterator<Item = ((OrderId, Release), usize, FileName)> {
    desired.positions.iter().flat_map(|want| {
        let resolved = want.outcome.as_ref().unwrap();
        let release = Release::of(&resolved.download);
        let key = (want.position.order.clone(), release);
        let targets = resolved.targets.iter();
        targets.map(move |(target, file)| {
            let node = number(&target.node);
            (key.clone(), node, file.clone())
        })
    })
}
