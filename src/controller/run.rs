//! What a run has to do with others: who is told how it goes on, and how it ends.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::app::StartError;
use crate::conclude::{Report, Status};
use crate::execute::Event;
use crate::facts::Memory;
use crate::model::OrderSet;
use crate::plan::Look;
use crate::reconcile::ReconcileError;
use crate::store::StateError;

/// Whoever is told how a run goes on.
pub(crate) trait RunObserver {
    /// The orders are read, and the look begins.
    fn read(&mut self, orders: &OrderSet);

    /// True if it shows what changes in manifests.
    fn shows_manifests(&self) -> bool {
        false
    }

    /// The plan is made, and its steps begin. The returned task takes the events until
    /// there are no more; the run waits for its end.
    ///
    /// # Errors
    /// When the plan cannot be shown; no step begins then.
    fn planned(
        &mut self,
        look: &Look,
        events: mpsc::UnboundedReceiver<Event>,
    ) -> std::io::Result<JoinHandle<()>>;

    /// The steps have begun, and the status says what goes through rings now.
    fn under_way(&mut self, status: &Status) {
        let _ = status;
    }
}

/// A run that is over.
pub(crate) struct FinishedRun {
    pub orders: Arc<OrderSet>,
    /// What came of it.
    pub report: Report,
    /// How things are and what is remembered; or why that could not be kept. The run
    /// itself is not undone by that; the next one knows less.
    pub kept: Result<(Status, Memory), StateError>,
    /// It ended before its plan was done, because operators say something else by now.
    pub is_recalled: bool,
}

/// Why there was no run, or none to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The orders cannot be read at all, or the cache is taken.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The run itself.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    /// The plan cannot be shown.
    #[error(transparent)]
    Show(#[from] std::io::Error),
    /// The end was asked for.
    #[error("it was asked to stop")]
    Stopped,
}
