//! What was seen of the VMIDs of each cluster: one call serves all of its nodes, once in
//! each run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::facts::{NodeVms, VmSeat};
use crate::model::{NodeId, VmId};

/// The VMIDs of a cluster, or why they are not known.
pub(super) type Taken = Result<BTreeMap<VmId, VmSeat>, NodeVms>;

/// What was seen of the VMIDs of each cluster.
#[derive(Debug, Default)]
pub(in crate::nodes::api) struct SeenVms {
    clusters: std::sync::Mutex<BTreeMap<String, Arc<Mutex<Option<SeenVmList>>>>>,
}

#[derive(Debug)]
struct SeenVmList {
    at: Instant,
    /// The nodes that have it. One that asks again is in the next run.
    served: BTreeSet<NodeId>,
    taken: Taken,
}

impl SeenVms {
    /// The VMIDs of a cluster for one of its nodes.
    pub(super) async fn look(
        &self,
        cluster: &str,
        node: &NodeId,
        age: Duration,
        ask: impl Future<Output = Taken>,
    ) -> Taken {
        let seen = {
            let clusters = self.clusters.lock();
            let mut clusters = clusters.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(clusters.entry(cluster.to_owned()).or_default())
        };
        // Other nodes of the cluster wait here for the one that asks.
        let mut seen = seen.lock().await;
        if let Some(known) = &mut *seen
            && known.at.elapsed() < age
            && known.served.insert(node.clone())
        {
            return known.taken.clone();
        }
        let taken = ask.await;
        *seen = Some(SeenVmList {
            at: Instant::now(),
            served: BTreeSet::from([node.clone()]),
            taken: taken.clone(),
        });
        taken
    }

    /// The next look asks. One that is under way is not waited for.
    pub(super) fn forget(&self, cluster: &str) {
        let clusters = self.clusters.lock();
        let mut clusters = clusters.unwrap_or_else(PoisonError::into_inner);
        clusters.remove(cluster);
    }
}
