//! What a cluster tells of itself, asked once for all of its nodes.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::proxmox::{PveApi, PveError, PveNode, PveStorage};

/// The members and the storages of each cluster, from a moment ago.
#[derive(Debug, Default)]
pub(super) struct SeenClusters {
    clusters: std::sync::Mutex<BTreeMap<String, Arc<Mutex<LastAnswer>>>>,
}

/// The last answer, and when it came.
type LastAnswer = Option<(Instant, Result<SeenCluster, Arc<PveError>>)>;

#[derive(Debug, Clone)]
pub(super) struct SeenCluster {
    pub members: Arc<Vec<PveNode>>,
    pub storages: Arc<Vec<PveStorage>>,
}

impl SeenClusters {
    /// What the cluster says, or said within this time. An error is for those who waited
    /// for it.
    pub(super) async fn look(
        &self,
        cluster: &str,
        api: &PveApi,
        age: Duration,
    ) -> Result<SeenCluster, Arc<PveError>> {
        let begun = Instant::now();
        let seen = {
            let clusters = self.clusters.lock();
            let mut clusters = clusters.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(clusters.entry(cluster.to_owned()).or_default())
        };
        // Other nodes of the cluster wait here for the one that asks.
        let mut seen = seen.lock().await;
        if let Some((at, answer)) = &*seen
            && (*at > begun || answer.is_ok() && at.elapsed() < age)
        {
            return answer.clone();
        }
        let answer = tokio::try_join!(api.nodes(), api.storages());
        let answer = answer.map_err(Arc::new);
        let answer = answer.map(|(members, storages)| SeenCluster {
            members: Arc::new(members),
            storages: Arc::new(storages),
        });
        *seen = Some((Instant::now(), answer.clone()));
        answer
    }
}
