//! Virtual machines for the small world: templates of ours in every state, those of others,
//! clones, and positions that want templates.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use talos_order::facts::{
    Backoff, DescribedStorage, NodeState, NodeStorages, NodeVms, StepId, StorageConfig,
    TemplateMark, TemplateState, VmConfig, VmInventory, VmSeat,
};
use talos_order::model::{
    Arch, ArtifactId, Deletion, Format, Hardware, NodeId, Platform, SchematicId, SchematicSource,
    Sha256, StorageName, Template, TemplateName, VersionPolicy, VmId, VmIds,
};

use crate::universe::{Case, NODES, artifact, case, now};

const NAMES: [&str; 2] = ["talos", "worker"];

/// The image that most templates are made from.
fn common() -> ArtifactId {
    ArtifactId {
        version: "v1.11.0".parse().expect("a version"),
        platform: Platform::Nocloud,
        arch: Arch::Amd64,
        secureboot: false,
        schematic: SchematicId::from_bytes([7; 32]),
        format: Format::Raw,
    }
}

pub fn vmid(number: u32) -> VmId {
    number.try_into().expect("a VMID")
}

prop_compose! {
    fn template()(
        name in select(&NAMES[..]),
        ids in select(vec![
            VmIds::Range(vmid(9000), vmid(9020)),
            VmIds::Range(vmid(9000), vmid(9020)),
            VmIds::Range(vmid(9000), vmid(9003)),
            VmIds::Fixed(vmid(9000)),
            VmIds::Fixed(vmid(9002)),
        ]),
        on in prop::option::weighted(0.3, subsequence(NODES.to_vec(), 1..=NODES.len())),
        storage in select(vec!["local-lvm", "local-lvm", "ceph"]),
        tagged in any::<bool>(),
        memory in select(vec![4096, 4096, 4096, 2048]),
        keep in select(vec![None, None, Some(0), Some(1)]),
        max_at_once in 1_u32..3,
    ) -> Template {
        let tags: &[&str] = if tagged { &["talos", "{version}"] } else { &["talos"] };
        Template {
            name: name.parse().expect("a name"),
            ids,
            on: on.map(|on| on.iter().map(|node| node.parse().expect("a node")).collect()),
            storage: storage.parse().expect("a storage"),
            tags: tags.iter().map(|tag| tag.parse().expect("a tag")).collect(),
            hardware: Hardware { memory, ..Hardware::default() },
            keep,
            max_at_once,
        }
    }
}

