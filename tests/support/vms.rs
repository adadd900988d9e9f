//! Virtual machines of nodes as Proxmox VE tells of them, for worlds in few words.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use talos_order::facts::{NodeVms, TemplateMark, TemplateState, VmConfig, VmInventory, VmSeat};
use talos_order::model::{
    ArtifactId, Deletion, FileName, NodeId, OrderId, Sha256, TemplateName, VmId,
};

use crate::machine::{config, labels};

/// The virtual machines of a node.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeVmsWorld {
    pub down: Option<String>,
    pub unknown: Option<String>,
    pub cluster: Option<String>,
    /// Virtual machines without a mark, with their names.
    pub others: BTreeMap<VmId, String>,
    /// Virtual machines with a mark.
    pub marked: BTreeMap<VmId, MarkedWorld>,
    /// Linked clones by template; none means that nobody looked.
    pub clones: Option<BTreeMap<VmId, BTreeSet<VmId>>>,
    pub clones_unknown: Option<String>,
}

/// A virtual machine with a mark; without any word the template `talos` as it was made.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarkedWorld {
    pub image: Option<FileName>,
    pub template: Option<TemplateName>,
    pub state: Option<TemplateState>,
    pub digest: u8,
    pub owner: Option<String>,
    /// The number in its mark, where it is a clone.
    pub mark: Option<VmId>,
    pub deletion: Option<Deletion>,
    /// The orders that it was made for.
    pub orders: BTreeSet<OrderId>,
    /// When it was made.
    pub days: i64,
    /// It is no template.
    pub machine: bool,
    /// Where its disks are.
    pub storage: Option<String>,
    /// Values of its configuration that are others; null for what is missing.
    pub config: BTreeMap<String, Option<String>>,
}

impl MarkedWorld {
    fn config(
        &self,
        vmid: VmId,
        now: Timestamp,
        artifact: &dyn Fn(&FileName) -> ArtifactId,
    ) -> VmConfig {
        let image = self.image.clone().unwrap_or_else(|| {
            let name = "talos-v1.11.3-nocloud-amd64-376567988ad3.qcow2";
            name.parse().expect("a name")
        });
        let name = "talos".parse().expect("a name of a template");
        let mark = TemplateMark {
            owner: self.owner.clone().unwrap_or_else(|| "us".to_owned()),
            vmid: self.mark.unwrap_or(vmid),
            template: self.template.clone().unwrap_or(name),
            orders: self.orders.clone(),
            artifact: artifact(&image),
            sha256: Sha256::from_bytes([self.digest; 32]),
            deletion: self.deletion,
            state: self.state.unwrap_or(TemplateState::Current),
            made_at: now - SignedDuration::from_hours(24 * self.days),
        };
        let storage = self.storage.as_deref().unwrap_or("local-lvm");
        let mut values = config(vmid, storage);
        let (label, tag) = labels(&mark.template, vmid, mark.state);
        values.insert("name".to_owned(), label);
        values.insert("tags".to_owned(), tag.to_owned());
        values.insert("description".to_owned(), mark.notes());
        if self.machine {
            values.remove("template");
        }
        for (key, value) in &self.config {
            match value {
                Some(value) => values.insert(key.clone(), value.clone()),
                None => values.remove(key),
            };
        }
        VmConfig(values)
    }
}

/// What is known of the virtual machines of all nodes.
pub fn observed(
    nodes: &BTreeMap<NodeId, NodeVmsWorld>,
    now: Timestamp,
    artifact: &dyn Fn(&FileName) -> ArtifactId,
) -> BTreeMap<NodeId, NodeVms> {
    let marked = |world: &NodeVmsWorld| -> BTreeMap<VmId, VmConfig> {
        let marked = world.marked.iter();
        marked
            .map(|(vmid, one)| (*vmid, one.config(*vmid, now, artifact)))
            .collect()
    };
    let mut taken: BTreeMap<String, BTreeMap<VmId, VmSeat>> = BTreeMap::new();
    let cluster =
        |node: &NodeId, world: &NodeVmsWorld| world.cluster.clone().unwrap_or(node.to_string());
    for (node, world) in nodes {
        let taken = taken.entry(cluster(node, world)).or_default();
        let seat = |name: &str, is_template: bool| VmSeat {
            host: node.to_string(),
            name: Some(name.to_owned()),
            is_template,
        };
        for (vmid, name) in &world.others {
            taken.insert(*vmid, seat(name, false));
        }
        for (vmid, config) in marked(world) {
            taken.insert(vmid, seat(config.name(), config.is_template()));
        }
    }
    let state = |node: &NodeId, world: &NodeVmsWorld| match (&world.down, &world.unknown) {
        (Some(why), _) => NodeVms::Unreachable {
            why: why.clone(),
            lasting: None,
        },
        (None, Some(why)) => NodeVms::Unknown { why: why.clone() },
        (None, None) => NodeVms::Known(VmInventory {
            host: node.to_string(),
            cluster: world.cluster.clone(),
            taken: taken[&cluster(node, world)].clone(),
            marked: marked(world),
            clones: world.clones.clone(),
            clones_unknown: world.clones_unknown.clone(),
        }),
    };
    let nodes = nodes.iter();
    nodes
        .map(|(node, world)| (node.clone(), state(node, world)))
        .collect()
}
