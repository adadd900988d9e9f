//! The order of the steps: each runs when everything that it needs has succeeded, and one
//! that is made during a download when that has begun.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::sync::mpsc;

use super::Event;
use super::downloads::WaitingFor;
use crate::facts::{Outcome, StepId};
use crate::plan::{Action, Plan, Step};

/// Which steps may run next, kept up to date in time proportional to the number
/// of needs.
pub(super) struct StepQueue<'a> {
    plan: &'a Plan,
    pub ready: VecDeque<usize>,
    waiting_for: Vec<usize>,
    dependents: HashMap<&'a StepId, Vec<usize>>,
    /// The steps that are made during a download that has not begun yet.
    followers: HashMap<&'a StepId, Vec<usize>>,
    /// The downloads that have begun.
    begun: HashMap<&'a StepId, WaitingFor>,
    pub outcomes: BTreeMap<StepId, Outcome>,
}

impl<'a> StepQueue<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let mut dependents: HashMap<&StepId, Vec<usize>> = HashMap::new();
        let mut followers: HashMap<&StepId, Vec<usize>> = HashMap::new();
        let mut waiting_for = Vec::with_capacity(plan.steps.len());
        let mut ready = VecDeque::new();
        for (at, step) in plan.steps.iter().enumerate() {
            // What a relay sends on while it receives waits for that by itself.
            let (needs, after) = match download_of(step) {
                Some(download) => (std::slice::from_ref(download), &mut followers),
                None => (step.needs.as_slice(), &mut dependents),
            };
            waiting_for.push(needs.len());
            if needs.is_empty() {
                ready.push_back(at);
            }
            for need in needs {
                after.entry(need).or_default().push(at);
            }
        }
        Self {
            plan,
            ready,
            waiting_for,
            dependents,
            followers,
            begun: HashMap::new(),
            outcomes: BTreeMap::new(),
        }
    }

    /// Why a step whose turn has come is not run after all: what it needs is not there, or
    /// nothing begins any more.
    pub(super) fn refusal(&self, step: &Step, is_over: bool) -> Option<Outcome> {
        let mut ended = is_over.then_some(Outcome::Cancelled);
        for needs in &step.needs {
            // What a step is made during has no outcome yet.
            match self.outcomes.get(needs) {
                None | Some(Outcome::Done { .. }) => {}
                // Nothing is wrong with it: it was the run that ended.
                Some(Outcome::UnderWay) => {
                    ended = Some(Outcome::Left {
                        needs: needs.clone(),
                    });
                }
                Some(end @ (Outcome::Left { .. } | Outcome::Cancelled)) => {
                    ended.get_or_insert_with(|| end.clone());
                }
                Some(
                    Outcome::Failed { .. } | Outcome::Skipped { .. } | Outcome::Outdated { .. },
                ) => {
                    return Some(Outcome::Skipped {
                        needs: needs.clone(),
                    });
                }
            }
        }
        ended
    }

    /// The download that a step is made during, if it is one of those.
    pub(super) fn during(&self, step: &Step) -> Option<WaitingFor> {
        self.begun.get(download_of(step)?).cloned()
    }

    /// A download has begun: so may what is made during it.
    pub(super) fn begin(&mut self, at: usize, download: WaitingFor) {
        let id = &self.plan.steps[at].id;
        self.begun.insert(id, download);
        self.release(id, true);
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
        self.release(&step.id, false);
        // One that ended before it began, or never did.
        self.release(&step.id, true);
    }

    fn release(&mut self, id: &StepId, followers: bool) {
        let waiting = match followers {
            true => self.followers.remove(id),
            false => self.dependents.remove(id),
        };
        for next in waiting.into_iter().flatten() {
            self.waiting_for[next] -= 1;
            if self.waiting_for[next] == 0 {
                self.ready.push_back(next);
            }
        }
    }
}

/// The download that a delivery is made during.
fn download_of(step: &Step) -> Option<&StepId> {
    match &step.action {
        Action::Push { transport, .. } => transport.while_fetching.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Failure, FailureKind};
    use crate::model::{PushTarget, Sha256};
    use crate::plan::{WantedBy, Why};

    /// A step that needs these.
    fn step(needs: &[&StepId]) -> Step {
        let action = Action::PruneNode {
            target: PushTarget {
                node: "pve-1".parse().unwrap(),
                dir: "/iso".parse().unwrap(),
            },
            file: "a.iso".parse().unwrap(),
            bytes: 1,
            sha256: Sha256::from_bytes([0; 32]),
        };
        Step {
            id: action.step_id(),
            action,
            why: Why::Missing,
            needs: needs.iter().map(|id| (*id).clone()).collect(),
            wanted_by: WantedBy::default(),
        }
    }

    #[test]
    fn what_waits_for_a_run_that_ended_is_not_told_as_a_failure() {
        let files = ["a.iso", "b.iso"].map(|file| StepId::fetch(&file.parse().unwrap()));
        let [first, second] = &files;
        let (plan, step) = (Plan::default(), step(&[first, second]));
        let refusal = |outcomes: [Option<Outcome>; 2], is_over: bool| {
            let mut queue = StepQueue::new(&plan);
            let ids = [first.clone(), second.clone()].into_iter();
            let known = ids.zip(outcomes);
            queue.outcomes = known.filter_map(|(id, end)| Some((id, end?))).collect();
            queue.refusal(&step, is_over)
        };
        let left = Some(Outcome::Left {
            needs: second.clone(),
        });
        assert_eq!(refusal([None, None], false), None);
        assert_eq!(refusal([None, None], true), Some(Outcome::Cancelled));
        let (under_way, ended) = (Some(Outcome::UnderWay), Some(Outcome::Cancelled));
        assert_eq!(refusal([None, under_way.clone()], false), left);
        assert_eq!(refusal([ended.clone(), under_way.clone()], false), left);
        assert_eq!(refusal([None, left.clone()], true), ended, "not told twice");
        assert_eq!(refusal([None, ended.clone()], false), ended);
        // What is wrong is told before what is not.
        let failed = Outcome::Failed {
            failure: Failure {
                error: "no".to_owned(),
                hint: None,
                transient: true,
                kind: FailureKind::Other,
            },
        };
        for other in [None, under_way, ended, left] {
            let needs = second.clone();
            let skipped = Some(Outcome::Skipped { needs });
            assert_eq!(refusal([other, Some(failed.clone())], true), skipped);
        }
        let told = Outcome::Left {
            needs: first.clone(),
        };
        let text = "left to the next run; fetch a.iso continues in the background";
        assert_eq!(told.to_string(), text);
    }
}
