//! What a running controller does and knows at the moment, in memory: for the status page
//! and the metrics.
//!
//! The controller tells it what happens; whoever shows something takes a [`LiveView`],
//! which is a few shared pointers, so that a slow reader never holds up a run. The files
//! of the state directory have the same and less: they are for other processes, and
//! survive this one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::conclude::{FleetAnswer, Report, RolloutLine, SiteLine, Status, StepEnd, StepRecord};
use crate::facts::{Memory, RolloutInstruction, StepId};
use crate::io::Meter;
use crate::model::{OrderId, OrderSet, SiteName, Trigger};
use crate::plan::Plan;

/// The part of a change of a manifest that is kept, in bytes.
const DIFF_MAX: usize = 16 << 10;

/// So many changes of manifests are kept, each of another order.
const DIFFS: usize = 500;

/// What a running controller does and knows. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Live(Arc<LiveShared>);

#[derive(Debug)]
struct LiveShared {
    view: Mutex<LiveView>,
    /// Rises with every change.
    version: watch::Sender<u64>,
}

/// How things are at one moment.
#[derive(Debug, Clone)]
pub(crate) struct LiveView {
    /// The last status; before the first run of this process, the one of the file.
    pub status: Arc<Status>,
    /// The current run.
    pub running: Option<RunningView>,
    /// The last run of this process that planned.
    pub last: Option<Arc<Finished>>,
    /// What changed last in the manifest of each order, as far as this process saw it.
    pub manifest_changes: Arc<BTreeMap<OrderId, Arc<ManifestUpdate>>>,
    /// The sites of the fleet, as the store said last; `None` for a single controller.
    pub fleet: Option<Arc<FleetAnswer>>,
    /// The images in rings as the leaders of the sites report them, for where this controller
    /// leads none.
    pub reported: Arc<Vec<RolloutLine>>,
    /// Runs of this process that are over, those that failed before planning included.
    pub runs: u64,
    /// When this process began.
    pub started: Timestamp,
    /// Rises with every change.
    pub version: u64,
}

impl LiveView {
    /// The images in rings at the moment. What a standby had in its own last run may be long
    /// over, so it goes by the reports of others.
    pub(crate) fn rollouts(&self) -> &[RolloutLine] {
        match self.goes_by_reports() {
            true => &self.reported,
            false => &self.status.rollouts,
        }
    }

    /// True for a standby: how far rings are, others know.
    pub(crate) fn goes_by_reports(&self) -> bool {
        self.fleet.is_some() && !self.status.leads()
    }
}

/// The current run.
#[derive(Debug, Clone)]
pub(crate) struct RunningView {
    /// What started it.
    pub trigger: Trigger,
    /// When it began.
    pub since: Timestamp,
    /// Its plan, once it is made.
    pub plan: Option<Arc<Plan>>,
    /// The steps that are executed at the moment, the oldest first.
    pub active: Vec<ActiveStep>,
    /// How many steps are over.
    pub ended: usize,
    /// How each of them ended.
    pub ends: Arc<BTreeMap<StepId, StepEnd>>,
    /// How many of them failed.
    pub failed: usize,
}

/// A step that is executed at the moment.
#[derive(Debug, Clone)]
pub(crate) struct ActiveStep {
    /// Which one.
    pub step: StepId,
    /// When it began.
    pub since: Timestamp,
    /// How far it has come, for steps that move bytes.
    pub meter: Option<Arc<Meter>>,
}

/// What changed in a manifest.
#[derive(Debug)]
pub(crate) struct ManifestUpdate {
    /// When.
    pub at: Timestamp,
    /// The change as a unified diff; truncated where it is long.
    pub diff: String,
}

/// A run that is over, with everything that it saw.
#[derive(Debug)]
pub(crate) struct Finished {
    /// What came of it.
    pub report: Report,
    /// Its orders.
    pub orders: Arc<OrderSet>,
    /// What is remembered after it.
    pub memory: Memory,
    /// When it was over.
    pub at: Timestamp,
}

impl Live {
    /// `status` is the one of the state directory, if there is one.
    pub(crate) fn new(status: Status, started: Timestamp) -> Self {
        let view = LiveView {
            status: Arc::new(Status {
                running: None,
                next_run: None,
                ..status
            }),
            running: None,
            last: None,
            manifest_changes: Arc::default(),
            fleet: None,
            reported: Arc::default(),
            runs: 0,
            started,
            version: 0,
        };
        Self(Arc::new(LiveShared {
            view: Mutex::new(view),
            version: watch::Sender::new(0),
        }))
    }

    /// How things are.
    pub(crate) fn view(&self) -> LiveView {
        self.lock().clone()
    }

    /// Is told the version of each change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Something changed that this does not hold, such as a file of the state directory.
    pub(crate) fn touch(&self) {
        self.change(|_| {});
    }

    /// A run begins.
    pub(crate) fn run_begun(&self, status: &Status, trigger: Trigger, since: Timestamp) {
        self.change(|view| {
            view.status = Arc::new(status.clone());
            view.running = Some(RunningView {
                trigger,
                since,
                plan: None,
                active: Vec::new(),
                ended: 0,
                ends: Arc::default(),
                failed: 0,
            });
        });
    }

    /// The run has a plan, the first or another one.
    pub(crate) fn planned(&self, plan: &Plan) {
        let plan = Arc::new(plan.clone());
        self.change(|view| {
            if let Some(running) = &mut view.running {
                running.plan = Some(plan);
            }
        });
    }

