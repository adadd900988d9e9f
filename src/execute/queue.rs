//! The order of the steps: each runs when everything that it needs has succeeded.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Event;
use crate::facts::{Outcome, StepId};
use crate::plan::{Plan, Step};

/// Which steps may run next, kept up to date in time proportional to the number
/// of needs.
pub(super) struct StepQueue<'a> {
    plan: &'a Plan,
    pub ready: VecDeque<usize>,
    waiting_for: Vec<usize>,
    dependents: HashMap<&'a StepId, Vec<usize>>,
    pub outcomes: BTreeMap<StepId, Outcome>,
}

impl<'a> StepQueue<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let mut dependents: HashMap<&StepId, Vec<usize>> = HashMap::new();
        let mut waiting_for = Vec::with_capacity(plan.steps.len());
        let mut ready = VecDeque::new();
        for (at, step) in plan.steps.iter().enumerate() {
            waiting_for.push(step.needs.len());
            if step.needs.is_empty() {
                ready.push_back(at);
            }
            for need in &step.needs {
                dependents.entry(need).or_default().push(at);
            }
        }
        Self {
            plan,
            ready,
            waiting_for,
            dependents,
            outcomes: BTreeMap::new(),
        }
    }

    /// Why a step whose turn has come is not run after all.
    pub(super) fn refusal(&self, step: &Step, cancel: &CancellationToken) -> Option<Outcome> {
        let failed = step
            .needs
            .iter()
            .find(|need| !self.outcomes[*need].is_success());
        match failed {
            Some(need) => Some(Outcome::Skipped {
                needs: need.clone(),
            }),
            None => cancel.is_cancelled().then_some(Outcome::Cancelled),
        }
    }

    pub(super) fn finish(
        &mut self,
        at: usize,
        outcome: Outcome,
        events: &mpsc::UnboundedSender<Event>,
    ) {
        let step = &self.plan.steps[at];
        let _ = events.send(Event::Finished {
            step: step.id.clone(),
            outcome: outcome.clone(),
        });
        self.outcomes.insert(step.id.clone(), outcome);
        for &next in self.dependents.get(&step.id).into_iter().flatten() {
            self.waiting_for[next] -= 1;
            if self.waiting_for[next] == 0 {
                self.ready.push_back(next);
            }
        }
    }
}
