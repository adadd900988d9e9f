//! A run that is shown while it goes on.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::forms::OutputForm;
use crate::cli::{notices, out, progress, question, saved, style};
use crate::controller::RunObserver;
use crate::execute::Event;
use crate::model::OrderSet;
use crate::plan::Look;
use crate::plan::render::{self, PlanView};
use crate::plan::saved::{PlanChange, PlannedWork, SavedPlan};

/// Shows a run while it goes on.
pub(super) struct Shown {
    pub(super) output: OutputForm,
    pub(super) view: PlanView,
    /// Ask before something is pruned from nodes; the token ends the question.
    pub(super) question: Option<CancellationToken>,
    pub(super) declined: bool,
    /// The only plan that may be executed, and what the one of the run does otherwise.
    pub(super) saved: Option<SavedPlan<PlannedWork>>,
    pub(super) changes: Vec<PlanChange>,
}

impl RunObserver for Shown {
    fn read(&mut self, orders: &OrderSet) {
        notices::problems(orders);
    }

    fn planned(
        &mut self,
        look: &Look,
        events: mpsc::UnboundedReceiver<Event>,
    ) -> std::io::Result<JoinHandle<()>> {
        notices::versions(&look.observed.catalog.versions, look.observed.now);
        self.changes = saved::changes(self.saved.as_ref(), look)?;
        if !self.changes.is_empty() {
            return Err(std::io::Error::other("the saved plan is another one"));
        }
        if self.output.data().is_none() {
            out::text(&style::plan(&render::render(&look.plan, &self.view)))?;
        }
        if let Some(stop) = &self.question
            && !question::may_prune(&look.plan, stop)?
        {
            self.declined = true;
            return Err(std::io::Error::other("the answer was no"));
        }
        Ok(tokio::spawn(progress::show(events)))
    }
}
