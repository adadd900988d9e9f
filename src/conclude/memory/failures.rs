//! What failed, and when it is tried again: steps, nodes, relays.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ended::EndedRun;
use super::retry::{until, wait};
use crate::conclude::links;
use crate::facts::{Backoff, FailureKind, KnownNode, NodeState, Outcome, RelayBackoff, StepId};
use crate::model::NodeId;

impl EndedRun<'_> {
    /// The failures of the steps that are still planned. One that did not get its
    /// turn keeps its history.
    pub(super) fn backoff(&self) -> BTreeMap<StepId, Backoff> {
        let before = &self.memory.backoff;
        let mut backoff = BTreeMap::new();
        let plan = &self.look.plan;
        let still = plan.blocked.iter().map(|blocked| &blocked.id);
        for id in still.chain(plan.steps.iter().map(|step| &step.id)) {
            if let Some(entry) = before.get(id) {
                backoff.insert(id.clone(), entry.clone());
            }
        }
        for step in &plan.steps {
            match self.outcome(&step.id) {
                Some(Outcome::Done { .. }) => {
                    backoff.remove(&step.id);
                }
                Some(Outcome::Failed { failure }) => {
                    let entry = self.failed(
                        before.get(&step.id),
                        step.id.as_str(),
                        self.limits.step,
                        (&failure.error, failure.lasting()),
                    );
                    backoff.insert(step.id.clone(), entry);
                }
                Some(
                    Outcome::Skipped { .. }
                    | Outcome::Outdated { .. }
                    | Outcome::UnderWay
                    | Outcome::Left { .. }
                    | Outcome::Cancelled,
                )
                | None => {}
            }
        }
        backoff
    }

    /// The relays that are left out, for as long as a failure waits at most.
    pub(super) fn detours(
        &self,
        places: &BTreeMap<NodeId, KnownNode>,
    ) -> BTreeMap<NodeId, RelayBackoff> {
        let steps = &self.look.plan.steps;
        let begin = self.look.observed.now;
        let until = until(self.now, self.limits.most);
        let mut detours = links::detours(self.memory, steps, self.outcomes, begin, until);
        detours.retain(|node, _| places.contains_key(node));
        detours
    }

    /// The nodes that do not answer. One that was not asked, because its circuit was
    /// open, counts no further failure; one that nobody looks at any more is forgotten.
    pub(super) fn circuits(
        &self,
        places: &BTreeMap<NodeId, KnownNode>,
    ) -> BTreeMap<NodeId, Backoff> {
        let mut circuits = BTreeMap::new();
        for (node, entry) in &self.memory.circuits {
            let looked_at = self.look.observed.nodes.contains_key(node);
            if !looked_at && places.contains_key(node) {
                circuits.insert(node.clone(), entry.clone());
            }
        }
        for (node, state) in &self.look.observed.nodes {
            let NodeState::Unreachable { why, lasting } = state else {
                continue;
            };
            let before = self.memory.circuits.get(node);
            let entry = match before {
                Some(open) if open.until > self.look.observed.now => open.clone(),
                before => {
                    let said = (why.as_str(), *lasting);
                    self.failed(before, node.as_str(), self.limits.node, said)
                }
            };
            circuits.insert(node.clone(), entry);
        }
        circuits
    }

    pub(super) fn failed(
        &self,
        before: Option<&Backoff>,
        what: &str,
        first: Duration,
        (why, lasting): (&str, Option<FailureKind>),
    ) -> Backoff {
        let failures = before.map_or(0, |entry| entry.failures).saturating_add(1);
        let wait = wait(what, failures, first, self.limits.most);
        Backoff {
            failures,
            until: until(self.now, wait),
            error: why.to_owned(),
            lasting,
        }
    }
}
