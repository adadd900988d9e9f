//! What configuration and orders do with a cluster of Proxmox VE: the nodes, the storages,
//! and whether images are removed there.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Settings;
use crate::model::{ClusterName, Deletion, ImageContent, NetworkInterface, OrderSet, StorageName};
use crate::proxmox::rights::{DeliveryWay, StorageNeed, TemplateNeed};

/// What is done with a cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ClusterUse {
    /// The nodes, as the cluster names them.
    pub nodes: BTreeSet<String>,
    /// The storages that images go to.
    pub storages: BTreeMap<StorageName, StorageUse>,
    /// The templates, by the storage of their disks.
    pub templates: BTreeMap<StorageName, TemplateUse>,
}

/// What is done with templates whose disks are on one storage.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TemplateUse {
    /// The storages of the images.
    pub images: BTreeSet<StorageName>,
    /// The bridges, each with its VLAN where there is one.
    pub bridges: BTreeSet<String>,
}

/// What is done with a storage.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StorageUse {
    /// What it has to take.
    pub contents: BTreeSet<ImageContent>,
    /// The nodes it is used on, as the cluster names them.
    pub nodes: BTreeSet<String>,
    /// Images are removed.
    pub prune: bool,
}

impl ClusterUse {
    /// What is done with a cluster; with all nodes for `None`.
    pub(super) fn of(
        settings: &Settings,
        orders: &OrderSet,
        cluster: Option<&ClusterName>,
    ) -> Self {
        let inventory = &settings.orders.inventory;
        let mut found = Self::default();
        for entry in &inventory.nodes {
            if cluster.is_some() && entry.cluster.as_ref() == cluster {
                found.nodes.insert(entry.name_in_cluster().to_owned());
            }
        }
        for order in &orders.orders {
            let targets = order
                .positions
                .iter()
                .flat_map(|one| one.storages.iter().map(move |target| (one, target)));
            for (position, target) in targets {
                let entry = inventory.by_name(&target.node);
                let own = entry.and_then(|entry| entry.cluster.as_ref());
                if cluster.is_some() && own != cluster {
                    continue;
                }
                let name = match entry {
                    Some(entry) => entry.name_in_cluster(),
                    None => target.node.as_str(),
                };
                if let Some(template) = &position.template
                    && template
                        .on
                        .as_ref()
                        .is_none_or(|on| on.contains(&target.node))
                {
                    let made = found.templates.entry(template.storage.clone()).or_default();
                    made.images.insert(target.storage.clone());
                    made.bridges
                        .extend(template.hardware.net.iter().map(bridge));
                }
                let prune = entry.and_then(|entry| entry.prune);
                let storage = found.storages.entry(target.storage.clone()).or_default();
                storage.contents.insert(target.content);
                storage.nodes.insert(name.to_owned());
                storage.prune |= match order.deletion {
                    Some(deletion) => deletion == Deletion::Delete,
                    None => prune.unwrap_or(settings.prune.enabled),
                };
            }
        }
        found
    }

    /// What is to be allowed for it.
    pub(super) fn needs(&self) -> Vec<StorageNeed> {
        let storages = self.storages.iter();
        storages
            .map(|(name, used)| StorageNeed {
                storage: name.to_string(),
                delivery: Some(DeliveryWay::Fetch),
                prune: used.prune,
            })
            .collect()
    }

    /// What is to be allowed for its templates.
    pub(super) fn template_needs(&self) -> Vec<TemplateNeed> {
        let templates = self.templates.iter();
        templates
            .map(|(storage, used)| TemplateNeed {
                storage: storage.to_string(),
                images: used.images.iter().map(ToString::to_string).collect(),
                bridges: used.bridges.iter().cloned().collect(),
            })
            .collect()
    }
}

/// A bridge with its VLAN, as paths of privileges have it.
fn bridge(interface: &NetworkInterface) -> String {
    match interface.vlan {
        Some(vlan) => format!("{}/{vlan}", interface.bridge),
        None => interface.bridge.clone(),
    }
}
