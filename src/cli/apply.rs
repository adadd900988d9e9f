//! `plan` and `apply`, and the command line without a verb: one run, shown.

mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use shown::Shown;

use super::args::Common;
use super::asked::{ApplyAsked, ManifestsShown, PlanShown};
use super::changes::ManifestChange;
use super::exit::Exit;
use super::run_args::RunArgs;
use super::{changes, filter, kept, notices, out, saved, signal, style, summary};
use crate::app::{App, LiveReconciler, Mode, OrdersAt};
use crate::conclude::{Scope, Verdict};
use crate::controller::{FinishedRun, Lead, LeadError, MetricsFile, RunError, Session};
use crate::facts::{Outcome, StepId};
use crate::model::{Problem, SiteName, Trigger};
use crate::plan::render::{self, PlanView};
use crate::plan::saved::{PlannedWork, SavedOptions, SavedPlan};
use crate::plan::{Blocked, Plan, RunOptions, Selection};
use crate::source::Freshness;
use crate::store;

/// What `plan -o json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct PlanAnswer<'a> {
    /// What a run would do.
    plan: &'a Plan,
    /// The manifests that would change.
    manifests: Vec<ManifestChange>,
    /// What is wrong in the orders.
    problems: Vec<&'a Problem>,
}

/// What `apply -o json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct ApplyAnswer<'a> {
    /// What was to be done.
    plan: &'a Plan,
    /// What became of each step; each outcome has the key `outcome`.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    outcomes: &'a BTreeMap<StepId, Outcome>,
    /// What is wrong in the orders.
    problems: Vec<&'a Problem>,
    /// True if everything wanted is in sync now.
    converged: bool,
}

