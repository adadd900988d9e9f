//! What surrounds one pass: the memory before it, and what is kept after it.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::app::App;
use crate::conclude::Report;
use crate::conclude::Scope;
use crate::conclude::memory::forgive;
use crate::conclude::record::Occasion;
use crate::conclude::{self, Cause, PassRecord, RetryLimits, Status};
use crate::facts::Memory;
use crate::model::OrderSet;
use crate::plan::RunOptions;
use crate::reconcile::Inputs;
use crate::store::{self, StateDir, StateError};

/// What surrounds one pass: what is remembered before it, and kept after it.
pub struct Session {
    state: StateDir,
    owner: String,
    started: Timestamp,
    cause: Cause,
    revision: Option<String>,
    memory: Memory,
}

impl Session {
    /// Begins: reads what is remembered, without what would hold back whoever asks
    /// for a pass by name.
    pub fn begin(app: &App, orders: &Path, cause: Cause, asked: &[Scope]) -> Self {
        let (state, now) = (app.state(), app.now());
        let last_run = state
            .status()
            .and_then(|status| Some(status.last_pass?.finished));
        let clocks = store::reading(now);
        let limits = RetryLimits::default();
        let (mut memory, jump) =
            conclude::clock::settle(state.memory(), now, clocks, last_run, &limits);
        if let Some(jump) = jump {
            tracing::warn!("the clock of this machine jumped by {jump:#}; waits are counted anew");
        }
        for scope in asked {
            forgive(&mut memory, scope);
        }
        Self {
            revision: store::revision::of(orders),
            owner: app.settings().owner.clone(),
            started: now,
            state,
            cause,
            memory,
        }
    }

    /// What the run works with.
    pub fn inputs(&self, orders: Arc<OrderSet>, options: RunOptions) -> Inputs {
        Inputs {
            orders,
            revision: self.revision.clone(),
            memory: self.memory.clone(),
            options,
        }
    }

    /// Keeps what the pass learned, and tells how things are now.
    ///
    /// # Errors
    /// When the controller's files cannot be written. The pass itself is not undone
    /// by that; the next one knows less.
    pub async fn end(
        self,
        now: Timestamp,
        orders: &OrderSet,
        report: &Report,
    ) -> Result<(Status, Memory), StateError> {
        let limits = RetryLimits::default();
        let memory = conclude::after(&self.memory, &report.look, &report.outcomes, now, &limits);
        self.state.save_memory(&self.memory, &memory).await?;
        let occasion = self.occasion(now);
        self.state
            .add_to_history(&PassRecord::new(&occasion, report))?;
        let before = self.state.status().unwrap_or_default();
        let status = before.finished(&occasion, orders, report, &memory);
        self.state.save_status(&status)?;
        Ok((status, memory))
    }

    /// Tells that the pass could not even look.
    pub(super) fn unable(self, now: Timestamp, error: &str) -> Result<Status, StateError> {
        let occasion = self.occasion(now);
        let record = PassRecord::unable(&occasion, error.to_owned());
        self.state.add_to_history(&record)?;
        let before = self.state.status().unwrap_or_default();
        let status = before.unable(&occasion, error.to_owned());
        self.state.save_status(&status)?;
        Ok(status)
    }

    fn occasion(&self, now: Timestamp) -> Occasion {
        Occasion {
            owner: self.owner.clone(),
            started: self.started,
            finished: now,
            cause: self.cause,
            revision: self.revision.clone(),
        }
    }
}
