//! Reports the steps of a current run: in the log, in the events, and to whoever
//! watches whether anything still moves.

#![expect(
    clippy::disallowed_methods,
    reason = "stamps events and measures the progress of transfers"
)]

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::run::RunObserver;
use crate::conclude::memory::next_ring;
use crate::conclude::{EventRecord, Status, StepEnd, StepRecord};
use crate::daemon::Heartbeat;
use crate::error::chain;
use crate::execute::{Event, Meter};
use crate::facts::{NodeState, StepId};
use crate::live::Live;
use crate::model::{NodeId, OrderId, OrderSet};
use crate::plan::{BlockedReason, Look, Plan};
use crate::store::StateDir;

/// So many blocked steps of a run are told.
const BLOCKED_MAX: usize = 20;

/// How often running transfers are asked whether they move.
const PULSE: Duration = Duration::from_secs(5);

/// Tells of the loop's runs.
pub(super) struct Teller {
    state: StateDir,
    heartbeat: Heartbeat,
    /// Where somebody watches.
    live: Option<Live>,
    /// Cancelled when a window opens, or a ring has soaked, that a step of the plan waits for.
    handover: Option<CancellationToken>,
    begin: Option<BeginTimer>,
}

impl Teller {
    pub(super) fn new(state: StateDir, heartbeat: Heartbeat, live: Option<Live>) -> Self {
        Self {
            state,
            heartbeat,
            live,
            handover: None,
            begin: None,
        }
    }

    /// Has the run hand over when a window opens or a ring has soaked: a download may take
    /// longer than the window is open, and only the next run begins what waits for it.
    pub(super) fn handing_over(self, handover: CancellationToken) -> Self {
        Self {
            handover: Some(handover),
            ..self
        }
    }
}

/// Cancels a token when its time has come, unless it is dropped before.
struct BeginTimer(JoinHandle<()>);

impl BeginTimer {
    fn new(wait: Duration, handover: CancellationToken) -> Self {
        Self(tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            handover.cancel();
        }))
    }
}

impl Drop for BeginTimer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl RunObserver for Teller {
    fn read(&mut self, orders: &OrderSet) {
        for problem in orders.problems() {
            tracing::error!("{}", problem.headline());
        }
        self.heartbeat.beat();
    }

    fn shows_manifests(&self) -> bool {
        self.live.is_some()
    }

    fn planned(
        &mut self,
        look: &Look,
        events: mpsc::UnboundedReceiver<Event>,
    ) -> std::io::Result<JoinHandle<()>> {
        self.heartbeat.beat();
        tracing::info!("{}", crate::plan::render::headline(&look.plan));
        // A manual run forgets which nodes did not answer, and the status does not.
        let before = self.state.status().unwrap_or_default();
        tell_nodes(look, |node| before.circuits.contains_key(node));
        tell_clusters(&look.plan, &before.notes);
        tell_blocked(&look.plan);
        if let Some(live) = &self.live {
            live.planned(&look.plan);
        }
        let opens = look.plan.next_window().map(|(opens, _)| opens);
        let soaked = next_ring(look, &look.observed.memory);
        let first = opens.into_iter().chain(soaked).min();
        self.begin = first.zip(self.handover.clone()).map(|(until, handover)| {
            let wait = until.duration_since(look.observed.now);
            BeginTimer::new(wait.try_into().unwrap_or_default(), handover)
        });
        let live = self.live.clone();
        let follower = Self::new(self.state.clone(), self.heartbeat.clone(), live);
        Ok(tokio::spawn(follower.follow(events)))
    }

    fn under_way(&mut self, status: &Status) {
        if let Some(live) = &self.live {
            live.status_changed(status);
        }
    }
}

/// Says which nodes stopped answering, and which answer again.
fn tell_nodes(look: &Look, was_silent: impl Fn(&NodeId) -> bool) {
    for (node, state) in &look.observed.nodes {
        let is_known = was_silent(node);
        let node = node.as_str();
        let NodeState::Unreachable { why, .. } = state else {
            if is_known {
                tracing::info!(node, "node answers again");
            }
            continue;
        };
        let reason = why.as_str();
        match is_known {
            false => tracing::warn!(node, reason, "node does not answer"),
            true => tracing::debug!(node, reason, "node still does not answer"),
        }
    }
}

