//! The positions that come to nothing in this run, at all or on one storage.

use std::collections::{BTreeMap, BTreeSet};

use super::clusters::silence;
use crate::facts::StepId;
use crate::model::{AwaitedNodes, ClusterName};
use crate::plan::blocked::BlockedReason;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::unplaced::{Unplaced, UnplacedReason};
use crate::plan::wanted::WantedBy;

/// Shows each position that could not be resolved as blocked, and each storage whose
/// directory is not known.
pub(in crate::plan) fn unresolved(input: &StageInput<'_>, draft: &mut PlanDraft) {
    let mut unplaced: BTreeMap<StepId, (BlockedReason, WantedBy)> = BTreeMap::new();
    for want in &input.desired.positions {
        let own = || WantedBy::one(want.position.clone());
        match &want.outcome {
            Err(why) => {
                let id = StepId::resolve(&want.position);
                let reason = BlockedReason::Unresolved { why: why.clone() };
                draft.block(id, reason, own());
            }
            Ok(resolved) => {
                if let Some(reason) = awaited(input, &resolved.awaited) {
                    draft.block(StepId::resolve(&want.position), reason, own());
                }
                for one in &resolved.unplaced {
                    let (_, wanted_by) = unplaced
                        .entry(StepId::storage(&one.target))
                        .or_insert_with(|| (reason(one), WantedBy::default()));
                    wanted_by.extend([want.position.clone()]);
                }
            }
        }
    }
    for (id, (reason, wanted_by)) in unplaced {
        draft.block(id, reason, wanted_by);
    }
}

/// Why nodes are not known that only clusters know.
fn awaited(input: &StageInput<'_>, awaited: &[AwaitedNodes]) -> Option<BlockedReason> {
    let clusters: BTreeSet<&ClusterName> =
        awaited.iter().flat_map(|nodes| &nodes.clusters).collect();
    let clusters: Vec<ClusterName> = clusters.into_iter().cloned().collect();
    let names: BTreeSet<&str> = awaited.iter().map(|nodes| nodes.name.as_str()).collect();
    (!names.is_empty()).then(|| BlockedReason::NodesUnknown {
        names: names.into_iter().map(str::to_owned).collect(),
        why: silence(&clusters, input),
        clusters,
    })
}

/// Why nothing goes to a storage.
fn reason(unplaced: &Unplaced) -> BlockedReason {
    let target = &unplaced.target;
    match &unplaced.why {
        UnplacedReason::Unreachable { why, lasting } => BlockedReason::NodeUnreachable {
            node: target.node.clone(),
            why: why.clone(),
            lasting: *lasting,
        },
        UnplacedReason::Unfit(why) => BlockedReason::StorageUnfit {
            node: target.node.clone(),
            storage: target.storage.clone(),
            why: why.clone(),
        },
    }
}
