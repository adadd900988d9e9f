//! The VMIDs that are free, over all clusters.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{NodeVms, VmInventory};
use crate::model::{NodeId, VmId, VmIds};
use crate::plan::stage::StageInput;

/// Those that share their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Numbering<'a> {
    Cluster(&'a str),
    Node(&'a NodeId),
}

impl<'a> Numbering<'a> {
    fn of(node: &'a NodeId, vms: &'a VmInventory) -> Self {
        match &vms.cluster {
            Some(cluster) => Self::Cluster(cluster),
            None => Self::Node(node),
        }
    }
}

/// The numbers that are taken, by whom they are unique.
pub(super) struct FreeVmIds<'a> {
    /// With those that orders name: no other template gets one of them.
    taken: BTreeMap<Numbering<'a>, BTreeSet<VmId>>,
    /// Those that orders name and a template of this run gets.
    claimed: BTreeSet<(Numbering<'a>, VmId)>,
}

impl<'a> FreeVmIds<'a> {
    pub(super) fn of(input: &StageInput<'a>) -> Self {
        let vms = &input.observed.vms;
        let mut taken: BTreeMap<Numbering<'_>, BTreeSet<VmId>> = BTreeMap::new();
        for (node, vms) in vms {
            if let NodeVms::Known(vms) = vms {
                let of = taken.entry(Numbering::of(node, vms)).or_default();
                of.extend(vms.taken.keys());
            }
        }
        for wanted in input.desired.templates.values() {
            let VmIds::Fixed(vmid) = wanted.template.ids else {
                continue;
            };
            for node in wanted.nodes.keys() {
                if let Some(NodeVms::Known(vms)) = vms.get(node) {
                    let of = taken.entry(Numbering::of(node, vms)).or_default();
                    of.insert(vmid);
                }
            }
        }
        let claimed = BTreeSet::new();
        Self { taken, claimed }
    }

    /// Gives a template the number that its order names; false if another one of this run
    /// has it.
    pub(super) fn claim(&mut self, node: &'a NodeId, vms: &'a VmInventory, vmid: VmId) -> bool {
        self.claimed.insert((Numbering::of(node, vms), vmid))
    }

    /// The first number that is free, which is taken from now on.
    pub(super) fn take(
        &mut self,
        node: &'a NodeId,
        vms: &'a VmInventory,
        ids: VmIds,
    ) -> Option<VmId> {
        let taken = self.taken.entry(Numbering::of(node, vms)).or_default();
        let free = ids.iter().find(|id| !taken.contains(id))?;
        taken.insert(free);
        Some(free)
    }
}
