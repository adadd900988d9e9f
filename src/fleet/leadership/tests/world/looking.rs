//! The beginning of runs: ask the store, look at the nodes and plan, with the planner of the
//! program.

use std::collections::BTreeMap;

use super::begun::RunTruth;
use super::controllers::{LedSet, SiteSet};
use super::orders::{number as number_of, with_known};
use super::rollouts::site_name;
use super::running::WorldRun;
use super::telling::WasTold;
use super::{FleetWorld, Happening, Process, SECOND, Time};
use crate::facts::{Catalog, Memory, Observed};
use crate::model::{LeaderEpoch, Rollout, Windows};
use crate::plan::{
    Action, BlockedReason, Create, Look, Plan, Policy, PrunePolicy, Retention, RunOptions,
    SharedStorages, Step, TransportPolicy, plan,
};

/// The beginning of a run.
pub(super) struct BegunLook {
    number: u64,
    revision: usize,
    /// When it read the orders.
    read: Time,
    led: LedSet,
    told: WasTold,
}

impl FleetWorld {
    /// The orders that stand now.
    pub(super) fn revision(&self) -> usize {
        let now = self.now;
        let begun = self.revisions.iter().rposition(|one| one.since <= now);
        begun.unwrap_or_default()
    }

    /// A run begins: it asks the store first.
    pub(super) fn looks(&mut self, process: Process) {
        let at = process.controller;
        let controller = &self.controllers[at];
        let is_busy = controller.run.is_some() || controller.looking.is_some();
        if !self.runs(process) || is_busy || controller.due > self.now {
            return;
        }
        // Whoever leads later looks then.
        let led = self.led(process);
        if led.is_empty() {
            return;
        }
        self.number += 1;
        let (number, revision) = (self.number, self.revision());
        let told = self.view(process, &led);
        self.controllers[at].is_called = false;
        self.controllers[at].looking = Some(BegunLook {
            number,
            revision,
            read: self.now,
            led,
            told,
        });
        let takes = match self.random.u8(0..6) {
            0 if self.is_trouble() && self.size.has_rings => self.random.u64(0..25 * SECOND),
            _ => self.random.u64(1..200),
        };
        let run = number;
        self.after(takes, Happening::Sees { process, run });
    }

    /// A run goes on: it looks at the nodes, and plans.
    pub(super) fn sees(&mut self, process: Process, number: u64) {
        let at = process.controller;
        if !self.runs(process) {
            return;
        }
        let looking = &mut self.controllers[at].looking;
        let Some(looking) = looking.take_if(|looking| looking.number == number) else {
            return;
        };
        let BegunLook {
            revision,
            read,
            led,
            told,
            ..
        } = looking;
        if !self.still_leads(process, &led) {
            // Whoever leads now looks.
            self.after(SECOND, Happening::Looks(process));
            return;
        }
        self.counts.double_runs += u64::from(led.len() > 1);
        let sites: SiteSet = led.keys().copied().collect();
        let controller = &self.controllers[at];
        let covers = |node: &_| led.contains_key(&self.nodes[number_of(node)].site);
        let (memory, others) = controller.memory.clone().divided(covers);
        let desired = self.revisions[revision].of_sites(&sites);
        let desired = with_known(&desired, &memory.places);
        let nodes = desired.nodes.keys();
        let nodes = nodes.map(|id| (id.clone(), self.nodes[number_of(id)].state(self.now)));
        let epochs = led.iter();
        let epochs = epochs.map(|(site, epoch)| (site_name(*site), LeaderEpoch::new(*epoch)));
        let epochs = epochs.collect();
        let orders = desired.positions.iter().map(|want| &want.position.order);
        let memory = Memory {
            instructed: told.instructed.over(orders),
            instruction_troubles: told.instructed.troubles(),
            instructions_read: told.instructed.read,
            ..memory.led_under(epochs)
        };
        let doubted = &told.instructed.unreadable_orders;
        let mut doubted = doubted
            .iter()
            .filter_map(|order| memory.instructed.get(order));
        let is_kept = doubted.any(|said| !said.stopped.is_empty());
        self.counts.stops_kept += u64::from(is_kept);
        let observed = Observed {
            catalog: Catalog::default(),
            cache: controller.cache.clone(),
            nodes: nodes.collect(),
            vms: BTreeMap::new(),
            memory,
            fleet: told.fleet,
            now: self.day(),
        };
        let policy = policy(&self.rings.common);
        let plan = plan(&desired, &observed, &policy, &RunOptions::default());
        self.note_plan(revision, &plan);
        let seen = self.seen(&sites);
        let truth = RunTruth {
            process,
            led: &sites,
            revision,
            told: &told.truth,
            seen: &seen,
        };
        let begun = self.begun(&truth, &plan);
        let run = WorldRun {
            number,
            revision,
            led,
            others,
            read,
            began: self.now,
            seen,
            begun,
            said: told.truth.said,
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
}

impl FleetWorld {
    /// A plan is made.
    fn note_plan(&mut self, revision: usize, plan: &Plan) {
        let is_blocked = |is_so: fn(&BlockedReason) -> bool| {
            let mut blocked = plan.blocked.iter();
            blocked.any(|one| is_so(&one.reason))
        };
        let waits = is_blocked(|why| matches!(why, BlockedReason::WaitsForRing { .. }));
        let keeps = is_blocked(|why| matches!(why, BlockedReason::PruneBlocked { .. }));
        let pushes = |step: &Step| matches!(step.action, Action::Push { .. });
        let is_partial = !self.revisions[revision].partial.is_empty();
        let counts = &mut self.counts;
        counts.runs += 1;
        counts.waits += u64::from(waits);
        if is_partial {
            counts.partial_kept += u64::from(keeps);
            counts.partial_pushed += u64::from(plan.steps.iter().any(pushes));
        }
    }
}

fn policy(rollout: &Rollout) -> Policy {
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
        rollout: rollout.clone(),
    }
}
