//! What concerns removals: since when files are not wanted, and what an operator approved.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::ended::EndedRun;
use crate::facts::{ApprovalId, KnownNode, NodeState, NodeVms, Outcome, StepId};
use crate::model::NodeId;
use crate::plan::{BlockedReason, missed};

impl EndedRun<'_> {
    /// Since when files are not wanted. A removal that the orders' own state blocks
    /// starts no clock: what a file that cannot be read wants is not unwanted. Of a node
    /// that does not answer, and of a directory whose record cannot be read, nothing is
    /// forgotten but what is wanted again.
    pub(super) fn unwanted_since(
        &self,
        places: &BTreeMap<NodeId, KnownNode>,
    ) -> BTreeMap<StepId, Timestamp> {
        let mut since: BTreeMap<StepId, Timestamp> = BTreeMap::new();
        for (id, &first) in &self.memory.unwanted_since {
            let is_watched = |node: &NodeId| match id.vmid() {
                Some(_) => self.memory.templates.contains_key(node),
                None => places.contains_key(node),
            };
            let Some(node) = id.node().filter(is_watched) else {
                continue;
            };
            if !self.knows(id, &node) {
                since.insert(id.clone(), first);
            }
        }
        let begin = self.look.observed.now;
        let mut consider = |id: &StepId, starts: bool| {
            let first = self.memory.unwanted_since.get(id).copied();
            if let Some(first) = first.or_else(|| starts.then_some(begin)) {
                since.insert(id.clone(), first);
            }
        };
        for step in &self.look.plan.steps {
            if step.id.removes_from_node() && !self.is_done(step) {
                consider(&step.id, true);
            }
        }
        for blocked in self
            .look
            .plan
            .blocked
            .iter()
            .filter(|blocked| blocked.id.removes_from_node())
        {
            let in_doubt = matches!(
                blocked.reason.underlying(),
                BlockedReason::PruneBlocked { .. }
            );
            consider(&blocked.id, !in_doubt);
        }
        let placed = &self.look.desired.placed;
        let is_wanted = |id: &StepId| {
            let (target, file) = id.path()?;
            Some(placed.get(&target)?.contains_key(&file))
        };
        since.retain(|id, _| is_wanted(id) != Some(true) && !self.is_template_of_order(id));
        let mut cached = missed(&self.look.desired, &self.look.observed);
        cached.retain(|id, _| !self.outcome(id).is_some_and(Outcome::is_success));
        since.extend(cached);
        since
    }

    /// True for the removal of a template that was replaced, or is left of a creation, while
    /// an order wants one of that name there: it has no time of grace, and gets all of it
    /// once no order does.
    fn is_template_of_order(&self, id: &StepId) -> bool {
        let mark = || {
            let (node, vmid) = (id.node()?, id.vmid()?);
            let Some(NodeVms::Known(vms)) = self.look.observed.vms.get(&node) else {
                return None;
            };
            Some((node, vms.marked.get(&vmid)?.mark_of(vmid)?))
        };
        mark().is_some_and(|(node, mark)| {
            let mut wanted = self.look.desired.templates.iter();
            wanted.any(|(place, wanted)| {
                place.name == mark.template && wanted.nodes.contains_key(&node)
            })
        })
    }

    /// An approval is for one list of one node. It is spent once a run came to
    /// decide over removals and did them all: then the list is gone or another one.
    /// Where a node did not answer, where removals were blocked or failed, the list
    /// it is for may come up again, so it stays.
    pub(super) fn approved(&self) -> BTreeSet<ApprovalId> {
        let plan = &self.look.plan;
        let unfinished = plan
            .steps
            .iter()
            .any(|step| step.id.removes_from_node() && !self.is_done(step));
        let undecided = plan
            .blocked
            .iter()
            .any(|blocked| match blocked.reason.underlying() {
                BlockedReason::PruneBlocked { .. }
                | BlockedReason::PrivilegeMissing { .. }
                | BlockedReason::NodeUnreachable { .. }
                | BlockedReason::Suspended { .. }
                | BlockedReason::OutsideWindow { .. }
                | BlockedReason::WaitsForRing { .. }
                | BlockedReason::BackingOff { .. }
                | BlockedReason::UseUnknown { .. }
                | BlockedReason::NotPlanned
                | BlockedReason::NotSelected { .. }
                | BlockedReason::NotMounted { .. } => blocked.id.removes_from_node(),
                BlockedReason::RecordUnread { .. } => true,
                _ => false,
            });
        let silent = |state: &NodeState| matches!(state, NodeState::Unreachable { .. });
        let silent = self.look.observed.nodes.values().any(silent);
        if unfinished || undecided || silent {
            return self.memory.approved.clone();
        }
        let asked = plan
            .blocked
            .iter()
            .filter_map(|blocked| match blocked.reason.underlying() {
                BlockedReason::OverBudget { approval, .. } => Some(approval),
                _ => None,
            });
        let asked: BTreeSet<&ApprovalId> = asked.collect();
        let approved = self.memory.approved.iter();
        approved.filter(|id| asked.contains(id)).cloned().collect()
    }
}
