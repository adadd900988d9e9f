//! Orders that change: other versions, orders that come and go, files that cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::rollouts::WorldRings;
use super::{SECOND, Time, WorldSize, begun};
use crate::facts::Catalog;
use crate::model::{
    Arch, Dir, FileName, Format, NameTemplate, Node, NodeId, Order, OrderId, OrderSet, Platform,
    Position, Problem, PushTarget, Reach, RejectedFile, Release, Rollout, SchematicId,
    SchematicSource, SourceRef, VersionPolicy,
};
use crate::plan::{Desired, Naming, resolve};

const VERSIONS: [&str; 4] = ["v1.10.8", "v1.11.1", "v1.11.2", "v1.11.3"];
pub(super) const DIR: &str = "/var/lib/vz/template/iso";

/// The orders as they stand from some time on.
pub(super) struct Revision {
    pub since: Time,
    /// Everything can be read.
    pub is_valid: bool,
    /// The rings that orders have of their own.
    pub rollouts: BTreeMap<OrderId, Rollout>,
    /// The images of orders, with the files that each node is to have of them.
    pub releases: BTreeMap<(OrderId, Release), BTreeMap<usize, BTreeSet<FileName>>>,
    /// What is wanted, by site.
    desired: Vec<Rc<Desired>>,
}

impl Revision {
    pub(super) fn of_site(&self, site: usize) -> Rc<Desired> {
        Rc::clone(&self.desired[site])
    }

    /// Which files are wanted on which nodes.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (usize, FileName)> {
        let placed = self.desired.iter().flat_map(|desired| &desired.placed);
        placed.flat_map(|(target, files)| {
            let node = number(&target.node);
            files.keys().map(move |file| (node, file.clone()))
        })
    }

    /// True if this file is wanted on this node.
    pub(super) fn wants(&self, target: &PushTarget, file: &FileName) -> bool {
        let mut desired = self.desired.iter();
        desired.any(|desired| {
            let files = desired.placed.get(target);
            files.is_some_and(|files| files.contains_key(file))
        })
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

/// The history of the orders. The last revision can be read, and stands since before the
/// trouble is over.
pub(super) fn revisions(
    random: &mut fastrand::Rng,
    size: WorldSize,
    rings: &WorldRings,
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
        let is_valid = at == count || random.u8(0..4) > 0;
        revision(since, is_valid, &orders, (size, rings))
    });
    revisions.collect()
}

fn revision(
    since: Time,
    is_valid: bool,
    orders: &[Order],
    (size, rings): (WorldSize, &WorldRings),
) -> Revision {
    let mut set = OrderSet {
        orders: orders.to_vec(),
        ..OrderSet::default()
    };
    if !is_valid {
        // What stood in the file is not known, and is wanted all the same.
        set.orders.pop();
        let broken = "broken.yaml".to_owned();
        set.rejected_files.push(RejectedFile {
            problems: vec![Problem::of_file(&broken, "it cannot be read")],
            file: broken,
        });
    }
    let ids = (0..size.sites * size.nodes).map(name);
    let nodes = ids.map(|id| {
        let reach = Reach::Local;
        (id.clone(), Node { id, reach })
    });
    set.nodes = nodes.collect();
    let traits = (0..size.sites * size.nodes).map(|node| (name(node), rings.traits(node, size)));
    set.traits = traits.collect();
    let naming = Naming {
        template: NameTemplate::default(),
        factory_url: "https://factory.example/".to_owned(),
        qcow2_clusters: BTreeSet::new(),
    };
    let desired = (0..size.sites).map(|site| {
        let covered = set.covering(|node| number(node) / size.nodes == site, |_| false);
        Rc::new(resolve(&covered, &Catalog::default(), &naming))
    });
    let desired: Vec<Rc<Desired>> = desired.collect();
    let mut releases: BTreeMap<_, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
    for (release, node, file) in desired.iter().flat_map(|desired| begun::releases(desired)) {
        let nodes = releases.entry(release).or_default();
        nodes.entry(node).or_default().insert(file);
    }
    let own = set.orders.iter();
    let own = own.filter_map(|order| Some((order.id.clone(), order.rollout.clone()?)));
    Revision {
        since,
        is_valid,
        rollouts: own.collect(),
        releases,
        desired,
    }
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
