//! What configuration and orders do with a cluster of Proxmox VE: the nodes, the storages,
//! and whether images are removed there; and which privileges that needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Settings;
use crate::model::{
    ClusterName, Deletion, DeliveryPlace, ImageContent, Inventory, NetworkInterface, NodeTransport,
    Order, OrderSet, Reach, StorageName, Template, UploadUse,
};
use crate::proxmox::rights::{DeliveryWay, FetchRight, Need, StorageNeed, TemplateNeed};

/// What is done with a cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ClusterUse {
    /// The nodes, as the cluster names them.
    pub nodes: BTreeSet<String>,
    /// Those that orders name and that are reached through the API.
    pub api_nodes: BTreeSet<String>,
    /// The storages that images go to.
    pub storages: BTreeMap<StorageName, StorageUse>,
    /// Orders name nodes that only the cluster knows.
    pub is_named: bool,
    /// The templates, by the storage of their disks.
    pub templates: BTreeMap<StorageName, TemplateUse>,
    upload: UploadUse,
    read_back: bool,
}

/// What is done with templates whose disks are on one storage.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TemplateUse {
    /// The storages of the images.
    pub images: BTreeSet<StorageName>,
    /// The bridges, each with its VLAN where there is one.
    pub bridges: BTreeSet<String>,
}

/// What is done with a storage.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct StorageUse {
    /// What it has to take.
    pub contents: BTreeSet<ImageContent>,
    /// The nodes it is used on, as the cluster names them.
    pub nodes: BTreeSet<String>,
    /// Images are removed.
    pub prune: bool,
    /// That is done through the API, at least on one node.
    pub is_api: bool,
}

impl ClusterUse {
    /// What is done with a cluster; with all nodes for `None`, as if through the API.
    /// `inventory` has the nodes of the cluster, as far as they are known.
    pub(crate) fn of(
        settings: &Settings,
        inventory: &Inventory,
        orders: &OrderSet,
        cluster: Option<&ClusterName>,
    ) -> Self {
        let known = cluster.and_then(|name| settings.clusters.get(name));
        let mut found = Self {
            upload: known.map(|known| known.api.upload).unwrap_or_default(),
            read_back: settings.reconcile.verify_interval.is_some(),
            ..Self::default()
        };
        let described = &settings.orders.inventory;
        for entry in &inventory.nodes {
            if cluster.is_some() && entry.cluster.as_ref() == cluster {
                let is_used = orders.nodes.contains_key(&entry.node.id);
                let name = entry.name_in_cluster().to_owned();
                found.is_named |= is_used && described.by_name(&entry.node.id).is_none();
                if is_used && matches!(entry.node.reach, Reach::Api { .. }) {
                    found.api_nodes.insert(name.clone());
                }
                found.nodes.insert(name);
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
                let is_api = match entry {
                    Some(entry) if cluster.is_some() => {
                        matches!(entry.node.reach, Reach::Api { .. })
                    }
                    _ => true,
                };
                if let Some(template) = &position.template
                    && is_api
                    && template.is_on(&target.node)
                {
                    found.template(template, &target.storage);
                }
                let prune = entry.and_then(|entry| entry.prune);
                let storage = found.storages.entry(target.storage.clone()).or_default();
                storage.contents.insert(target.content);
                storage.nodes.insert(name.to_owned());
                storage.prune |= prunes(order, prune, settings);
                storage.is_api |= is_api;
            }
            found.awaited(order, settings, cluster);
        }
        found
    }

    /// What goes to nodes that only the cluster knows, which was never asked.
    fn awaited(&mut self, order: &Order, settings: &Settings, cluster: Option<&ClusterName>) {
        let awaited = order
            .positions
            .iter()
            .flat_map(|one| one.awaited.iter().map(move |nodes| (one, nodes)));
        for (position, nodes) in awaited {
            let name = match cluster {
                Some(cluster) if !nodes.clusters.contains(cluster) => continue,
                Some(cluster) => Some(cluster),
                None => nodes.clusters.first(),
            };
            self.is_named = true;
            let DeliveryPlace::Storage(storage, content) = &nodes.place else {
                continue;
            };
            let storage = self.storages.entry(storage.clone()).or_default();
            storage.contents.insert(*content);
            storage.prune |= prunes(order, None, settings);
            let known = name.and_then(|name| settings.clusters.get(name));
            let is_api = known.is_some_and(|known| known.transport == NodeTransport::Api);
            storage.is_api |= is_api;
            if let (Some(template), true, DeliveryPlace::Storage(storage, _)) =
                (&position.template, is_api, &nodes.place)
            {
                self.template(template, storage);
            }
        }
    }

    fn template(&mut self, template: &Template, image: &StorageName) {
        let made = self.templates.entry(template.storage.clone()).or_default();
        made.images.insert(image.clone());
        let bridges = template.hardware.net.iter().map(bridge);
        made.bridges.extend(bridges);
    }

    /// What is to be allowed for its templates.
    pub(crate) fn template_needs(&self) -> Vec<TemplateNeed> {
        let templates = self.templates.iter();
        templates
            .map(|(storage, used)| TemplateNeed {
                storage: storage.to_string(),
                images: used.images.iter().map(ToString::to_string).collect(),
                bridges: used.bridges.iter().cloned().collect(),
            })
            .collect()
    }

    /// How images get to its storages through the API; `None` where none does.
    pub(crate) fn delivery(&self) -> Option<DeliveryWay> {
        let is_api = self.storages.values().any(|used| used.is_api);
        is_api.then_some(match self.upload {
            UploadUse::Never => DeliveryWay::Fetch,
            UploadUse::Fallback => DeliveryWay::FetchOrUpload,
            UploadUse::Always => DeliveryWay::Upload,
        })
    }

    /// What is to be allowed for it, on all nodes together.
    pub(crate) fn need(&self, fetch_right: FetchRight) -> Need {
        let delivery = self.delivery();
        let storages = self.storages.iter().map(|(name, used)| StorageNeed {
            storage: name.to_string(),
            delivery: delivery.filter(|_| used.is_api),
            prune: used.prune && used.is_api,
        });
        Need {
            storages: storages.collect(),
            usage: false,
            read_back: self.read_back,
            nodes: Vec::new(),
            fetch_right,
            templates: self.template_needs(),
        }
    }
}

/// A bridge with its VLAN, as paths of privileges have it.
fn bridge(interface: &NetworkInterface) -> String {
    match interface.vlan {
        Some(vlan) => format!("{}/{vlan}", interface.bridge),
        None => interface.bridge.clone(),
    }
}

/// True if an order's images are removed from a node.
fn prunes(order: &Order, node: Option<bool>, settings: &Settings) -> bool {
    match order.deletion {
        Some(deletion) => deletion == Deletion::Delete,
        None => node.unwrap_or(settings.prune.enabled),
    }
}
