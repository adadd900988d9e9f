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

use super::session::RunObserver;
use crate::conclude::StepRecord;
use crate::daemon::Heartbeat;
use crate::error::chain;
use crate::execute::{Event, Meter};
use crate::facts::StepId;
use crate::model::OrderSet;
use crate::plan::Look;
use crate::store::StateDir;

/// How often running transfers are asked whether they move.
const PULSE: Duration = Duration::from_secs(5);

/// Tells of the loop's runs.
pub(super) struct Teller {
    state: StateDir,
    heartbeat: Heartbeat,
}

impl Teller {
    pub(super) fn new(state: StateDir, heartbeat: Heartbeat) -> Self {
        Self { state, heartbeat }
    }
}

impl RunObserver for Teller {
    fn read(&mut self, orders: &OrderSet) {
        for problem in orders.problems() {
            tracing::error!("{}", problem.headline());
        }
        self.heartbeat.beat();
    }

    fn planned(
        &mut self,
        look: &Look,
        events: mpsc::UnboundedReceiver<Event>,
    ) -> std::io::Result<JoinHandle<()>> {
        self.heartbeat.beat();
        tracing::info!("{}", crate::plan::render::headline(&look.plan));
        let task = tell(events, self.state.clone(), self.heartbeat.clone());
        Ok(tokio::spawn(task))
    }
}

/// Writes what happens to the log and to the events, and gives signs of life for as
/// long as bytes move.
async fn tell(mut events: mpsc::UnboundedReceiver<Event>, state: StateDir, heartbeat: Heartbeat) {
    let mut meters: Vec<(StepId, Arc<Meter>, u64)> = Vec::new();
    let mut pulse = tokio::time::interval(PULSE);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => {
                    heartbeat.beat();
                    note(event, &state, &mut meters);
                }
                None => return,
            },
            _ = pulse.tick() => {
                for (_, meter, last) in &mut meters {
                    let (done, _) = meter.read();
                    if done != *last {
                        *last = done;
                        heartbeat.beat();
                    }
                }
            }
        }
    }
}

fn note(event: Event, state: &StateDir, meters: &mut Vec<(StepId, Arc<Meter>, u64)>) {
    match event {
        Event::Started { step, meter, .. } => {
            tracing::info!(%step, "begins");
            meters.extend(meter.map(|meter| (step, meter, 0)));
        }
        Event::Replanned { changed, plan } => {
            let reason = changed.join("; ");
            tracing::info!(%reason, "the observed state changed; planned again");
            tracing::info!("{}", crate::plan::render::headline(&plan));
        }
        Event::Finished { step, outcome } => {
            meters.retain(|(other, ..)| *other != step);
            let record = StepRecord::new(Some(Timestamp::now()), &step, None, &outcome);
            if outcome.is_success() {
                tracing::info!(%step, "is done");
            } else {
                tracing::warn!(%step, reason = %outcome, "is not done");
            }
            if let Err(error) = state.add_events(&[record]) {
                tracing::warn!(reason = %chain(&error), "cannot write the events");
            }
        }
    }
}