/// Shows what a run would do. Changes nothing.
pub(super) async fn plan(
    common: &Common,
    args: &RunArgs,
    detailed: bool,
    shown: PlanShown,
) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadOnly)?;
    // Without what is remembered and suspended it would be another plan.
    app.readable_state()?;
    let named = common.orders.as_deref();
    // Before a plan that may take a minute.
    shown.out.as_deref().map(store::saved::check).transpose()?;
    let at = app.fetch_orders(named, Freshness::Now).await?;
    notices::source(at.source());
    if !shown.selection.is_all() {
        app.survey(&app.state().memory()).await?;
        let orders = app.orders(&at)?;
        filter::check(&shown.selection, &app, &orders)?;
    }
    let reconciler = app.reconciler()?;
    let never = CancellationToken::new();
    let asked = RunOptions {
        selection: shown.selection.clone(),
        ignore_windows: ignored(args.ignore_windows),
        ..app.run_options(args.purge_cache, false)
    };
    let session = session(&app, &at, asked).await;
    let looked = session.look(&reconciler, &never, notices::problems).await;
    let (inputs, look) = looked.map_err(kept::error_of)?;
    let orders = &inputs.orders;
    notices::versions(&look.observed.catalog.versions, look.observed.now);
    // What is not shown is not assembled and compared with the files.
    let changes = if args.output.data().is_some() || shown.manifests != ManifestsShown::None {
        changes::of(&reconciler.manifests(&inputs, &look, None))?
    } else {
        Vec::new()
    };
    match args.output.data() {
        Some(form) => {
            let answer = PlanAnswer {
                plan: &look.plan,
                manifests: changes,
                problems: orders.problems().collect(),
            };
            out::value(form, &answer)?;
        }
        None => {
            let view = view(args, &shown.selection);
            let mut text = style::plan(&render::render(&look.plan, &view));
            match shown.manifests {
                ManifestsShown::None => {}
                ManifestsShown::Counts => text.push_str(&changes::counts(&changes)),
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
    if let Some(file) = &shown.out {
        let options = SavedOptions {
            purge_cache: args.purge_cache,
            ignore_windows: args.ignore_windows,
            selection: shown.selection,
        };
        let revision = inputs.revision.as_deref();
        saved::save(file, &app, &at, revision, options, &look)?;
    }
    let blocked = &look.plan.blocked;
    let is_doubtful = inputs
        .source
        .as_ref()
        .is_some_and(|line| line.doubt().is_some());
    let troubled = !orders.is_complete() || is_doubtful || blocked.iter().any(Blocked::is_trouble);
    Ok(if troubled {
        Exit::Failed
    } else if detailed && !look.plan.steps.is_empty() {
        Exit::Changes
    } else {
        Exit::Done
    })
}

/// All windows, or none: the steps of others are not selected anyway.
fn ignored(all: bool) -> Vec<Selection> {
    all.then(Selection::default).into_iter().collect()
}

fn view(args: &RunArgs, selection: &Selection) -> PlanView {
    PlanView {
        width: out::width(),
        detailed: args.verbose,
        selection: selection.clone(),
    }
}

/// Runs once: shows the plan, does it, sums up.
pub(super) async fn apply(
    common: &Common,
    args: &RunArgs,
    mut asked: ApplyAsked,
) -> anyhow::Result<Exit> {
    let metrics = asked.metrics_file.take().map(MetricsFile::new);
    let metrics = metrics.transpose()?;
    let app = App::start(common.config.as_deref(), Mode::ReadWrite)?;
    let named = common.orders.as_deref();
    let cancel = signal::stop_on_signal()?;
    let before = tokio::select! {
        before = app.fetch_orders(named, Freshness::Now) => before?,
        () = cancel.cancelled() => return Ok(interrupted(None)),
    };
    let asked = (args, asked, metrics.as_ref());
    let done = apply_with(&app, named, &before, asked, cancel).await;
    if let Err(error) = &done
        && kept::is_of_run(error, &app)
    {
        let session = session(&app, &before, RunOptions::default()).await;
        Box::pin(kept::failure(metrics.as_ref(), &app, &session, error)).await;
    }
    done
}

async fn apply_with(
    app: &App,
    named: Option<&Path>,
    before: &OrdersAt,
    (args, asked, metrics): (&RunArgs, ApplyAsked, Option<&MetricsFile>),
    cancel: CancellationToken,
) -> anyhow::Result<Exit> {
    // Looked at before the wait, so that a mistake is told at once, and again after
    // it: another run may have taken a while.
    if !asked.selection.is_all() {
        app.survey(&app.state().memory()).await?;
    }
    let orders = app.orders(before)?;
    filter::check(&asked.selection, app, &orders)?;
    let file = asked.file.as_deref();
    let saved = file
        .map(|file| saved::read(file, app, before))
        .transpose()?;
    let options = match &saved {
        Some(saved) => saved.options.clone(),
        None => SavedOptions {
            purge_cache: args.purge_cache,
            ignore_windows: args.ignore_windows,
            selection: asked.selection.clone(),
        },
    };
    let reconciler = app.reconciler()?;
    let _lock = tokio::select! {
        lock = app.lock(args.lock_timeout) => lock?,
        () = cancel.cancelled() => return Ok(interrupted(None)),
    };
    let lead = match Lead::for_run(app, &cancel, out::note).await {
        Ok(lead) => lead,
        Err(LeadError::Stopped) => return Ok(interrupted(None)),
        Err(LeadError::Start(error)) => return Err(error.into()),
        Err(error) => return Err(error.into()),
    };
    let work = ApplyWork {
        args,
        asked,
        metrics,
        saved,
        options,
        reconciler,
        is_beside: lead.is_beside(),
    };
    let epochs = lead.sites().epochs();
    let led = epochs.as_ref().map(|led| led.keys().cloned().collect());
    let stop = cancel.child_token();
    let run = apply_led(app, named, work, led, &stop);
    // Why it was stopped, if it was, is in the log.
    let (done, why) = lead
        .sites()
        .while_led(epochs.as_ref(), &stop, Box::pin(run))
        .await;
    if let (Ok(Exit::Interrupted), None, false) = (&done, why, cancel.is_cancelled()) {
        // The time of the leadership was over, which nobody has told yet.
        let why = lead.sites().lost_line(epochs.as_ref());
        tracing::warn!("the run stopped: {why}");
    }
    lead.release().await;
    done
}

/// What a run is to do, and with what.
struct ApplyWork<'a> {
    args: &'a RunArgs,
    asked: ApplyAsked,
    metrics: Option<&'a MetricsFile>,
    saved: Option<SavedPlan<PlannedWork>>,
    options: SavedOptions,
    reconciler: LiveReconciler,
    /// A controller runs beside it, which renews what other sites are told.
    is_beside: bool,
}

/// The run itself, for the sites that are led.
async fn apply_led(
    app: &App,
    named: Option<&Path>,
    work: ApplyWork<'_>,
    led: Option<BTreeSet<SiteName>>,
    cancel: &CancellationToken,
) -> anyhow::Result<Exit> {
    let ApplyWork {
        args,
        asked,
        metrics,
        saved,
        options,
        reconciler,
        is_beside,
    } = work;
    let file = asked.file.as_deref();
    let run_options = RunOptions {
        selection: options.selection.clone(),
        ignore_windows: ignored(options.ignore_windows),
        // What would be planned anew was not reviewed.
        is_final: saved.is_some(),
        ..app.run_options(options.purge_cache, false)
    };
    // The directory of a commit may be gone after a long wait.
    let at = tokio::select! {
        at = app.fetch_orders(named, Freshness::Interval) => at?,
        () = cancel.cancelled() => return Ok(interrupted(None)),
    };
    notices::source(at.source());
    let session = session(app, &at, run_options).await;
    let session = session.for_sites(led).renewing(is_beside);
    let mut shown = Shown {
        ignoring: options.ignore_windows.then_some(&options.selection),
        app,
        output: args.output,
        view: view(args, &options.selection),
        // A saved plan was reviewed.
        question: (!asked.yes && saved.is_none()).then(|| cancel.clone()),
        declined: false,
        saved,
        changes: Vec::new(),
    };
    let never = CancellationToken::new();
    let running = session.run(&reconciler, cancel, &never, &mut shown);
    let run = match Box::pin(running).await {
        Ok(run) => run,
        Err(RunError::Stopped) => return Ok(interrupted(None)),
        Err(RunError::Show(_)) if cancel.is_cancelled() => return Ok(interrupted(None)),
        Err(RunError::Show(_)) if !shown.changes.is_empty() => {
            if let (Some(file), Some(saved)) = (file, &shown.saved) {
                saved::tell(file, saved, session.revision(), &shown.changes);
            }
            return Ok(Exit::Failed);
        }
        Err(RunError::Show(_)) if shown.declined => {
            out::note("Nothing was done.");
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(kept::error_of(error)),
    };
    let FinishedRun {
        orders,
        report,
        kept,
        is_recalled,
    } = run;
    let converged = report.verdict == Verdict::Converged;
    let steps = report.look.plan.steps.iter();
    let is_pending = |id: &StepId| {
        let outcome = report.outcomes.get(id);
        !matches!(outcome, Some(Outcome::Done { .. } | Outcome::Failed { .. }))
    };
    let pending = steps.filter(|step| is_pending(&step.id)).count();
    // Steps also end with the time of a leadership, before anybody tells of that; and where
    // an operator stopped what they bring.
    let is_ended = |outcome: &Outcome| matches!(outcome, Outcome::Cancelled);
    let is_ended = !is_recalled && report.outcomes.values().any(is_ended);
    let is_stopped = cancel.is_cancelled() || is_ended;
    let is_interrupted = is_stopped && pending > 0;
    if let (Some(metrics), Ok((status, memory))) = (metrics, &kept) {
        kept::metrics(metrics, app, status, Some((&report, memory)));
    }
    let is_partial = !options.selection.is_all() || cancel.is_cancelled() || is_recalled;
    if let Ok((status, _)) = &kept {
        let notices = Some(&*report.look.plan.notices);
        Box::pin(kept::tell(app, status, notices, is_partial)).await;
    }
    if let Err(error) = kept {
        kept::warn(&error, error.hint());
    }
    match args.output.data() {
        Some(form) => {
            let answer = ApplyAnswer {
                plan: &report.look.plan,
                outcomes: &report.outcomes,
                problems: orders.problems().collect(),
                // What waits for its window or its ring is no failure, and is not in sync
                // either.
                converged: converged
                    && report.look.plan.next_window().is_none()
                    && !report.look.plan.waits_for_ring(),
            };
            out::value(form, &answer)?;
        }
        None if is_interrupted => {}
        None => out::text(&format!("{}\n", summary::summary(&report)))?,
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
async fn session<'a>(app: &'a App, orders: &'a OrdersAt, options: RunOptions) -> Session<'a> {
    Session::begin(app, orders, Trigger::Manual, &[Scope::All], options).await
}