/// Says what is to be known of clusters and was not a run ago.
fn tell_clusters(plan: &Plan, before: &[String]) {
    for notice in plan.notices.iter().map(ToString::to_string) {
        if !before.contains(&notice) {
            tracing::warn!("{notice}");
        }
    }
}

/// Says why something is not done that waits for somebody. What has failed before was
/// told when it did, and what is as it should be is not told at all.
fn tell_blocked(plan: &Plan) {
    let blocked = plan.blocked.iter().filter(|blocked| {
        let is_told = matches!(
            blocked.reason,
            BlockedReason::NodeUnreachable { .. }
                | BlockedReason::BackingOff { .. }
                | BlockedReason::SourceBlocked { .. }
        );
        blocked.is_trouble() && !is_told
    });
    let more = blocked.clone().count().saturating_sub(BLOCKED_MAX);
    for blocked in blocked.take(BLOCKED_MAX) {
        let (step, reason) = (blocked.id.as_str(), blocked.reason.to_string());
        tracing::warn!(step, reason, "{}: blocked", blocked.id.text());
    }
    if more > 0 {
        tracing::warn!("{more} more are blocked; `talos-order status` lists them");
    }
}

impl Teller {
    /// Writes what happens to the log and to the events, and gives signs of life for as
    /// long as bytes move.
    async fn follow(self, mut events: mpsc::UnboundedReceiver<Event>) {
        let mut meters: Vec<(StepId, Arc<Meter>, u64)> = Vec::new();
        let mut pulse = tokio::time::interval(PULSE);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => {
                        self.heartbeat.beat();
                        self.note(event, &mut meters);
                    }
                    None => return,
                },
                _ = pulse.tick() => {
                    for (_, meter, last) in &mut meters {
                        let (done, _) = meter.read();
                        if done != *last {
                            *last = done;
                            self.heartbeat.beat();
                        }
                    }
                }
            }
        }
    }

    fn note(&self, event: Event, meters: &mut Vec<(StepId, Arc<Meter>, u64)>) {
        match event {
            Event::Started { step, meter } => {
                tracing::info!(step = step.as_str(), "{}: started", step.text());
                if let Some(live) = &self.live {
                    live.step_started(&step, meter.clone(), Timestamp::now());
                }
                meters.extend(meter.map(|meter| (step, meter, 0)));
            }
            Event::Replanned { changed, plan } => {
                let reason = changed.join("; ");
                tracing::info!(reason, "the observed state changed; planned again");
                tracing::info!("{}", crate::plan::render::headline(&plan));
                if let Some(live) = &self.live {
                    live.planned(&plan);
                }
            }
            Event::Recalled { orders } => {
                let orders = orders.iter().map(OrderId::as_str).collect::<Vec<_>>();
                let order = orders.join(", ");
                tracing::info!(
                    order,
                    "rollouts have a new instruction; no further step begins"
                );
            }
            Event::ManifestChanged { order, change } => {
                if let Some(live) = &self.live {
                    live.manifest_changed(order, change, Timestamp::now());
                }
            }
            Event::Finished { step, outcome } => {
                meters.retain(|(other, ..)| *other != step);
                let record = StepRecord::new(Some(Timestamp::now()), &step, None, &outcome);
                match record.end {
                    StepEnd::Failed => tracing::error!(step = step.as_str(), "{record}"),
                    StepEnd::Skipped | StepEnd::Outdated => {
                        tracing::warn!(step = step.as_str(), "{record}");
                    }
                    StepEnd::Done | StepEnd::Cancelled => {
                        tracing::info!(step = step.as_str(), "{record}");
                    }
                }
                if let Some(live) = &self.live {
                    live.step_finished(&record);
                }
                if let Err(error) = self.state.add_events(&[EventRecord::Step(record)]) {
                    tracing::warn!(reason = chain(&error), "cannot write the events");
                }
            }
        }
    }
}
