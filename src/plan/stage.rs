//! What every stage of the planner works with.
//!
//! A stage is a function of one form, [`Stage`]: it reads [`StageInput`], which no stage
//! changes, and adds to [`PlanDraft`], which holds what the stages before it decided.
//! The order of the stages is in `planner.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::blocked::{Blocked, BlockedReason};
use super::desired::{Desired, PositionWant, Resolved};
use super::policy::{Policy, RunOptions, SharedStorages};
use super::selection::Selection;
use super::step::{Action, Plan, Step, Why};
use super::storages::StorageLeaders;
use super::wanted::WantedBy;
use crate::facts::{CachedFile, DirState, NodeState, Observed, StepId};
use crate::model::{ArtifactId, Dir, FileName, NodeId, PositionRef, PushTarget};

/// One stage of the planner.
pub(super) type Stage = fn(&StageInput<'_>, &mut PlanDraft);

/// What every stage reads.
pub(super) struct StageInput<'a> {
    pub desired: &'a Desired,
    pub observed: &'a Observed,
    pub policy: &'a Policy,
    pub options: &'a RunOptions,
    /// Which nodes and directories are on shared storages.
    pub shared: &'a SharedStorages,
    /// Which node acts for each shared storage.
    pub leaders: StorageLeaders<'a>,
    /// Why nothing may be removed in this run, if that is so.
    pub removals_blocked: Option<String>,
    /// The nodes with a storage whose directory is not known: what is wanted there is
    /// not known either.
    unplaced: BTreeSet<&'a NodeId>,
    /// The cache is emptied first: never for a part of the orders or nodes, as the cache
    /// serves them all.
    pub purge: bool,
    /// The positions that something is done for; `None` for all.
    selected: Option<BTreeSet<&'a PositionRef>>,
}

impl<'a> StageInput<'a> {
    pub(super) fn new(
        desired: &'a Desired,
        observed: &'a Observed,
        policy: &'a Policy,
        shared: &'a SharedStorages,
        options: &'a RunOptions,
    ) -> Self {
        let resolved = desired.positions.iter().flat_map(|want| &want.outcome);
        let unplaced = resolved.flat_map(|resolved| &resolved.unplaced);
        Self {
            leaders: shared.leaders(observed),
            shared,
            unplaced: unplaced.map(|unplaced| &unplaced.target.node).collect(),
            removals_blocked: removals_blocked(desired).or_else(|| nodes_unknown(observed)),
            purge: options.purge && options.selection.is_all(),
            selected: selected(desired, &options.selection),
            desired,
            observed,
            policy,
            options,
        }
    }

    /// Why nothing may be removed from a directory of a node in this run, if that is so.
    pub(super) fn removals_blocked_in(&self, node: &NodeId, dir: &Dir) -> Option<String> {
        let unknown = || {
            // What another node of a shared storage wants there counts as well.
            let is_shared = self.shared.of(node, dir).is_some();
            let first = match is_shared {
                true => self.unplaced.first()?,
                false => self.unplaced.get(node)?,
            };
            Some(format!(
                "the directory of a storage of {first} is not known"
            ))
        };
        self.removals_blocked.clone().or_else(unknown)
    }

    /// Why no template may be removed from a node in this run, if that is so.
    pub(super) fn removals_blocked_on(&self, node: &NodeId) -> Option<String> {
        let unknown = || {
            let node = self.unplaced.get(node)?;
            Some(format!("the directory of a storage of {node} is not known"))
        };
        self.removals_blocked.clone().or_else(unknown)
    }

