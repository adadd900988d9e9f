//! The storages of a node, as its cluster describes them.

use super::cluster::SeenCluster;
use super::described::{described, places};
use super::place::silence;
use super::shared::SharedParts;
use crate::facts::{FailureKind, NodeStorages, StorageConfig};
use crate::io::process::printable;
use crate::model::Node;
use crate::proxmox::NodeHealth;

/// What the cluster says of the storages, which names the directories of the node.
pub(super) async fn storages(nodes: &SharedParts, node: &Node) -> NodeStorages {
    let Some(known) = nodes.config.nodes.get(&node.id) else {
        let why = "it is not configured for the Proxmox VE API".to_owned();
        return unreachable(why, Some(FailureKind::Unreachable));
    };
    let asked = nodes
        .clusters
        .look(&known.cluster, &known.api, nodes.config.cluster_age);
    let SeenCluster {
        members, storages, ..
    } = match tokio::time::timeout(nodes.config.look, asked).await {
        Ok(Ok(answers)) => answers,
        Ok(Err(error)) => {
            let (why, lasting) = silence(&error);
            return unreachable(why, lasting);
        }
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
                printable(names.join(", ").as_bytes())
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

fn unreachable(why: String, lasting: Option<FailureKind>) -> NodeStorages {
    NodeStorages::Unreachable {
        why,
        lasting,
        last: None,
    }
}
