//! What clusters tell of their nodes and storages: asked once for all nodes of a look.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::config::ApiNode;
use super::place::silence;
use crate::facts::FailureKind;
use crate::proxmox::{PveNode, PveStorage};

/// Nodes and storages, or why they are not known and what only an operator can end.
pub(super) type ToldByCluster =
    Result<Arc<(Vec<PveNode>, Vec<PveStorage>)>, (String, Option<FailureKind>)>;

/// What clusters told a moment ago.
#[derive(Debug, Default)]
pub(super) struct ToldClusters {
    clusters: std::sync::Mutex<BTreeMap<String, Arc<LastAnswer>>>,
}

/// The last answer of a cluster, with when it came.
type LastAnswer = Mutex<Option<(Instant, ToldByCluster)>>;

impl ToldClusters {
    /// Asks the cluster of a node, unless another node of it was asked for a moment ago.
    pub(super) async fn ask(
        &self,
        known: &ApiNode,
        limit: Duration,
        age: Duration,
    ) -> ToldByCluster {
        let begun = Instant::now();
        let cluster = {
            let clusters = self.clusters.lock();
            let mut clusters = clusters.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(clusters.entry(known.cluster.clone()).or_default())
        };
        // Other nodes of the cluster wait here for the one that asks.
        let mut cluster = cluster.lock().await;
        if let Some((at, told)) = &*cluster
            && (*at > begun || at.elapsed() < age)
        {
            return told.clone();
        }
        let asked = async { tokio::join!(known.api.nodes(), known.api.storages()) };
        let told = match timeout(limit, asked).await {
            Ok((Ok(nodes), Ok(storages))) => Ok(Arc::new((nodes, storages))),
            Ok((Err(error), _) | (Ok(_), Err(error))) => Err(silence(&error)),
            Err(_) => Err(("its cluster did not answer in time".to_owned(), None)),
        };
        *cluster = Some((Instant::now(), told.clone()));
        told
    }
}