    /// A step begins.
    pub(crate) fn step_started(&self, step: &StepId, meter: Option<Arc<Meter>>, since: Timestamp) {
        self.change(|view| {
            if let Some(running) = &mut view.running {
                running.active.push(ActiveStep {
                    step: step.clone(),
                    since,
                    meter,
                });
            }
        });
    }

    /// A step is over.
    pub(crate) fn step_finished(&self, record: &StepRecord) {
        self.change(|view| {
            if let Some(running) = &mut view.running {
                running.active.retain(|active| active.step != record.step);
                running.ended += 1;
                Arc::make_mut(&mut running.ends).insert(record.step.clone(), record.end);
                running.failed += usize::from(record.end == StepEnd::Failed);
            }
        });
    }

    /// The manifest of an order has changed.
    pub(crate) fn manifest_changed(&self, order: OrderId, mut diff: String, at: Timestamp) {
        let mut end = diff.len().min(DIFF_MAX);
        while !diff.is_char_boundary(end) {
            end -= 1;
        }
        diff.truncate(end);
        self.change(|view| {
            let changes = Arc::make_mut(&mut view.manifest_changes);
            changes.insert(order, Arc::new(ManifestUpdate { at, diff }));
            while changes.len() > DIFFS {
                let oldest = changes.iter().min_by_key(|(_, change)| change.at);
                let Some(oldest) = oldest.map(|(order, _)| order.clone()) else {
                    break;
                };
                changes.remove(&oldest);
            }
        });
    }

    /// The run is over. `finished` is absent where it failed before planning.
    pub(crate) fn run_finished(&self, status: Option<&Status>, finished: Option<Finished>) {
        // The last run's look is large; it is dropped outside of the lock.
        let mut last = finished.map(Arc::new);
        self.change(|view| {
            view.running = None;
            view.runs += 1;
            if let Some(status) = status {
                view.status = Arc::new(status.clone());
            }
            if last.is_some() {
                std::mem::swap(&mut view.last, &mut last);
            }
        });
        drop(last);
    }

    /// When the next run begins has become known.
    pub(crate) fn status_changed(&self, status: &Status) {
        self.change(|view| view.status = Arc::new(status.clone()));
    }

    /// An operator said something of the rollouts of an order.
    pub(crate) fn instructed(&self, order: &OrderId, said: &RolloutInstruction) {
        self.change(|view| {
            let lines = &mut Arc::make_mut(&mut view.status).rollouts;
            let reported = Arc::make_mut(&mut view.reported);
            for line in lines.iter_mut().chain(reported) {
                if line.planned.order == *order {
                    line.keep_to(Some(said));
                }
            }
        });
    }

    /// The configuration was read anew, and refused if there is a reason for that.
    pub(crate) fn reloaded(&self, refused: Option<&str>) {
        if self.lock().status.refused_config.as_deref() == refused {
            return;
        }
        let refused = refused.map(str::to_owned);
        self.change(|view| Arc::make_mut(&mut view.status).refused_config = refused);
    }

    /// Others lead the sites now, or this process does.
    pub(crate) fn sites_changed(&self, sites: &BTreeMap<SiteName, SiteLine>) {
        if self.lock().status.sites == *sites {
            return;
        }
        self.change(|view| Arc::make_mut(&mut view.status).sites.clone_from(sites));
    }

    /// The store has told of the sites of the fleet.
    pub(crate) fn fleet_changed(&self, fleet: FleetAnswer, reported: Vec<RolloutLine>) {
        self.change(|view| {
            view.fleet = Some(Arc::new(fleet));
            view.reported = Arc::new(reported);
        });
    }

    fn change(&self, change: impl FnOnce(&mut LiveView)) {
        let mut view = self.lock();
        view.version += 1;
        change(&mut view);
        let version = view.version;
        drop(view);
        self.0.version.send_replace(version);
    }

    fn lock(&self) -> MutexGuard<'_, LiveView> {
        self.0.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Outcome;

    #[test]
    fn a_view_is_of_one_moment_and_every_change_is_told() {
        let at = Timestamp::UNIX_EPOCH;
        let live = Live::new(Status::default(), at);
        let changes = live.subscribe();
        let step = StepId::fetch(&"a.iso".parse().unwrap());
        live.run_begun(&Status::default(), Trigger::Manual, at);
        live.planned(&Plan::default());
        live.step_started(&step, None, at);
        let during = live.view();
        let outcome = Outcome::Outdated {
            what: "it is gone".to_owned(),
        };
        live.step_finished(&StepRecord::new(None, &step, None, &outcome));
        let after = live.view().running.unwrap();
        assert_eq!((after.active.len(), after.ended, after.failed), (0, 1, 0));
        let status = Status {
            owner: "me".to_owned(),
            ..Status::default()
        };
        live.run_finished(Some(&status), None);
        let over = live.view();
        assert!(over.running.is_none() && over.last.is_none());
        assert_eq!((over.runs, over.status.owner.as_str()), (1, "me"));
        assert_eq!((over.version, *changes.borrow()), (5, 5));
        // What was taken before is as it was.
        let during = during.running.unwrap();
        assert_eq!(during.active[0].step, step);
        assert!(during.plan.is_some());
    }

    #[test]
    fn a_refused_reload_is_told_until_another_one_is_not() {
        let live = Live::new(Status::default(), Timestamp::UNIX_EPOCH);
        live.reloaded(None);
        assert_eq!(live.view().version, 0);
        live.reloaded(Some("no"));
        assert_eq!(live.view().status.refused_config.as_deref(), Some("no"));
        live.reloaded(None);
        let view = live.view();
        assert_eq!((&view.status.refused_config, view.version), (&None, 2));
    }
}
