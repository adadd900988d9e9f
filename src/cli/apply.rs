//! `plan` and `apply`, and the command line without a verb: one run, shown.

use std::path::Path;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::args::{Common, OutputForm, RunArgs};
use super::exit::Exit;
use super::{notices, out, progress, signal, style, summary};
use crate::app::{App, Mode};
use crate::conclude::Cause;
use crate::conclude::Scope;
use crate::conclude::Verdict;
use crate::conclude::manifest;
use crate::controller::{FinishedRun, RunError, RunObserver, Session};
use crate::execute::Event;
use crate::facts::{Outcome, StepId};
use crate::model::{OrderSet, Problem};
use crate::plan::Look;
use crate::plan::render;
use crate::plan::{Blocked, Plan};
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

/// Shows what a run would do. Changes nothing.
pub(super) async fn plan(common: &Common, args: &RunArgs, detailed: bool) -> anyhow::Result<Exit> {
    show_plan(common, args, detailed, true).await
}

/// The same, with or without what the manifests would change.
pub(super) async fn show_plan(
    common: &Common,
    args: &RunArgs,
    detailed: bool,
    with_manifests: bool,
) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadOnly)?;
    let path = app.orders_path(common.orders.as_deref())?;
    let reconciler = app.reconciler()?;
    let never = CancellationToken::new();
    let session = session(&app, path, args);
    let looked = session.look(&reconciler, &never, notices::problems).await;
    let (inputs, look) = looked.map_err(error_of)?;
    let orders = &inputs.orders;
    notices::versions(&look.observed.catalog.versions, look.observed.now);
    let changes = manifest_changes(&reconciler.manifests(&inputs, &look, None))?;
    match args.output {
        OutputForm::Json => {
            let answer = PlanAnswer {
                plan: &look.plan,
                manifests: changes,
                problems: orders.problems().collect(),
            };
            out::json(&answer)?;
        }
        OutputForm::Text => {
            let mut text = style::plan(&render::render(&look.plan));
            for change in changes.into_iter().filter(|_| with_manifests) {
                text.push('\n');
                text.push_str(&style::diff(&change.diff));
            }
            out::text(&text)?;
        }
    }
    let held = &look.plan.held;
    let troubled = !orders.is_complete() || held.iter().any(Blocked::is_trouble);
    Ok(if troubled {
        Exit::Failed
    } else if detailed && !look.plan.steps.is_empty() {
        Exit::Changes
    } else {
        Exit::Done
    })
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
pub(super) async fn apply(common: &Common, args: &RunArgs) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadWrite)?;
    let path = app.orders_path(common.orders.as_deref())?;
    // Looked at before the wait, so that a mistake is told at once, and again after
    // it: another run may have taken a while.
    app.orders(path)?;
    let cancel = signal::stop_on_signal()?;
    let reconciler = app.reconciler()?;
    let _lock = tokio::select! {
        lock = app.lock(args.lock_timeout) => lock?,
        () = cancel.cancelled() => return Ok(Exit::Failed),
    };
    let session = session(&app, path, args);
    let mut shown = Shown {
        output: args.output,
    };
    let never = CancellationToken::new();
    let run = match session.run(&reconciler, &cancel, &never, &mut shown).await {
        Ok(run) => run,
        Err(RunError::Stopped) => return Ok(Exit::Failed),
        Err(error) => return Err(error_of(error)),
    };
    let FinishedRun {
        orders,
        report,
        kept,
    } = run;
    let converged = report.verdict == Verdict::Converged;
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
        OutputForm::Text => out::text(&format!("{}\n", summary::summary(&report)))?,
    }
    for (order, failed) in &report.manifests {
        if let Err(error) = failed {
            let failed = style::error("failed:");
            out::note(&format!("{failed} manifest of {order}: {error}"));
        }
    }
    Ok(if converged { Exit::Done } else { Exit::Failed })
}

/// A manual run often follows a fix: failures do not block anything.
fn session<'a>(app: &'a App, orders: &'a Path, args: &RunArgs) -> Session<'a> {
    let options = app.run_options(args.purge_cache, false);
    Session::begin(app, orders, Cause::Request, &[Scope::All], options)
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
            out::text(&style::plan(&render::render(&look.plan)))?;
        }
        let labels = progress::labels(&look.plan);
        Ok(tokio::spawn(progress::show(events, labels)))
    }
}
