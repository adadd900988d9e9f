//! A run that is shown while it goes on.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::cli::forms::OutputForm;
use crate::cli::{control, notices, out, progress, question, saved, style};
use crate::conclude::OperatorAction;
use crate::controller::RunObserver;
use crate::execute::Event;
use crate::model::OrderSet;
use crate::plan::render::{self, PlanView};
use crate::plan::saved::{PlanChange, PlannedWork, SavedPlan};
use crate::plan::{Look, Selection};

/// Shows a run while it goes on.
pub(super) struct Shown<'a> {
    /// For whom closed windows do not count, where they do not.
    pub(super) ignoring: Option<&'a Selection>,
    pub(super) app: &'a App,
    pub(super) output: OutputForm,
    pub(super) view: PlanView,
    /// Ask before something is pruned from nodes; the token ends the question.
    pub(super) question: Option<CancellationToken>,
    pub(super) declined: bool,
    /// The only plan that may be executed, and what the one of the run does otherwise.
    pub(super) saved: Option<SavedPlan<PlannedWork>>,
    pub(super) changes: Vec<PlanChange>,
}

impl RunObserver for Shown<'_> {
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
        if let Some(selection) = self.ignoring {
            let state = self.app.state();
            let what = selection.to_string();
            control::note(self.app, &state, OperatorAction::IgnoreWindows, what);
        }
        Ok(tokio::spawn(progress::show(events)))
    }
}
