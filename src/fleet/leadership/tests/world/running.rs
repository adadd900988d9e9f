//! Runs: look, plan, execute and conclude, with the planner and the memory of the program.

use std::collections::BTreeMap;
use std::time::Duration;

use super::nodes::{NodeChange, NodeWork};
use super::orders::{number, with_known};
use super::{FleetWorld, Happening, INTERVAL, Process, Time, fetching};
use crate::conclude::memory::{self, RetryLimits};
use crate::facts::{CacheState, Catalog, Fact, Memory, Observed, Outcome};
use crate::fleet::leadership::body::LeadershipBody;
use crate::fleet::leadership::machine::LeadershipMachine;
use crate::model::{Rollout, Windows};
use crate::plan::{
    Action, Create, Look, Policy, PrunePolicy, Retention, RunOptions, SharedStorages,
    TransportPolicy, plan,
};

/// A controller, whether it runs or not.
pub(super) struct WorldController {
    pub machine: LeadershipMachine<LeadershipBody>,
    /// Which process of this controller.
    pub life: u64,
    /// How fast its clock runs, and what it shows at the beginning.
    pub clock: (f64, f64),
    pub is_alive: bool,
    pub stopped_until: Time,
    /// It does not reach the store.
    pub cut_until: Time,
    pub asked: Option<u64>,
    pub led: bool,
    pub due: Time,
    pub run: Option<WorldRun>,
    /// The last one of this process that came to its end.
    pub last: Option<WorldRun>,
    /// On its disk.
    memory: Memory,
    cache: CacheState,
}

/// A run.
pub(super) struct WorldRun {
    pub number: u64,
    pub revision: usize,
    pub look: Look,
    epoch: u64,
    began: Time,
    waiting: Vec<usize>,
    outcomes: BTreeMap<crate::facts::StepId, Outcome>,
    /// Outcomes that the run has not heard of yet.
    told: BTreeMap<usize, Outcome>,
}

impl WorldController {
    pub(super) fn new(
        machine: LeadershipMachine<LeadershipBody>,
        life: u64,
        clock: (f64, f64),
    ) -> Self {
        Self {
            machine,
            life,
            clock,
            is_alive: true,
            stopped_until: 0,
            cut_until: 0,
            asked: None,
            led: false,
            due: 0,
            run: None,
            last: None,
            memory: Memory::default(),
            cache: CacheState {
                free_bytes: Some(1 << 40),
                ..CacheState::default()
            },
        }
    }

    /// Another process, with what is on the disk.
    pub(super) fn restart(&mut self, machine: LeadershipMachine<LeadershipBody>, life: u64) {
        self.machine = machine;
        self.life = life;
        self.is_alive = true;
        self.stopped_until = 0;
        self.asked = None;
        self.led = false;
        self.run = None;
        self.last = None;
    }
}

impl FleetWorld {
    /// The orders that stand now.
    pub(super) fn revision(&self) -> usize {
        let now = self.now;
        let begun = self.revisions.iter().rposition(|one| one.since <= now);
        begun.unwrap_or_default()
    }

    pub(super) fn looks(&mut self, process: Process) {
        let at = process.controller;
        let is_busy = self.controllers[at].run.is_some();
        if !self.runs(process) || is_busy || self.controllers[at].due > self.now {
            return;
        }
        // Whoever leads later looks then.
        let Some(epoch) = self.leads(process) else {
            return;
        };
        self.counts.runs += 1;
        self.number += 1;
        let revision = self.revision();
        let site = Self::site_of(at);
        let controller = &self.controllers[at];
        let desired = self.revisions[revision].of_site(site);
        let desired = with_known(&desired, &controller.memory.places);
        let nodes = desired.nodes.keys();
        let nodes = nodes.map(|id| (id.clone(), self.nodes[number(id)].state(self.now)));
        let observed = Observed {
            catalog: Catalog::default(),
            cache: controller.cache.clone(),
            nodes: nodes.collect(),
            vms: BTreeMap::new(),
            memory: controller.memory.clone(),
            fleet: Self::view(site),
            now: self.day(),
        };
        let plan = plan(&desired, &observed, &policy(), &RunOptions::default());
        let run = WorldRun {
            number: self.number,
            revision,
            epoch,
            began: self.now,
            waiting: (0..plan.steps.len()).collect(),
            outcomes: BTreeMap::new(),
            told: BTreeMap::new(),
            look: Look {
                desired,
                observed,
                plan,
            },
        };
        self.controllers[at].run = Some(run);
        self.advance(process);
    }

    /// Begins what can begin; ends the run if that is all.
    fn advance(&mut self, process: Process) {
        let at = process.controller;
        let Some(mut run) = self.controllers[at].run.take() else {
            return;
        };
        // The authority ends with the leadership, and the run with it.
        let leads = self.leads(process) == Some(run.epoch);
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
        let (revision, looked, epoch) = (run.revision, run.began, run.epoch);
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
            self.begin_work(NodeWork {
                process,
                run: number_of_run,
                step,
                node: number(&target.node),
                epoch,
                revision,
                looked,
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
        let (day, now) = (self.day(), self.now);
        let controller = &mut self.controllers[process.controller];
        let before = &controller.memory;
        let after = memory::after(before, &run.look, &run.outcomes, day, &limits());
        controller.memory = after;
        let retry = memory::next_try(&controller.memory, &run.look.plan);
        let wait = retry.map(|until| until.duration_since(day).as_millis().max(0));
        let wait = wait.and_then(|wait| Time::try_from(wait).ok());
        let wait = wait.map_or(INTERVAL, |wait| wait.clamp(1000, INTERVAL));
        // The orders may have changed during the run.
        let has_changed = self.revision() != run.revision;
        let controller = &mut self.controllers[process.controller];
        controller.due = if has_changed { now } else { now + wait };
        controller.last = Some(run);
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

fn policy() -> Policy {
    Policy {
        retention: Retention {
            keep_versions: Some(1),
            orphan_grace_seconds: 200,
        },
        node_reserve: 0,
        cache_reserve: 0,
        prune: PrunePolicy {
            owner: "fleet".to_owned(),
            default: true,
            nodes: BTreeMap::new(),
            keep_versions: 1,
            grace_seconds: 100,
            max_files: 1000,
            max_percent: 100,
        },
        shared: SharedStorages::default(),
        create: Create::default(),
        transport: TransportPolicy::default(),
        windows: Windows::default(),
        rollout: Rollout::default(),
    }
}
