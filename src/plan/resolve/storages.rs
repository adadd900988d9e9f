//! From a storage and what is to go there to a directory of a node.

use std::collections::BTreeMap;

use crate::facts::{Catalog, DescribedStorage, NodeStorages, StorageConfig};
use crate::model::{Dir, ImageContent, NodeId, StorageTarget};
use crate::plan::unplaced::{StorageUnfit, UnplacedReason};

/// The directory of a storage on its node.
pub(super) fn dir(target: &StorageTarget, catalog: &Catalog) -> Result<Dir, UnplacedReason> {
    let unread = |why: &str| {
        let why = why.to_owned();
        UnplacedReason::Unfit(StorageUnfit::Unreadable { why })
    };
    let config = match catalog.storages.get(&target.node) {
        Some(
            NodeStorages::Known(config)
            | NodeStorages::Unreachable {
                last: Some(config), ..
            },
        ) => config,
        Some(NodeStorages::Unreachable {
            why,
            lasting,
            last: None,
        }) => {
            return Err(UnplacedReason::Unreachable {
                why: why.clone(),
                lasting: *lasting,
            });
        }
        Some(NodeStorages::Unreadable { why }) => return Err(unread(why)),
        None => return Err(unread("nobody asked for them")),
    };
    of_config(target, config).map_err(UnplacedReason::Unfit)
}

fn of_config(target: &StorageTarget, config: &StorageConfig) -> Result<Dir, StorageUnfit> {
    let Some(storage) = config.storages.get(&target.storage) else {
        let fit = config
            .storages
            .iter()
            .filter(|(_, storage)| storage.path.is_some() && is_for(storage, config));
        return Err(StorageUnfit::Missing {
            known: fit.map(|(name, _)| name.clone()).collect(),
            seen_by: config.seen_by.clone(),
        });
    };
    if storage.disabled {
        return Err(StorageUnfit::Disabled);
    }
    if !is_for(storage, config) {
        return Err(StorageUnfit::OtherNodes {
            nodes: storage.nodes.iter().cloned().collect(),
            own: config.host.clone(),
        });
    }
    let Some(dir) = storage.dir_for(target.content) else {
        return Err(StorageUnfit::NoDirectory {
            of_type: storage.kind.clone(),
        });
    };
    if !storage.content.contains(target.content.name()) {
        return Err(StorageUnfit::NoContent {
            content: target.content,
            enabled: storage.content.iter().cloned().collect(),
        });
    }
    dir.map_err(|why| StorageUnfit::BadPath { why })
}

fn is_for(storage: &DescribedStorage, config: &StorageConfig) -> bool {
    storage.nodes.is_empty() || storage.nodes.contains(&config.host)
}

/// The directories of shared storages, by node, each with the cluster and the storage
/// that it belongs to. A node without a cluster shares nothing.
pub(super) fn shared(catalog: &Catalog) -> BTreeMap<NodeId, BTreeMap<Dir, String>> {
    let mut shared = BTreeMap::new();
    for (node, storages) in &catalog.storages {
        let Some((config, cluster)) = storages
            .config()
            .and_then(|config| Some((config, config.cluster.as_deref()?)))
        else {
            continue;
        };
        let mut dirs = BTreeMap::new();
        for (name, storage) in &config.storages {
            for content in [ImageContent::Iso, ImageContent::Import] {
                let dir = storage.dir_for(content).filter(|_| storage.shared);
                if let Some(Ok(dir)) = dir {
                    dirs.insert(dir, format!("{cluster}/{name}"));
                }
            }
        }
        shared.insert(node.clone(), dirs);
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(storage: DescribedStorage) -> StorageConfig {
        StorageConfig {
            host: "pve-01".to_owned(),
            cluster: Some("lab".to_owned()),
            seen_by: None,
            storages: BTreeMap::from([("nas".parse().unwrap(), storage)]),
        }
    }

    fn nas() -> DescribedStorage {
        DescribedStorage {
            kind: "nfs".to_owned(),
            path: Some("/mnt/pve/nas".to_owned()),
            content: ["iso", "import"].map(str::to_owned).into(),
            shared: true,
            ..DescribedStorage::default()
        }
    }

    fn found(storage: DescribedStorage, content: ImageContent) -> Result<String, StorageUnfit> {
        let target = StorageTarget {
            node: "one".parse().unwrap(),
            storage: "nas".parse().unwrap(),
            content,
        };
        of_config(&target, &config(storage)).map(|dir| dir.to_string())
    }

    #[test]
    fn a_storage_has_a_directory_for_each_content() {
        let iso = found(nas(), ImageContent::Iso).unwrap();
        assert_eq!(iso, "/mnt/pve/nas/template/iso");
        let import = found(nas(), ImageContent::Import).unwrap();
        assert_eq!(import, "/mnt/pve/nas/import");
        let mut own = nas();
        own.content_dirs = BTreeMap::from([("iso".to_owned(), "/my//isos/".to_owned())]);
        assert_eq!(
            found(own, ImageContent::Iso).unwrap(),
            "/mnt/pve/nas/my/isos"
        );
    }

    #[test]
    fn what_is_wrong_with_a_storage_is_told_apart() {
        let with = |change: fn(&mut DescribedStorage)| {
            let mut storage = nas();
            change(&mut storage);
            found(storage, ImageContent::Import).unwrap_err()
        };
        assert_eq!(with(|nas| nas.disabled = true), StorageUnfit::Disabled);
        assert!(matches!(
            with(|nas| nas.nodes = ["pve-02".to_owned()].into()),
            StorageUnfit::OtherNodes { .. }
        ));
        assert!(matches!(
            with(|nas| nas.path = None),
            StorageUnfit::NoDirectory { .. }
        ));
        assert!(matches!(
            with(|nas| nas.content = ["iso".to_owned()].into()),
            StorageUnfit::NoContent { .. }
        ));
        // The configuration of a node is foreign text.
        for path in ["relative", "/mnt/../etc", "/etc/pve", "/a b"] {
            let mut storage = nas();
            storage.path = Some(path.to_owned());
            let unfit = found(storage, ImageContent::Iso).unwrap_err();
            assert!(matches!(unfit, StorageUnfit::BadPath { .. }), "{path}");
        }
    }

    #[test]
    fn only_nodes_of_a_cluster_share() {
        let mut alone = config(nas());
        alone.cluster = None;
        let catalog = Catalog {
            storages: BTreeMap::from([
                ("one".parse().unwrap(), NodeStorages::Known(config(nas()))),
                ("two".parse().unwrap(), NodeStorages::Known(alone)),
            ]),
            ..Catalog::default()
        };
        let shared = shared(&catalog);
        let one = &shared[&"one".parse::<NodeId>().unwrap()];
        assert_eq!(one[&"/mnt/pve/nas/import".parse().unwrap()], "lab/nas");
        assert_eq!(shared.len(), 1);
    }
}
