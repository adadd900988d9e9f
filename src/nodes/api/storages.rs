//! The storages of a node, as its cluster describes them.

use std::collections::{BTreeMap, BTreeSet};

use super::described::{described, places};
use super::shared::SharedParts;
use crate::facts::{FailureKind, NodeStorages, StorageConfig};
use crate::io::process::printable;
use crate::model::{Dir, ImageContent, Node, StorageName};
use crate::proxmox::NodeHealth;

/// What the cluster says of the storages, which names the directories of the node.
pub(super) async fn storages(nodes: &SharedParts, node: &Node) -> NodeStorages {
    let Some(known) = nodes.known(node) else {
        let why = "it is not configured for the Proxmox VE API".to_owned();
        return unreachable(why, Some(FailureKind::Unreachable));
    };
    let told = match nodes
        .told
        .ask(&known, nodes.config.look, nodes.config.cluster_age)
        .await
    {
        Ok(told) => told,
        Err((why, lasting)) => return unreachable(why, lasting),
    };
    let (members, storages) = &*told;
    match members.iter().find(|member| member.name == known.name) {
        Some(member) if member.health == NodeHealth::Offline => {
            let why = format!("offline in its cluster {}", known.cluster);
            return unreachable(why, None);
        }
        Some(_) => {}
        None => {
            let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            let why = format!(
                "the cluster {} has no node {}; it has {} (set `pve_name` on the node)",
                known.cluster,
                known.name,
                printable(names.join(", ").as_bytes())
            );
            return unreachable(why, Some(FailureKind::Unreachable));
        }
    }
    let described = described(storages);
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

/// A node that is reached in another way, as its cluster describes it.
#[derive(Debug)]
pub(in crate::nodes) struct DescribedNode {
    /// Its storages.
    pub config: StorageConfig,
    /// The directories of storages that cannot be used now, with the reason.
    pub inactive: BTreeMap<Dir, String>,
}

/// `None` where the cluster does not answer or does not tell of all that are of interest:
/// the node itself knows.
pub(super) async fn described_node(
    nodes: &SharedParts,
    node: &Node,
    wanted: &BTreeSet<StorageName>,
) -> Option<DescribedNode> {
    let known = nodes.known(node)?;
    let limit = nodes.config.look;
    let storages = tokio::time::timeout(limit, known.api.storages()).await;
    let described = described(&storages.ok()?.ok()?);
    if !wanted.iter().all(|name| described.contains_key(name)) {
        return None;
    }
    let mut inactive = BTreeMap::new();
    for name in wanted {
        let asked = known.api.storage_status(&known.name, name.as_str());
        // A server that hangs is seen over ssh.
        let Ok(Ok(status)) = tokio::time::timeout(limit, asked).await else {
            continue;
        };
        if status.enabled && !status.active {
            let contents = [ImageContent::Iso, ImageContent::Import];
            let dirs = contents.map(|content| described[name].dir_for(content));
            for dir in dirs.into_iter().flatten().flatten() {
                inactive.insert(dir, format!("the storage {name} is not active"));
            }
        }
    }
    Some(DescribedNode {
        config: StorageConfig {
            host: known.name,
            cluster: Some(known.cluster),
            seen_by: None,
            storages: described,
        },
        inactive,
    })
}

fn unreachable(why: String, lasting: Option<FailureKind>) -> NodeStorages {
    NodeStorages::Unreachable {
        why,
        lasting,
        last: None,
    }
}
