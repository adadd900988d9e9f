//! `plan` and `apply`, and the command line without a verb: one run, shown.

use std::path::Path;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::args::{Common, OutputForm, RunArgs};
use super::exit::Exit;
use super::{notices, out, progress, question, signal, style, summary};
use crate::app::{App, Mode};
use crate::conclude::Scope;
use crate::conclude::Verdict;
use crate::conclude::manifest;
use crate::controller::{FinishedRun, RunError, RunObserver, Session};
use crate::execute::Event;
use crate::facts::{Outcome, StepId};
use crate::model::{OrderSet, Problem, Trigger};
use crate::plan::Look;
use crate::plan::render::{self, PlanView};
use crate::plan::{Blocked, Plan, Selection};
use crate::store;

/// What `plan -o json` prints.
#[derive(Serialize)]
struct PlanAnswer<'a> {
    plan: &'a Plan,
    manifests: Vec<ManifestChange>,
    problems: Vec<&'a Problem>,
}

/// What a manifest would change.
#[derive(Serialize)]
struct ManifestChange {
    order: String,
    path: String,
    diff: String,
}

/// What `apply -o json` prints.
#[derive(Serialize)]
struct ApplyAnswer<'a> {
    plan: &'a Plan,
    outcomes: &'a std::collections::BTreeMap<StepId, Outcome>,
    problems: Vec<&'a Problem>,
    converged: bool,
}

/// What of a plan is shown.
#[derive(Default)]
pub(super) struct PlanShown {
    selection: Selection,
    manifests: ManifestsShown,
}

/// What is shown of the manifests that would change.
#[derive(Default, PartialEq, Eq)]
enum ManifestsShown {
    #[default]
    None,
    /// How much each changes.
    Counts,
    Diffs,
}

impl PlanShown {
    pub(super) fn new(selection: Selection, with_manifests: bool) -> Self {
        let manifests = match with_manifests {
            true => ManifestsShown::Diffs,
            false => ManifestsShown::None,
        };
        Self {
            selection,
            manifests,
        }
    }

    /// The original program's dry run showed the manifests.
    pub(super) fn dry_run(args: &RunArgs) -> Self {
        Self {
            selection: Selection::default(),
            manifests: match args.verbose {
                true => ManifestsShown::Diffs,
                false => ManifestsShown::Counts,
            },
        }
    }
}

/// Shows what a run would do. Changes nothing.
pub(super) async fn plan(
    common: &Common,
    args: &RunArgs,
    detailed: bool,
    shown: PlanShown,
) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadOnly)?;
    let path = app.orders_path(common.orders.as_deref())?;
    let reconciler = app.reconciler()?;
    let never = CancellationToken::new();
    let session = session(&app, path, args).await;
    let looked = session.look(&reconciler, &never, notices::problems).await;
    let (inputs, look) = looked.map_err(error_of)?;
    let orders = &inputs.orders;
    notices::versions(&look.observed.catalog.versions, look.observed.now);
    // What is not shown is not assembled and compared with the files.
    let changes = if args.output == OutputForm::Json || shown.manifests != ManifestsShown::None {
        let mut changes = manifest_changes(&reconciler.manifests(&inputs, &look, None))?;
        changes.retain(|change| shown.selection.has_order(&change.order));
        changes
    } else {
        Vec::new()
    };
    match args.output {
        OutputForm::Json => {
            let answer = PlanAnswer {
                plan: &shown.selection.of(&look.plan),
                manifests: changes,
                problems: orders.problems().collect(),
            };
            out::json(&answer)?;
        }
        OutputForm::Text => {
            let view = PlanView {
                selection: shown.selection,
                ..view(args)
            };
            let mut text = style::plan(&render::render(&look.plan, &view));
            match shown.manifests {
                ManifestsShown::None => {}
                ManifestsShown::Counts => text.push_str(&counts(&changes)),
                ManifestsShown::Diffs => {
                    for change in &changes {
                        text.push('\n');
                        text.push_str(&style::diff(&change.diff));
                    }
                }
            }
            out::text(&text)?;
        }
    }
    let blocked = &look.plan.blocked;
    let troubled = !orders.is_complete() || blocked.iter().any(Blocked::is_trouble);
    Ok(if troubled {
        Exit::Failed
    } else if detailed && !look.plan.steps.is_empty() {
        Exit::Changes
    } else {
        Exit::Done
    })
}

fn view(args: &RunArgs) -> PlanView {
    PlanView {
        width: out::width(),
        detailed: args.verbose,
        ..PlanView::default()
    }
}

/// A line for each manifest that would change.
fn counts(changes: &[ManifestChange]) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let mut text = "\nManifests (-v shows the changes)\n".to_owned();
    for change in changes {
        let lines = |sign: char, head: &str| {
            let lines = change.diff.lines();
            let lines = lines.filter(|line| line.starts_with(sign) && !line.starts_with(head));
            lines.count()
        };
        let (added, removed) = (lines('+', "+++ "), lines('-', "--- "));
        let path = &change.path;
        text.push_str(&format!(
            "  {path}: {added} lines added, {removed} removed\n"
        ));
    }
    text
}

