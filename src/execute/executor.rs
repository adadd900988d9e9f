//! Running a plan: what may run runs, and what is over makes room for more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Event;
use super::context::ExecutionContext;
use super::downloads::{Downloads, Fetch, WaitingFor};
use super::queue::StepQueue;
use super::runner::{StepRunner, StepTold};
use crate::facts::{CacheState, Outcome, StepId};
use crate::nodes::Nodes;
use crate::plan::{Action, Plan, Step};
use crate::upstream::Upstream;

/// Runs every step of a plan and returns an outcome for each.
///
/// `known` is what the cache was observed to hold: a delivery takes size and
/// digest from there, or from the step that brought the file in. Events go to
/// `events` as they happen; a closed receiver is no error.
pub(crate) async fn execute<F: Upstream, N: Nodes>(
    plan: &Plan,
    known: &CacheState,
    context: Arc<ExecutionContext<F, N>>,
    events: mpsc::UnboundedSender<Event>,
    cancel: CancellationToken,
) -> BTreeMap<StepId, Outcome> {
    let mut queue = StepQueue::new(plan);
    let downloads = Arc::clone(&context.downloads);
    let wanted: Vec<_> = plan.steps.iter().filter_map(Fetch::of).collect();
    downloads.keep_only(&wanted).await;
    let (handover, recall) = (context.handover.clone(), context.recall.clone());
    let runner = Arc::new(StepRunner::new(context, known));
    let mut tasks: JoinSet<(usize, Outcome)> = JoinSet::new();
    let mut running = Tally::new(plan, &downloads);
    let (tell, mut begun) = mpsc::unbounded_channel();
    loop {
        while let Some(at) = queue.ready.pop_front() {
            let step = &plan.steps[at];
            let is_over = cancel.is_cancelled() || recall.is_called();
            if let Some(outcome) = queue.refusal(step, is_over) {
                queue.finish(at, outcome, &events);
                continue;
            }
            let during = queue.during(step);
            running.begins(at, during.clone());
            let (step, runner) = (step.clone(), Arc::clone(&runner));
            let (events, cancel, tell) = (events.clone(), cancel.clone(), tell.clone());
            let (handover, recall) = (handover.clone(), recall.clone());
            tasks.spawn(async move {
                let begins = |download| drop(tell.send((at, download)));
                let has_begun = AtomicBool::new(false);
                let told = StepTold {
                    events: &events,
                    has_begun: &has_begun,
                };
                let outcome = tokio::select! {
                    biased;
                    () = cancel.cancelled() => Outcome::Cancelled,
                    outcome = handed_over(&handover, &step, during.as_ref()) => outcome,
                    () = recall.ends(&step, &has_begun) => Outcome::Cancelled,
                    outcome = runner.run(&step, during.clone(), begins, told) => outcome,
                };
                (at, outcome)
            });
        }
        // Whoever waits for this run does not wait for what an earlier one has begun.
        if running.is_of_earlier_runs(&downloads) {
            handover.cancel();
        }
        tokio::select! {
            // First what has begun: its end may have come as well.
            biased;
            Some((at, download)) = begun.recv() => queue.begin(at, download),
            ended = tasks.join_next() => match ended {
                Some(Ok((at, outcome))) => {
                    running.ends(at);
                    queue.finish(at, outcome, &events);
                }
                Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
                None => break,
            },
        }
    }
    // Where no other run follows in this process, nobody waits for them.
    let is_last = recall.is_called() && !handover.is_cancelled();
    if cancel.is_cancelled() || is_last {
        downloads.keep_only(&[]).await;
    }
    queue.outcomes
}

/// Ends with what becomes of a step that a run leaves behind: a download continues without it,
/// and what is made during it waits for the next run. Everything else is never left.
async fn handed_over(
    handover: &CancellationToken,
    step: &Step,
    during: Option<&WaitingFor>,
) -> Outcome {
    handover.cancelled().await;
    if matches!(step.action, Action::Fetch { .. }) {
        return Outcome::UnderWay;
    }
    match during.filter(|download| !download.is_over()) {
        Some(download) => Outcome::Left {
            needs: StepId::fetch(&download.fetch.file),
        },
        None => std::future::pending().await,
    }
}

/// What runs: to tell when nothing is left but downloads that an earlier run began,
/// and those that wait for their places.
struct Tally {
    downloads: BTreeSet<usize>,
    earlier: BTreeSet<usize>,
    running: BTreeSet<usize>,
    /// The downloads that running steps are made during.
    during: BTreeMap<usize, WaitingFor>,
}

impl Tally {
    fn new(plan: &Plan, downloads: &Downloads) -> Self {
        let fetches = plan.steps.iter().enumerate();
        let fetches = fetches.filter_map(|(at, step)| Some((at, Fetch::of(step)?)));
        let fetches: Vec<_> = fetches.collect();
        Self {
            earlier: fetches
                .iter()
                .filter(|(_, fetch)| downloads.find(fetch).is_some())
                .map(|(at, _)| *at)
                .collect(),
            downloads: fetches.into_iter().map(|(at, _)| at).collect(),
            running: BTreeSet::new(),
            during: BTreeMap::new(),
        }
    }

    fn begins(&mut self, at: usize, during: Option<WaitingFor>) {
        self.running.insert(at);
        self.during.extend(during.map(|download| (at, download)));
    }

    fn ends(&mut self, at: usize) {
        self.running.remove(&at);
        self.during.remove(&at);
    }

    /// True if nothing that this run has begun, or is about to begin, is running.
    fn is_of_earlier_runs(&self, downloads: &Downloads) -> bool {
        let mut earlier = 0;
        let mut waiting = false;
        for at in &self.running {
            // What is made during a download waits with it.
            if self
                .during
                .get(at)
                .is_some_and(|download| !download.is_over())
            {
                continue;
            }
            match (self.earlier.contains(at), self.downloads.contains(at)) {
                (true, _) => earlier += 1,
                (false, true) => waiting = true,
                (false, false) => return false,
            }
        }
        // What waits has no place only if the earlier ones have them all.
        earlier > 0 && (!waiting || earlier >= downloads.at_once())
    }
}
