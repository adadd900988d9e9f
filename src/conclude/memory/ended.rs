//! A run that is over, as the parts of the memory ask about it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::retry::RetryLimits;
use crate::facts::{Fact, Memory, NodeState, NodeVms, Outcome, StepId};
use crate::model::NodeId;
use crate::plan::{Look, Step};

/// What was remembered before a run, and what came of it.
pub(super) struct EndedRun<'a> {
    pub memory: &'a Memory,
    pub look: &'a Look,
    pub outcomes: &'a BTreeMap<StepId, Outcome>,
    pub now: Timestamp,
    pub limits: &'a RetryLimits,
}

impl EndedRun<'_> {
    pub(super) fn outcome(&self, id: &StepId) -> Option<&Outcome> {
        self.outcomes.get(id)
    }

    pub(super) fn is_done(&self, step: &Step) -> bool {
        self.outcome(&step.id).is_some_and(Outcome::is_success)
    }

    /// What was learned from the steps that are done.
    pub(super) fn done(&self) -> impl Iterator<Item = (&Step, &Fact)> {
        self.look
            .plan
            .steps
            .iter()
            .filter_map(|step| match self.outcome(&step.id)? {
                Outcome::Done { fact } => Some((step, fact)),
                _ => None,
            })
    }

    /// True if it is known which files talos-order placed there: the node answers, and
    /// the directory's record can be read.
    pub(super) fn knows(&self, id: &StepId, node: &NodeId) -> bool {
        if id.vmid().is_some() {
            let vms = self.look.observed.vms.get(node);
            return matches!(vms, Some(NodeVms::Known(_)));
        }
        let Some(NodeState::Listed { dirs, .. }) = self.look.observed.nodes.get(node) else {
            return false;
        };
        let dir = id.target().and_then(|target| dirs.get(&target.dir));
        dir.is_none_or(|dir| dir.unread.is_none())
    }
}
