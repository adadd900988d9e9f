//! Runs: execute and conclude, with the memory of the program.

use std::collections::BTreeMap;
use std::time::Duration;

use super::begun::{BegunRings, SeenFiles, SiteLook};
use super::controllers::LedSet;
use super::nodes::{NodeChange, NodeWork};
use super::orders::number as number_of;
use super::{FleetWorld, Happening, INTERVAL, Process, Time, fetching};
use crate::conclude::memory::{self, RetryLimits};
use crate::conclude::{Report, Verdict};
use crate::facts::{Fact, Memory, Outcome, RolloutInstruction, StepId};
use crate::model::OrderId;
use crate::plan::{Action, Look};

/// A run that came to its end.
pub(super) struct EndedLook {
    pub revision: usize,
    /// The sites that it was for.
    pub led: LedSet,
    pub look: Look,
}

/// A run.
pub(super) struct WorldRun {
    pub number: u64,
    pub revision: usize,
    pub look: Look,
    /// The sites that it is for.
    pub led: LedSet,
    /// What is remembered of the nodes of other sites.
    pub others: Memory,
    /// When it read the orders, and when it looked at the nodes.
    pub read: Time,
    pub began: Time,
    pub seen: SeenFiles,
    pub begun: BegunRings,
    /// What operators said, where that was heard.
    pub said: Option<BTreeMap<OrderId, RolloutInstruction>>,
    pub waiting: Vec<usize>,
    pub outcomes: BTreeMap<StepId, Outcome>,
    /// Outcomes that the run has not heard of yet.
    pub told: BTreeMap<usize, Outcome>,
}

impl FleetWorld {
    /// Begins what can begin; ends the run if that is all.
    pub(super) fn advance(&mut self, process: Process) {
        let at = process.controller;
        let Some(mut run) = self.controllers[at].run.take() else {
            return;
        };
        // The authority ends with the leadership, and the run with it.
        let leads = self.still_leads(process, &run.led);
        let mut begins = Vec::new();
        let steps = &run.look.plan.steps;
        let outcomes = &mut run.outcomes;
        run.waiting.retain(|&step| {
            let needs = steps[step].needs.iter();
            let mut open = false;
            let mut unmet = None;
            for need in needs {
                match outcomes.get(need) {
                    Some(outcome) if outcome.is_success() => {}
                    Some(_) => unmet = Some(need.clone()),
                    None => open = true,
                }
            }
            let outcome = match unmet {
                _ if !leads => Outcome::Cancelled,
                Some(needs) => Outcome::Skipped { needs },
                None if open => return true,
                None => {
                    begins.push(step);
                    return false;
                }
            };
            outcomes.insert(steps[step].id.clone(), outcome);
            false
        });
        if !leads {
            // What is under way on nodes goes on there, and tells nobody.
            for step in steps {
                let outcome = outcomes.entry(step.id.clone());
                outcome.or_insert(Outcome::Cancelled);
            }
        }
        let is_over = run.outcomes.len() == run.look.plan.steps.len();
        let of_steps: Vec<(usize, Action)> = begins
            .into_iter()
            .map(|step| (step, run.look.plan.steps[step].action.clone()))
            .collect();
        let (revision, read, led) = (run.revision, run.read, run.led.clone());
        let number_of_run = run.number;
        if is_over {
            self.end(process, run);
            return;
        }
        self.controllers[at].run = Some(run);
        for (step, action) in of_steps {
            let (target, what) = match action {
                Action::Fetch { download, .. } => {
                    self.begin_fetch(process, (number_of_run, step), download);
                    continue;
                }
                Action::Push {
                    target,
                    artifact,
                    file,
                    ..
                } => {
                    let artifact = Box::new(artifact);
                    (target, NodeChange::Push { file, artifact })
                }
                Action::PruneNode { target, file, .. } => (target, NodeChange::Prune { file }),
                Action::PruneCache { bytes, .. } => {
                    let fact = Fact::Removed { bytes };
                    let outcome = Outcome::Done { fact };
                    self.outcome(process, (number_of_run, step), outcome, 5);
                    continue;
                }
                other => panic!("the world knows nothing of {other:?}"),
            };
            let node = number_of(&target.node);
            self.begin_work(NodeWork {
                process,
                run: number_of_run,
                step,
                node,
                epoch: led[&self.nodes[node].site],
                revision,
                read,
                what,
            });
        }
    }