fn manifest_changes(
    manifests: &std::collections::BTreeMap<
        crate::model::OrderId,
        (std::path::PathBuf, manifest::Manifest),
    >,
) -> anyhow::Result<Vec<ManifestChange>> {
    let mut changes = Vec::new();
    for (order, (path, new)) in manifests {
        let diff = store::manifest::diff(path, new)?;
        if !diff.is_empty() {
            changes.push(ManifestChange {
                order: order.to_string(),
                path: path.display().to_string(),
                diff,
            });
        }
    }
    Ok(changes)
}

/// Runs once: shows the plan, does it, sums up.
pub(super) async fn apply(common: &Common, args: &RunArgs, yes: bool) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadWrite)?;
    let path = app.orders_path(common.orders.as_deref())?;
    // Looked at before the wait, so that a mistake is told at once, and again after
    // it: another run may have taken a while.
    app.orders(path)?;
    let cancel = signal::stop_on_signal()?;
    let reconciler = app.reconciler()?;
    let _lock = tokio::select! {
        lock = app.lock(args.lock_timeout) => lock?,
        () = cancel.cancelled() => return Ok(interrupted(None)),
    };
    let session = session(&app, path, args).await;
    let mut shown = Shown {
        output: args.output,
        view: view(args),
        question: (!yes).then(|| cancel.clone()),
        declined: false,
    };
    let never = CancellationToken::new();
    let run = match session.run(&reconciler, &cancel, &never, &mut shown).await {
        Ok(run) => run,
        Err(RunError::Stopped) => return Ok(interrupted(None)),
        Err(RunError::Show(_)) if cancel.is_cancelled() => return Ok(interrupted(None)),
        Err(RunError::Show(_)) if shown.declined => {
            out::note("Nothing was done.");
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(error_of(error)),
    };
    let FinishedRun {
        orders,
        report,
        kept,
    } = run;
    let converged = report.verdict == Verdict::Converged;
    let steps = report.look.plan.steps.iter();
    let is_pending = |id: &StepId| {
        let outcome = report.outcomes.get(id);
        !matches!(outcome, Some(Outcome::Done { .. } | Outcome::Failed { .. }))
    };
    let pending = steps.filter(|step| is_pending(&step.id)).count();
    let is_interrupted = cancel.is_cancelled() && pending > 0;
    if let Err(error) = kept {
        let chain = crate::error::chain(&error);
        let hint = error.hint().map(|hint| format!("\n  hint: {hint}"));
        let hint = hint.unwrap_or_default();
        out::note(&format!("{} {chain}{hint}", style::warning("warning:")));
    }
    match args.output {
        OutputForm::Json => {
            let answer = ApplyAnswer {
                plan: &report.look.plan,
                outcomes: &report.outcomes,
                problems: orders.problems().collect(),
                converged,
            };
            out::json(&answer)?;
        }
        OutputForm::Text if is_interrupted => {}
        OutputForm::Text => out::text(&format!("{}\n", summary::summary(&report)))?,
    }
    for (order, failed) in &report.manifests {
        if let Err(error) = failed {
            let failed = style::error("failed:");
            out::note(&format!("{failed} manifest of {order}: {error}"));
        }
    }
    if is_interrupted {
        return Ok(interrupted(Some(pending)));
    }
    Ok(if converged { Exit::Done } else { Exit::Failed })
}

/// Says so in one line; how many steps are pending is known once there is a plan.
fn interrupted(pending: Option<usize>) -> Exit {
    let pending = match pending {
        Some(count) => format!("{} pending", out::counted(count, "step")),
        None => "nothing was done".to_owned(),
    };
    out::note(&format!("Interrupted: {pending}; run again to continue"));
    Exit::Interrupted
}

/// A manual run often follows a fix: failures do not block anything.
async fn session<'a>(app: &'a App, orders: &'a Path, args: &RunArgs) -> Session<'a> {
    let options = app.run_options(args.purge_cache, false);
    Session::begin(app, orders, Trigger::Manual, &[Scope::All], options).await
}

/// The causes that have hints and exit codes of their own are distinguished above.
fn error_of(error: RunError) -> anyhow::Error {
    match error {
        RunError::Start(error) => error.into(),
        RunError::Reconcile(error) => error.into(),
        RunError::Show(error) => error.into(),
        error @ RunError::Stopped => error.into(),
    }
}

/// Shows a run while it goes on.
struct Shown {
    output: OutputForm,
    view: PlanView,
    /// Ask before something is pruned from nodes; the token ends the question.
    question: Option<CancellationToken>,
    declined: bool,
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
        if self.output == OutputForm::Text {
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
