//! What there is: nodes, storages, certificates, and what the token may do.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;

use super::answers::{
    CertificateEntry, ClusterState, ClusterStatusEntry, NodeHealth, NodeStatus, PveNode,
    PveStorage, ServedCertificate, StorageStatus, UrlMetadata, VmSummary,
};
use super::api::PveApi;
use super::call::PveCall;
use super::error::PveError;
use super::features::PveVersion;
use super::rights::Granted;

/// Certificates that are asked for at once.
const AT_ONCE: usize = 8;

#[derive(Debug, Deserialize)]
struct VersionAnswer {
    version: String,
}

impl PveApi {
    /// The version of the endpoint that answers.
    ///
    /// # Errors
    /// As for every call: see [`PveError`].
    pub async fn version(&self) -> Result<PveVersion, PveError> {
        self.version_by(&PveCall::get(&["version"])).await
    }

    /// The version of one node.
    ///
    /// # Errors
    /// As for every call, and where the node cannot be reached.
    pub async fn node_version(&self, node: &str) -> Result<PveVersion, PveError> {
        self.version_by(&PveCall::get(&["nodes", node, "version"]))
            .await
    }

    async fn version_by(&self, call: &PveCall) -> Result<PveVersion, PveError> {
        let answer: VersionAnswer = self.ask(call).await?;
        answer.version.parse().map_err(|_| PveError::Answer {
            call: call.shown(),
            reason: format!("the version {:?}", answer.version),
        })
    }

    /// The nodes of the cluster, by name.
    ///
    /// # Errors
    /// As for every call.
    pub async fn nodes(&self) -> Result<Vec<PveNode>, PveError> {
        let mut nodes: Vec<PveNode> = self.ask(&PveCall::get(&["nodes"])).await?;
        nodes.sort();
        Ok(nodes)
    }

    /// Name, quorum and addresses. Requires Sys.Audit on `/`.
    ///
    /// # Errors
    /// As for every call.
    pub async fn cluster_state(&self) -> Result<ClusterState, PveError> {
        let call = PveCall::get(&["cluster", "status"]);
        let entries: Vec<ClusterStatusEntry> = self.ask(&call).await?;
        let mut state = ClusterState {
            quorate: true,
            ..ClusterState::default()
        };
        for entry in entries {
            match entry.kind.as_str() {
                "cluster" => {
                    state.name = Some(entry.name);
                    state.quorate = entry.quorate;
                }
                "node" => {
                    if entry.local {
                        state.local = Some(entry.name.clone());
                    }
                    state.addresses.push((entry.name, entry.ip));
                }
                _ => {}
            }
        }
        state.addresses.sort();
        Ok(state)
    }

    /// The storages of the cluster, by name. Those that the token may not see are left
    /// out without a word.
    ///
    /// # Errors
    /// As for every call.
    pub async fn storages(&self) -> Result<Vec<PveStorage>, PveError> {
        let mut storages: Vec<PveStorage> = self.ask(&PveCall::get(&["storage"])).await?;
        storages.sort();
        Ok(storages)
    }

    /// A storage as one node sees it. One storage at a time: a server that hangs would
    /// hold up the answer about all of them.
    ///
    /// # Errors
    /// As for every call, and where the storage does not exist or is not for this node.
    pub async fn storage_status(
        &self,
        node: &str,
        storage: &str,
    ) -> Result<StorageStatus, PveError> {
        let call = PveCall::get(&["nodes", node, "storage", storage, "status"]);
        self.ask(&call).await
    }

    /// Bytes that are free on the root file system, where uploads arrive first.
    /// Requires Sys.Audit on the node. `None` where the node does not say.
    ///
    /// # Errors
    /// As for every call.
    pub async fn root_free(&self, node: &str) -> Result<Option<u64>, PveError> {
        let status: NodeStatus = self.ask(&PveCall::get(&["nodes", node, "status"])).await?;
        Ok(status.rootfs.and_then(|root| root.avail))
    }