    /// What came of a step is told to its run, if that goes on.
    pub(super) fn outcome(
        &mut self,
        process: Process,
        (number, step): (u64, usize),
        outcome: Outcome,
        takes: Time,
    ) {
        if !self.runs(process) {
            return;
        }
        let run = self.controllers[process.controller].run.as_mut();
        let Some(run) = run.filter(|run| run.number == number) else {
            return;
        };
        run.told.insert(step, outcome);
        let ended = Happening::Ended {
            process,
            run: number,
            step,
        };
        self.after(takes, ended);
    }

    pub(super) fn step_ended(&mut self, process: Process, number: u64, step: usize) {
        if !self.runs(process) {
            return;
        }
        let controller = &mut self.controllers[process.controller];
        let Some(run) = controller.run.as_mut().filter(|run| run.number == number) else {
            return;
        };
        let Some(outcome) = run.told.remove(&step) else {
            return;
        };
        let action = &run.look.plan.steps[step].action;
        match (&outcome, action) {
            (
                Outcome::Done {
                    fact: Fact::Fetched { download, .. },
                },
                Action::Fetch { file, .. },
            ) => {
                let cached = fetching::cached((**download).clone());
                controller.cache.files.insert(file.clone(), cached);
            }
            (Outcome::Done { .. }, Action::PruneCache { file, .. }) => {
                controller.cache.files.remove(file);
            }
            _ => {}
        }
        let id = run.look.plan.steps[step].id.clone();
        run.outcomes.insert(id, outcome);
        self.advance(process);
    }

    fn end(&mut self, process: Process, run: WorldRun) {
        let (day, now, at) = (self.day(), self.now, process.controller);
        let before = &run.look.observed.memory;
        let memory = memory::after(before, &run.look, &run.outcomes, day, &limits());
        self.controllers[at].memory = memory.clone().with_others(run.others);
        let retry = memory::next_try(&memory, &run.look.plan);
        let ring = memory::next_ring(&run.look, &memory);
        let wait = retry.into_iter().chain(ring).min();
        let wait = wait.map(|until| until.duration_since(day).as_millis().max(0));
        let wait = wait.and_then(|wait| Time::try_from(wait).ok());
        let wait = wait.map_or(INTERVAL, |wait| wait.clamp(1000, INTERVAL));
        for site in run.led.keys() {
            let seen = self.of_site(&run.seen, *site);
            self.looks[*site].push(SiteLook {
                life: process.life,
                at: run.began,
                ended: now,
                seen,
            });
        }
        self.remembers(at, run.revision, run.begun, &run.look.plan);
        let report = Report {
            look: run.look,
            outcomes: run.outcomes,
            manifests: BTreeMap::new(),
            source: None,
            verdict: Verdict::Converged,
        };
        self.publishes(process, &run.led, &report, &memory);
        // The orders may have changed during the run.
        let has_changed = self.revision() != run.revision;
        // Without one of its sites it goes on with the others.
        let still_leads = self.still_leads(process, &run.led);
        let controller = &mut self.controllers[at];
        if let Some(said) = run.said {
            controller.said = said;
        }
        let is_called = std::mem::take(&mut controller.is_called) || has_changed || !still_leads;
        controller.due = if is_called { now } else { now + wait };
        controller.last = Some(EndedLook {
            revision: run.revision,
            led: run.led,
            look: report.look,
        });
        let due = controller.due;
        self.at(due, Happening::Looks(process));
    }

    pub(super) fn orders_changed(&mut self) {
        for at in 0..self.controllers.len() {
            self.controllers[at].due = self.now;
            let process = Process {
                controller: at,
                life: self.controllers[at].life,
            };
            let seen = self.random.u64(100..2000);
            self.after(seen, Happening::Looks(process));
        }
    }
}

fn limits() -> RetryLimits {
    RetryLimits {
        most: Duration::from_secs(60),
        ..RetryLimits::default()
    }
}
