//! The VMIDs that are free, over all clusters.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{NodeVms, Observed, VmInventory};
use crate::model::{NodeId, VmId, VmIds};

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
    taken: BTreeMap<Numbering<'a>, BTreeSet<VmId>>,
}

impl<'a> FreeVmIds<'a> {
    pub(super) fn of(observed: &'a Observed) -> Self {
        let mut taken: BTreeMap<Numbering<'_>, BTreeSet<VmId>> = BTreeMap::new();
        for (node, vms) in &observed.vms {
            if let NodeVms::Known(vms) = vms {
                let of = taken.entry(Numbering::of(node, vms)).or_default();
                of.extend(vms.taken.keys());
            }
        }
        Self { taken }
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