    /// The token's own privileges on each of these paths, by path. Each path is asked
    /// for by itself: the list of all paths has only those that somebody has an entry
    /// for, and leaves out those without any privilege.
    ///
    /// # Errors
    /// As for every call.
    pub async fn granted(&self, paths: &BTreeSet<String>) -> Result<Granted, PveError> {
        let mut granted = Granted::default();
        for path in paths {
            let call = PveCall::get(&["access", "permissions"]).query("path", path);
            let mut answer: BTreeMap<String, serde_json::Value> = self.ask(&call).await?;
            let found = answer.remove(path).unwrap_or_default();
            granted.insert(path, privileges(found));
        }
        Ok(granted)
    }

    /// The token's own privileges on every path that somebody has an entry for, in one
    /// request.
    ///
    /// # Errors
    /// As for every call.
    pub async fn granted_everywhere(&self) -> Result<Granted, PveError> {
        let call = PveCall::get(&["access", "permissions"]);
        let answer: BTreeMap<String, serde_json::Value> = self.ask(&call).await?;
        let by_path = answer
            .into_iter()
            .map(|(path, found)| (path, privileges(found)));
        Ok(Granted::of_list(by_path.collect()))
    }

    /// The certificate of a node's API: `pveproxy-ssl.pem` where there is one, else the
    /// cluster's own.
    ///
    /// # Errors
    /// As for every call, and where the node tells of no certificate.
    pub async fn served_certificate(&self, node: &str) -> Result<ServedCertificate, PveError> {
        let call = PveCall::get(&["nodes", node, "certificates", "info"]);
        let entries: Vec<CertificateEntry> = self.ask(&call).await?;
        let named = |name: &str| entries.iter().find(|entry| entry.filename == name);
        let served = named("pveproxy-ssl.pem").or_else(|| named("pve-ssl.pem"));
        let read = served.and_then(|entry| {
            Some(ServedCertificate {
                node: node.to_owned(),
                fingerprint: entry.fingerprint.as_deref()?.parse().ok()?,
                not_after: entry
                    .notafter
                    .and_then(|at| Timestamp::from_second(at).ok()),
                names: entry.san.clone(),
            })
        });
        read.ok_or_else(|| PveError::Answer {
            call: call.shown(),
            reason: "no certificate of the API".to_owned(),
        })
    }

    /// Asks a trusted node for the certificates of these nodes, and trusts them from now on
    /// where certificates are pinned. A node that is off or cannot be asked is left out.
    pub async fn certificates(&self, nodes: &[PveNode]) -> Vec<ServedCertificate> {
        let mut asked = Vec::new();
        for node in nodes {
            if node.health != NodeHealth::Offline {
                asked.push(self.served_certificate(&node.name));
            }
        }
        let served: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        let served: Vec<ServedCertificate> = served.into_iter().flatten().collect();
        self.add_pins(served.iter().map(|served| served.fingerprint));
        served
    }

    /// The same for all nodes of the cluster.
    ///
    /// # Errors
    /// Where the list of nodes cannot be had.
    pub async fn learn_pins(&self) -> Result<Vec<ServedCertificate>, PveError> {
        let nodes = self.nodes().await?;
        Ok(self.certificates(&nodes).await)
    }

    /// What a node sees of a URL: the cheap test that it reaches a server. Requires what
    /// [`fetch`](PveApi::fetch) requires.
    ///
    /// # Errors
    /// As for every call, and where the node does not get an answer.
    pub async fn url_metadata(&self, node: &str, url: &str) -> Result<UrlMetadata, PveError> {
        let call = PveCall::new(Method::GET, &["nodes", node, "query-url-metadata"]);
        self.ask(&call.query("url", url)).await
    }

    /// The virtual machines and containers that the token may see, by number. The
    /// others are left out without a word.
    ///
    /// # Errors
    /// As for every call.
    pub async fn vms(&self) -> Result<Vec<VmSummary>, PveError> {
        let call = PveCall::get(&["cluster", "resources"]).query("type", "vm");
        let mut vms: Vec<VmSummary> = self.ask(&call).await?;
        vms.sort();
        Ok(vms)
    }
}

/// Privileges, each with whether it holds for everything below as well.
fn privileges(found: serde_json::Value) -> BTreeMap<String, bool> {
    match found {
        serde_json::Value::Object(privileges) => privileges
            .into_iter()
            .map(|(name, below)| (name, below == 1 || below == "1"))
            .collect(),
        // An empty hash of Perl may come as an empty list.
        _ => BTreeMap::new(),
    }
}
