//! Removals that do not happen now: those that wait for approval, those in their grace
//! period, and those that something forbids.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::facts::{ApprovalId, Memory, NodeState, StepId, StepKind};
use crate::model::NodeId;
use crate::plan::{Blocked, BlockedReason, Look};

/// A file or a template that would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRemoval {
    /// The step that would remove it.
    pub step: StepId,
    /// Its size, where it was observed.
    pub bytes: Option<u64>,
    /// Since when no order wants it, where that is known.
    pub since: Option<Timestamp>,
    /// When its grace period is over, or its window opens, where it waits for that.
    pub until: Option<Timestamp>,
    /// Why it does not go now, for the user.
    pub message: String,
}

/// Removals from one node that are more than its budget. Approval is for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingApproval {
    /// What `approve` takes.
    pub id: ApprovalId,
    /// The node.
    pub node: Option<NodeId>,
    /// The limit, in files.
    pub limit: usize,
    /// What would go.
    pub removals: Vec<WaitingRemoval>,
    /// How many bytes that would free.
    pub bytes: u64,
    /// It is approved; the next run removes them.
    pub is_approved: bool,
}

/// The removals that do not happen now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaitingRemovals {
    /// By approval.
    pub approvals: Vec<WaitingApproval>,
    /// Those in their grace period, the first that goes first.
    pub in_grace: Vec<WaitingRemoval>,
    /// Those that something else forbids: a virtual machine uses it, its window is closed, or
    /// the orders are not completely known.
    pub kept: Vec<WaitingRemoval>,
}

impl WaitingRemovals {
    /// The removals that a look found and that were not done; `approved` are those that an
    /// operator has approved, also since then.
    pub fn of(look: &Look, memory: &Memory, approved: &BTreeSet<ApprovalId>) -> Self {
        let mut found = Self::default();
        let mut approvals: BTreeMap<&ApprovalId, WaitingApproval> = BTreeMap::new();
        let blocked = look.plan.blocked.iter();
        let removals = blocked.filter(|blocked| is_removal(blocked));
        for blocked in removals {
            let reason = blocked.reason.underlying();
            let mut removal = WaitingRemoval {
                step: blocked.id.clone(),
                bytes: size(look, &blocked.id),
                since: memory.unwanted_since.get(&blocked.id).copied(),
                until: None,
                message: reason.to_string(),
            };
            match reason {
                BlockedReason::OverBudget {
                    limit, approval, ..
                } => {
                    let id = approval;
                    let group = approvals.entry(id);
                    let group = group.or_insert_with(|| WaitingApproval {
                        id: approval.clone(),
                        node: blocked.id.node(),
                        limit: *limit,
                        removals: Vec::new(),
                        bytes: 0,
                        is_approved: approved.contains(approval),
                    });
                    group.bytes += removal.bytes.unwrap_or(0);
                    group.removals.push(removal);
                }
                BlockedReason::InGrace { until } => {
                    removal.until = Some(*until);
                    found.in_grace.push(removal);
                }
                BlockedReason::OutsideWindow { until, .. } => {
                    removal.until = Some(*until);
                    found.kept.push(removal);
                }
                BlockedReason::WaitsForRing { until, .. } => {
                    removal.until = *until;
                    found.kept.push(removal);
                }
                _ => found.kept.push(removal),
            }
        }
        found.approvals = approvals.into_values().collect();
        found.approvals.sort_by(|a, b| a.node.cmp(&b.node));
        found.in_grace.sort_by_key(|removal| removal.until);
        found
    }
}

fn is_removal(blocked: &Blocked) -> bool {
    matches!(
        blocked.id.kind(),
        Some(StepKind::PruneNode | StepKind::PruneCache | StepKind::RemoveTemplate)
    )
}

fn size(look: &Look, id: &StepId) -> Option<u64> {
    if let Some((target, file)) = id.path() {
        let NodeState::Listed { dirs, .. } = look.observed.nodes.get(&target.node)? else {
            return None;
        };
        let dir = dirs.get(&target.dir)?;
        return Some(dir.files.get(file.as_str())?.size);
    }
    look.observed.cache.files.get(&id.cached()?)?.size
}