/// A virtual machine that is there; its number comes later.
#[derive(Debug, Clone)]
enum Machine {
    Foreign(&'static str),
    Marked(Box<Marked>),
}

#[derive(Debug, Clone)]
struct Marked {
    name: &'static str,
    owner: &'static str,
    state: TemplateState,
    artifact: ArtifactId,
    byte: u8,
    deletion: Option<Deletion>,
    is_template: bool,
    is_clone: bool,
    storage: &'static str,
    memory: &'static str,
    extra: Option<(&'static str, &'static str)>,
    days: i64,
}

fn machine() -> impl Strategy<Value = Machine> {
    use TemplateState::{Current, New, Retired};
    let marked = (
        (
            select(&NAMES[..]),
            select(vec!["us", "us", "us", "us", "them"]),
            select(vec![New, Current, Current, Retired, Retired]),
            prop_oneof![1 => artifact(), 2 => Just(common())],
            select(vec![0_u8, 1, 9]),
            select(vec![
                None,
                None,
                Some(Deletion::Delete),
                Some(Deletion::Orphan),
            ]),
        ),
        (
            prop::bool::weighted(0.8),
            prop::bool::weighted(0.1),
            select(vec!["local-lvm", "local-lvm", "ceph"]),
            select(vec!["4096", "4096", "4096", "2048"]),
            select(vec![
                None,
                None,
                None,
                None,
                Some(("lock", "create")),
                Some(("protection", "1")),
                Some(("tags", "mine")),
            ]),
            0_i64..9,
        ),
    );
    prop_oneof![
        1 => select(vec!["web", "talos"]).prop_map(Machine::Foreign),
        5 => marked.prop_map(
            |((name, owner, state, artifact, byte, deletion), (is_template, is_clone, storage, memory, extra, days))| {
                let artifact = artifact.with_format(Format::Raw);
                Machine::Marked(Box::new(Marked {
                    name, owner, state, artifact, byte, deletion, is_template, is_clone, storage, memory, extra, days,
                }))
            },
        ),
    ]
}

impl Marked {
    fn config(&self, own: VmId) -> VmConfig {
        let name: TemplateName = self.name.parse().expect("a name");
        let mark = TemplateMark {
            owner: self.owner.to_owned(),
            vmid: if self.is_clone { vmid(8000) } else { own },
            template: name.clone(),
            orders: BTreeSet::new(),
            artifact: self.artifact.clone(),
            sha256: Sha256::from_bytes([self.byte; 32]),
            deletion: self.deletion,
            state: self.state,
            made_at: now() - SignedDuration::from_hours(24 * self.days),
        };
        let mut values = crate::machine::config(own, self.storage);
        let (label, tag) = crate::machine::labels(&name, own, self.state);
        let mut set = |key: &str, value: String| values.insert(key.to_owned(), value);
        set("name", label);
        set("tags", tag.to_owned());
        set("description", mark.notes());
        set("memory", self.memory.to_owned());
        if let Some((key, value)) = self.extra {
            set(key, value.to_owned());
        }
        if !self.is_template {
            values.remove("template");
        }
        VmConfig(values)
    }
}

/// Who shares numbers: those of a cluster, or a node alone.
pub fn numbering(node: &NodeId, vms: &VmInventory) -> String {
    let alone = || format!("node {node}");
    vms.cluster.clone().unwrap_or_else(alone)
}

/// What is known of all nodes' virtual machines.
fn machines() -> impl Strategy<Value = BTreeMap<NodeId, NodeVms>> {
    let node = (
        prop::collection::vec(machine(), 0..5),
        prop::bool::weighted(0.5),
        prop::bool::weighted(0.9),
    );
    (
        prop::collection::vec(node, NODES.len()),
        prop::option::weighted(0.5, 0_u64..99),
    )
        .prop_map(|(lists, seed)| {
            let mut random = seed.map(fastrand::Rng::with_seed);
            let mut free: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            let mut taken: BTreeMap<String, BTreeMap<VmId, VmSeat>> = BTreeMap::new();
            let mut known: BTreeMap<NodeId, Option<VmInventory>> = BTreeMap::new();
            for (name, (machines, clustered, is_known)) in NODES.iter().zip(lists) {
                let node: NodeId = name.parse().expect("a node");
                let mut vms = VmInventory {
                    host: node.to_string(),
                    cluster: clustered.then(|| "lab".to_owned()),
                    ..VmInventory::default()
                };
                let of = numbering(&node, &vms);
                let numbers = free.entry(of.clone()).or_insert_with(|| {
                    // Without chance every node begins with the same number.
                    let mut numbers: Vec<u32> = (9000..9016).rev().collect();
                    if let Some(random) = &mut random {
                        random.shuffle(&mut numbers);
                    }
                    numbers
                });
                let taken = taken.entry(of).or_default();
                for machine in machines {
                    let own = vmid(numbers.pop().expect("enough numbers"));
                    let mut seat = VmSeat {
                        host: node.to_string(),
                        ..VmSeat::default()
                    };
                    match machine {
                        Machine::Foreign(name) => seat.name = Some(name.to_owned()),
                        Machine::Marked(marked) => {
                            let config = marked.config(own);
                            seat.name = Some(config.name().to_owned());
                            seat.is_template = config.is_template();
                            vms.marked.insert(own, config);
                        }
                    }
                    taken.insert(own, seat);
                }
                known.insert(node, is_known.then_some(vms));
            }
            let known = known.into_iter().map(|(node, vms)| {
                let vms = match vms {
                    Some(mut vms) => {
                        vms.taken = taken[&numbering(&node, &vms)].clone();
                        NodeVms::Known(vms)
                    }
                    None => NodeVms::Unknown {
                        why: "no permission".to_owned(),
                    },
                };
                (node, vms)
            });
            known.collect()
        })
}

/// Looks for linked clones: every n-th template has one.
pub fn look_for_clones(vms: &mut BTreeMap<NodeId, NodeVms>, every: u32) {
    for vms in vms.values_mut() {
        if let NodeVms::Known(vms) = vms {
            let clones = vms.marked.keys().map(|own| {
                let has_one = every > 0 && own.get() % every == 0;
                (*own, has_one.then(|| vmid(100)).into_iter().collect())
            });
            vms.clones = Some(clones.collect());
        }
    }
}

fn storages(node: &str, cluster: Option<String>) -> NodeStorages {
    let storage = |name: &str, shared| {
        let name: StorageName = name.parse().expect("a storage");
        let storage = DescribedStorage {
            kind: "rbd".to_owned(),
            content: BTreeSet::from(["images".to_owned()]),
            shared,
            ..DescribedStorage::default()
        };
        (name, storage)
    };
    NodeStorages::Known(StorageConfig {
        host: node.to_owned(),
        cluster,
        seen_by: None,
        storages: [storage("local-lvm", false), storage("ceph", true)].into(),
    })
}

prop_compose! {
    /// A case with templates.
    pub fn template_case()(
        case in case(),
        templates in prop::collection::vec(prop::option::weighted(0.7, template()), 12),
        vms in machines(),
        clones in prop::option::weighted(0.9, select(vec![0_u32, 0, 2, 3])),
        described in prop::collection::vec(prop::bool::weighted(0.9), NODES.len()),
        since in prop::collection::vec(prop::option::weighted(0.7, 0_i64..72), 1..8),
        failed in prop::collection::vec((select(&NODES[..]), select(&NAMES[..]), any::<bool>()), 0..2),
        are_alike in prop::bool::weighted(0.7),
    ) -> Case {
        let mut case = case;
        let mut templates = templates.into_iter();
        let mut of_name: BTreeMap<TemplateName, Template> = BTreeMap::new();
        let positions = case.orders.orders.iter_mut().flat_map(|order| &mut order.positions);
        for position in positions {
            let Some(template) = templates.next().flatten() else { continue };
            // Most often those of one name agree.
            let first = of_name.entry(template.name.clone()).or_insert_with(|| template.clone());
            let template = if are_alike { first.clone() } else { template };
            position.format = Format::Raw;
            position.unpack = false;
            position.push_unpacked = false;
            if are_alike {
                let image = common();
                position.version = VersionPolicy::Exact(image.version);
                position.schematic = SchematicSource::Id(image.schematic);
                position.secureboot = false;
                position.filename = None;
                position.pinned = None;
            }
            position.template = Some(Box::new(template));
        }
        case.observed.vms = vms;
        for (node, state) in &case.observed.nodes {
            if let NodeState::Unreachable { why, lasting } = state {
                let silent = NodeVms::Unreachable { why: why.clone(), lasting: *lasting };
                case.observed.vms.insert(node.clone(), silent);
            }
        }
        if let Some(every) = clones {
            look_for_clones(&mut case.observed.vms, every);
        }
        let memory = &mut case.observed.memory;
        let mut since = since.iter().cycle();
        for (node, vms) in &case.observed.vms {
            let NodeVms::Known(vms) = vms else { continue };
            for own in vms.marked.keys() {
                if let Some(Some(hours)) = since.next() {
                    let id = StepId::remove_template(node, *own);
                    memory.unwanted_since.insert(id, now() - SignedDuration::from_hours(*hours));
                }
            }
        }
        for (node, name, is_switch) in failed {
            let (node, name) = (node.parse().expect("a node"), name.parse().expect("a name"));
            let id = match is_switch {
                true => StepId::switch_template(&node, &name),
                false => StepId::create_template(&node, &name),
            };
            let backoff = Backoff {
                failures: 3,
                until: now() + SignedDuration::from_hours(1),
                error: "it broke".to_owned(),
                lasting: None,
            };
            memory.backoff.insert(id, backoff);
        }
        for (name, described) in NODES.iter().zip(described) {
            let node: NodeId = name.parse().expect("a node");
            let cluster = match &case.observed.vms[&node] {
                NodeVms::Known(vms) => vms.cluster.clone(),
                _ => Some("lab".to_owned()),
            };
            let known = match described {
                true => storages(name, cluster),
                false => NodeStorages::Unreadable { why: "no permission".to_owned() },
            };
            case.observed.catalog.storages.insert(node, known);
        }
        case
    }
}
