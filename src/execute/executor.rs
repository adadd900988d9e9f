//! Running a plan: what may run runs, and what is over makes room for more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Event;
use super::context::ExecutionContext;
use super::downloads::{Downloads, Fetch};
use super::queue::StepQueue;
use super::runner::StepRunner;
use crate::facts::{CacheState, Outcome, StepId};
use crate::nodes::Nodes;
use crate::plan::{Action, Plan};
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
    let handover = context.handover.clone();
    let runner = Arc::new(StepRunner::new(context, known));
    let mut tasks: JoinSet<(usize, Outcome)> = JoinSet::new();
    let mut running = Tally::new(plan, &downloads);
    loop {
        while let Some(at) = queue.ready.pop_front() {
            let step = &plan.steps[at];
            if let Some(outcome) = queue.refusal(step, &cancel) {
                queue.finish(at, outcome, &events);
                continue;
            }
            running.begins(at);
            let (step, runner) = (step.clone(), Arc::clone(&runner));
            let (events, cancel) = (events.clone(), cancel.clone());
            let handover = handover.clone();
            tasks.spawn(async move {
                let is_download = matches!(step.action, Action::Fetch { .. });
                let outcome = tokio::select! {
                    biased;
                    () = cancel.cancelled() => Outcome::Cancelled,
                    () = handover.cancelled(), if is_download => Outcome::UnderWay,
                    outcome = runner.run(&step, &events) => outcome,
                };
                (at, outcome)
            });
        }
        // Whoever waits for this run does not wait for what an earlier one has begun.
        if running.is_of_earlier_runs(&downloads) {
            handover.cancel();
        }
        match tasks.join_next().await {
            Some(Ok((at, outcome))) => {
                running.ends(at);
                queue.finish(at, outcome, &events);
            }
            Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            None => break,
        }
    }
    if cancel.is_cancelled() {
        downloads.keep_only(&[]).await;
    }
    queue.outcomes
}

/// What runs: to tell when nothing is left but downloads that an earlier run began,
/// and those that wait for their places.
struct Tally {
    downloads: BTreeSet<usize>,
    earlier: BTreeSet<usize>,
    running: BTreeSet<usize>,
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
        }
    }

    fn begins(&mut self, at: usize) {
        self.running.insert(at);
    }

    fn ends(&mut self, at: usize) {
        self.running.remove(&at);
    }

    /// True if nothing that this run has begun, or is about to begin, is running.
    fn is_of_earlier_runs(&self, downloads: &Downloads) -> bool {
        let mut earlier = 0;
        let mut waiting = false;
        for at in &self.running {
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