    /// A file of the cache, unless the cache is emptied first.
    pub(super) fn cached(&self, file: &FileName) -> Option<&'a CachedFile> {
        if self.purge {
            return None;
        }
        self.observed.cache.files.get(file)
    }

    /// No order is for the nodes that this controller works on. That may be a mistake, so
    /// nothing is removed from them unless an operator agrees.
    pub(super) fn wants_nothing(&self) -> bool {
        self.desired.positions.is_empty()
    }

    /// True if something is done for one of these positions: only that takes up room.
    pub(super) fn is_selected(&self, wanted_by: &WantedBy) -> bool {
        let Some(selected) = &self.selected else {
            return true;
        };
        wanted_by.iter().any(|position| selected.contains(position))
    }

    /// Why a prune from a node that is due waits for the next run, if it does.
    pub(super) fn not_planned(&self, id: &StepId) -> Option<BlockedReason> {
        let prunable = self.options.prunable.as_ref()?;
        (!prunable.contains(id)).then_some(BlockedReason::NotPlanned)
    }

    /// The listing of a directory; `None` where its node is not known to have one.
    pub(super) fn listing(&self, target: &PushTarget) -> Option<&'a DirState> {
        match self.observed.nodes.get(&target.node)? {
            NodeState::Listed { dirs, .. } => dirs.get(&target.dir),
            NodeState::Unreachable { .. } => None,
        }
    }
}

/// The positions of selected orders that are for a selected node; `None` for all.
fn selected<'a>(desired: &'a Desired, selection: &Selection) -> Option<BTreeSet<&'a PositionRef>> {
    if selection.is_all() {
        return None;
    }
    let is_selected = |want: &&PositionWant| {
        let mut nodes = want.outcome.iter().flat_map(Resolved::nodes);
        selection.has_order(want.position.order.as_str())
            && (selection.nodes.is_empty() || nodes.any(|node| selection.has_node(node.as_str())))
    };
    let positions = desired.positions.iter().filter(is_selected);
    Some(positions.map(|want| &want.position).collect())
}

/// Why nothing may be removed, if that is so: what is not mentioned is known to be
/// unwanted only if everything that was written is understood.
pub(super) fn removals_blocked(desired: &Desired) -> Option<String> {
    if !desired.complete {
        return Some("an order, a position or a file is invalid".to_owned());
    }
    if desired.doubt.is_some() {
        return desired.doubt.clone();
    }
    // Orders for other sites alone were read all the same, and want nothing here.
    if desired.positions.is_empty() && desired.left_out == 0 {
        return Some("there are no orders, which is probably a mistake".to_owned());
    }
    let unresolved = desired
        .positions
        .iter()
        .find(|want| want.outcome.is_err())?;
    Some(format!("{} could not be resolved", unresolved.position))
}

/// Why what is wanted on nodes is not known, if that is so: orders name nodes of a cluster
/// that does not answer, which may have others by now.
fn nodes_unknown(observed: &Observed) -> Option<String> {
    let mut clusters = observed.catalog.clusters.iter();
    let silent = clusters.find(|(_, cluster)| cluster.is_named && cluster.failure.is_some());
    silent.map(|(name, _)| format!("the nodes of the cluster {name} are not known now"))
}

/// A plan in the making.
#[derive(Default)]
pub(super) struct PlanDraft {
    pub plan: Plan,
    /// The step that brings an artifact into the cache.
    pub incoming: BTreeMap<ArtifactId, StepId>,
    /// The artifacts that do not come into the cache in this run, by the step that is
    /// blocked.
    pub blocked_sources: BTreeMap<ArtifactId, StepId>,
}

impl PlanDraft {
    /// Adds a step, and returns its identity.
    pub(super) fn step(
        &mut self,
        action: Action,
        why: Why,
        needs: Vec<StepId>,
        wanted_by: WantedBy,
    ) -> StepId {
        let id = action.step_id();
        self.plan.steps.push(Step {
            id: id.clone(),
            action,
            why,
            needs,
            wanted_by,
        });
        id
    }

    /// Adds a removal, which no position wants.
    pub(super) fn removal(&mut self, action: Action, why: Why, needs: Vec<StepId>) {
        self.step(action, why, needs, WantedBy::default());
    }

    /// Adds something that should be done and is not.
    pub(super) fn block(&mut self, id: StepId, reason: BlockedReason, wanted_by: WantedBy) {
        self.plan.blocked.push(Blocked {
            id,
            reason,
            wanted_by,
        });
    }

    /// Adds a removal that is blocked.
    pub(super) fn block_removal(&mut self, id: StepId, reason: BlockedReason) {
        self.block(id, reason, WantedBy::default());
    }
}
