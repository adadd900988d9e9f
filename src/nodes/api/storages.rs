//! The storages of a node, as its cluster describes them.

use std::collections::BTreeMap;

use super::config::ApiPlace;
use super::shared::SharedParts;
use crate::error::chain;
use crate::facts::{DescribedStorage, FailureKind, NodeStorages, StorageConfig};
use crate::model::{Dir, ImageContent, Node, StorageName};
use crate::proxmox::{NodeHealth, PveError, PveStorage};

/// What the cluster says of the storages, which names the directories of the node.
pub(super) async fn storages(nodes: &SharedParts, node: &Node) -> NodeStorages {
    let Some(known) = nodes.config.nodes.get(&node.id) else {
        let why = "it is not configured for the Proxmox VE API".to_owned();
        return unreachable(why, Some(FailureKind::Unreachable));
    };
    let asked = async { tokio::try_join!(known.api.nodes(), known.api.storages()) };
    let (members, storages) = match tokio::time::timeout(nodes.config.look, asked).await {
        Ok(Ok(answers)) => answers,
        Ok(Err(error)) => return refused(&error),
        Err(_) => return unreachable("its cluster did not answer in time".to_owned(), None),
    };
    match members.iter().find(|member| member.name == known.name) {
        Some(member) if member.health == NodeHealth::Offline => {
            let why = format!("the cluster {} says that it is offline", known.cluster);
            return unreachable(why, None);
        }
        Some(_) => {}
        None => {
            let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            let why = format!(
                "the cluster {} has no node {}; it has {} (set `pve_name` on the node)",
                known.cluster,
                known.name,
                names.join(", ")
            );
            return unreachable(why, Some(FailureKind::Unreachable));
        }
    }
    let described = described(&storages);
    if described.is_empty() {
        let why = format!(
            "the API token {} sees none; it needs Datastore.Audit on /storage/NAME",
            known.api.token()
        );
        return NodeStorages::Unreadable { why };
    }
    nodes.keep_places(&node.id, places(&described));
    NodeStorages::Known(StorageConfig {
        host: known.name.clone(),
        // Not the cluster's own name: to ask for that takes a privilege on `/`.
        cluster: Some(known.cluster.clone()),
        seen_by: Some(known.api.token().to_owned()),
        storages: described,
    })
}

fn refused(error: &PveError) -> NodeStorages {
    let lasting = match error {
        PveError::Unauthorized { .. } | PveError::Forbidden { .. } => {
            Some(FailureKind::PermissionDenied)
        }
        error if error.is_transient() => None,
        _ => Some(FailureKind::Unreachable),
    };
    let why = match error.hint() {
        Some(hint) => format!("{} ({hint})", chain(error)),
        None => chain(error),
    };
    unreachable(why, lasting)
}

fn unreachable(why: String, lasting: Option<FailureKind>) -> NodeStorages {
    NodeStorages::Unreachable {
        why,
        lasting,
        last: None,
    }
}

/// The storages whose names can be meant.
pub(super) fn described(storages: &[PveStorage]) -> BTreeMap<StorageName, DescribedStorage> {
    let named = storages
        .iter()
        .filter_map(|storage| Some((storage.name.parse().ok()?, description(storage))));
    named.collect()
}

fn description(storage: &PveStorage) -> DescribedStorage {
    let kind = storage.kind.as_str();
    let is_mounted = matches!(kind, "nfs" | "cifs" | "cephfs" | "glusterfs");
    let usual = is_mounted.then(|| format!("/mnt/pve/{}", storage.name));
    let dirs = storage.content_dirs.as_deref().unwrap_or_default();
    let dirs = dirs.split([',', ' ', ';']).filter_map(|word| {
        let (content, dir) = word.split_once('=')?;
        Some((content.trim().to_owned(), dir.trim().to_owned()))
    });
    DescribedStorage {
        kind: kind.to_owned(),
        path: storage.path.clone().or(usual),
        content: storage.content.iter().cloned().collect(),
        content_dirs: dirs.collect(),
        nodes: storage.nodes.iter().cloned().collect(),
        shared: storage.shared || is_mounted,
        disabled: storage.disabled,
    }
}

/// What directories are, by the storages that have them.
pub(super) fn places(
    described: &BTreeMap<StorageName, DescribedStorage>,
) -> BTreeMap<Dir, ApiPlace> {
    let mut places = BTreeMap::new();
    for (name, storage) in described {
        for content in [ImageContent::Iso, ImageContent::Import] {
            let is_enabled = storage.content.contains(content.name());
            if let Some(Ok(dir)) = storage.dir_for(content).filter(|_| is_enabled) {
                let place = ApiPlace {
                    storage: name.as_str().to_owned(),
                    content,
                };
                // Of two storages with one directory the first by name.
                places.entry(dir).or_insert(place);
            }
        }
    }
    places
}
