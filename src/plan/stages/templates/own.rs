//! The templates of ours that are there.

use std::collections::BTreeMap;

use crate::facts::{
    NodeStorages, NodeVms, Observed, TemplateMark, TemplateState, VmConfig, VmInventory,
};
use crate::model::{NodeId, StorageName, TemplateName, VmId};

/// A virtual machine with our mark.
#[derive(Debug, Clone)]
pub(super) struct OwnTemplate<'a> {
    pub node: &'a NodeId,
    pub vmid: VmId,
    pub config: &'a VmConfig,
    pub mark: TemplateMark,
    /// The virtual machines of its node.
    pub vms: &'a VmInventory,
}

/// The kinds of storages whose disks become base images. On others, such as LVM, those of
/// a template are like those of every virtual machine.
const WITH_BASES: [&str; 10] = [
    "btrfs",
    "cephfs",
    "cifs",
    "dir",
    "glusterfs",
    "lvmthin",
    "nfs",
    "rbd",
    "zfs",
    "zfspool",
];

impl OwnTemplate<'_> {
    /// True if Proxmox VE was cut off while it made a template of it: it says that it is one
    /// before its disks become base images, and nothing can be cloned from the others.
    pub(super) fn is_half_made(&self, observed: &Observed) -> bool {
        let storages = observed.catalog.storages.get(self.node);
        let Some(storages) = storages.and_then(NodeStorages::config) else {
            return false;
        };
        let own = format!("vm-{}-disk-", self.vmid);
        let is_left = |value: &String| {
            let volume = value
                .split(',')
                .next()
                .and_then(|text| text.split_once(':'));
            volume.is_some_and(|(name, volume)| {
                let named = |(known, _): &(&StorageName, _)| known.as_str() == name;
                let storage = storages.storages.iter().find(named);
                let kind = storage.map(|(_, storage)| storage.kind.as_str());
                let file = volume.rsplit('/').next().unwrap_or_default();
                file.starts_with(&own) && kind.is_some_and(|kind| WITH_BASES.contains(&kind))
            })
        };
        self.mark.state == TemplateState::New
            && self.config.is_template()
            && self.config.0.values().any(is_left)
    }
}

impl TemplateMark {
    /// Of several that are right, the one that has the name counts first.
    pub(super) const fn state_rank(&self) -> u8 {
        match self.state {
            TemplateState::Current => 0,
            TemplateState::New => 1,
            TemplateState::Retired => 2,
        }
    }
}

/// All templates of ours, by node and name.
pub(super) struct OwnTemplates<'a> {
    of: BTreeMap<(&'a NodeId, TemplateName), Vec<OwnTemplate<'a>>>,
}

impl<'a> OwnTemplates<'a> {
    pub(super) fn of(observed: &'a Observed, owner: &str) -> Self {
        let mut of: BTreeMap<(&NodeId, TemplateName), Vec<OwnTemplate<'_>>> = BTreeMap::new();
        for (node, vms) in &observed.vms {
            let NodeVms::Known(vms) = vms else {
                continue;
            };
            for (&vmid, config) in &vms.marked {
                // One that somebody made a machine of again is theirs now.
                let is_ours = |mark: &TemplateMark| {
                    let is_new = mark.state == TemplateState::New;
                    mark.owner == owner && (config.is_template() || is_new)
                };
                let Some(mark) = config.mark_of(vmid).filter(is_ours) else {
                    continue;
                };
                let list = of.entry((node, mark.template.clone())).or_default();
                list.push(OwnTemplate {
                    node,
                    vmid,
                    config,
                    mark,
                    vms,
                });
            }
        }
        Self { of }
    }

    /// Those of a node that are or were found under a name.
    pub(super) fn named(&self, node: &'a NodeId, name: &TemplateName) -> &[OwnTemplate<'a>] {
        let list = self.of.get(&(node, name.clone()));
        list.map_or(&[], Vec::as_slice)
    }

    /// All of them, by node and name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&TemplateName, &OwnTemplate<'a>)> {
        let lists = self.of.iter();
        lists.flat_map(|((_, name), list)| list.iter().map(move |one| (name, one)))
    }
}
