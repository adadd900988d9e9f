//! Who is told how a run of the controller goes: status file, page and metrics.

use super::Controller;
use crate::conclude::{Report, Status};
use crate::error::chain;
use crate::facts::Memory;
use crate::live::Finished;
use crate::model::Trigger;
use crate::store::StateDir;

impl Controller {
    /// What cannot be written is told; it is no reason to end.
    pub(super) fn write_metrics(&self, status: &Status, last: Option<(&Report, &Memory)>) {
        let Some(file) = &self.metrics else { return };
        let upstream = self.app.tally().read();
        if let Err(error) = file.write(
            status,
            last,
            &upstream,
            self.app.asked().read(),
            &self.notifier.numbers(),
        ) {
            tracing::warn!(reason = chain(&error), "cannot write the metrics");
        }
    }

    pub(super) fn tell_begin(&self, trigger: Trigger) {
        let state = self.app.state();
        let begun = state.status().unwrap_or_default();
        // A single run may be done beside a loop, whose word on its next one stays.
        let next_run = begun.next_run.filter(|_| self.once);
        let begun = Status {
            next_run,
            ..begun.begun(&self.app.settings().owner, trigger, self.app.now())
        };
        tell_status(&state, &begun);
        if let (Some(live), Some(running)) = (&self.live, &begun.running) {
            live.run_begun(&begun, running.trigger, running.since);
        }
    }

    pub(super) fn tell_end(&self, status: Option<&Status>, finished: impl FnOnce() -> Finished) {
        if let Some(live) = &self.live {
            live.run_finished(status, Some(finished()));
        }
    }

    /// A run ended before it did anything, and that is no failure.
    pub(super) fn tell_nothing_done(&self) {
        let state = self.app.state();
        let status = state.status().map(|status| Status {
            running: None,
            ..status
        });
        if let Some(status) = &status {
            tell_status(&state, status);
        }
        self.tell_failure(status.as_ref());
    }

    /// The run failed before planning, or what came of it could not be kept.
    pub(super) fn tell_failure(&self, status: Option<&Status>) {
        if let Some(live) = &self.live {
            live.run_finished(status, None);
        }
    }
}

pub(super) fn tell_status(state: &StateDir, status: &Status) {
    if let Err(error) = state.save_status(status) {
        tracing::warn!(reason = chain(&error), "cannot write the status");
    }
}
