//! `plan` and `apply`, and the command line without a verb: one pass, shown.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::args::{Common, Output, PassArgs};
use super::exit::Exit;
use super::{notices, out, paint, progress, signal};
use crate::app::{App, LiveReconciler, Mode, StartError};
use crate::conclude::Cause;
use crate::conclude::Scope;
use crate::conclude::manifest;
use crate::conclude::{Report, Verdict};
use crate::controller::Session;
use crate::facts::{Fact, Outcome, StepId};
use crate::model::Problem;
use crate::plan::Look;
use crate::plan::render::{self, Bytes};
use crate::plan::{Held, Plan};
use crate::reconcile::{Inputs, Signals};
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

/// Shows what a pass would do. Changes nothing anywhere.
pub(super) async fn plan(common: &Common, args: &PassArgs, detailed: bool) -> anyhow::Result<Exit> {
    show_plan(common, args, detailed, true).await
}

/// The same, with or without what the manifests would change.
pub(super) async fn show_plan(
    common: &Common,
    args: &PassArgs,
    detailed: bool,
    with_manifests: bool,
) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadOnly)?;
    let path = orders_path(common)?;
    let orders = app.orders(Some(path))?;
    notices::problems(&orders);
    let reconciler = app.reconciler()?;
    let session = Session::begin(&app, path, Cause::Request, &[Scope::All]);
    let options = app.run_options(args.purge_cache, false);
    let inputs = session.inputs(Arc::clone(&orders), options);
    let look = reconciler.look(&inputs, app.now()).await?;
    notices::versions(&look.observed.catalog.versions, look.observed.now);
    let changes = manifest_changes(&reconciler.manifests(&inputs, &look, None))?;
    match args.output {
        Output::Json => {
            let answer = PlanAnswer {
                plan: &look.plan,
                manifests: changes,
                problems: orders.problems().collect(),
            };
            out::json(&answer)?;
        }
        Output::Text => {
            let mut text = paint::plan(&render::render(&look.plan));
            for change in changes.into_iter().filter(|_| with_manifests) {
                text.push('\n');
                text.push_str(&paint::diff(&change.diff));
            }
            out::text(&text)?;
        }
    }
    let held = &look.plan.held;
    let troubled = !orders.is_complete() || held.iter().any(Held::is_trouble);
    Ok(if troubled {
        Exit::Failed
    } else if detailed && !look.plan.steps.is_empty() {
        Exit::Changes
    } else {
        Exit::Done
    })
}

/// The orders that were named.
fn orders_path(common: &Common) -> Result<&Path, StartError> {
    common.orders.as_deref().ok_or(StartError::NoOrders)
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

/// Does one pass: shows the plan, does it, sums up.
pub(super) async fn apply(common: &Common, args: &PassArgs) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadWrite)?;
    let path = orders_path(common)?;
    // Looked at before the wait, so that a mistake is told at once, and again after
    // it: another run may have taken a while.
    app.orders(Some(path))?;
    let cancel = signal::stop_on_signal()?;
    let reconciler = app.reconciler()?;
    let _lock = tokio::select! {
        lock = app.lock(args.lock_timeout) => lock?,
        () = cancel.cancelled() => return Ok(Exit::Failed),
    };
    let orders = app.orders(Some(path))?;
    notices::problems(&orders);
    // Whoever asks by hand has mended something: failures hold nothing back.
    let session = Session::begin(&app, path, Cause::Request, &[Scope::All]);
    let options = app.run_options(args.purge_cache, false);
    let inputs = session.inputs(Arc::clone(&orders), options);
    let look = tokio::select! {
        look = reconciler.look(&inputs, app.now()) => look?,
        () = cancel.cancelled() => return Ok(Exit::Failed),
    };
    notices::versions(&look.observed.catalog.versions, look.observed.now);
    if args.output == Output::Text {
        out::text(&paint::plan(&render::render(&look.plan)))?;
    }
    let report = run(&reconciler, &inputs, look, cancel).await?;
    let converged = report.verdict == Verdict::Converged;
    if let Err(error) = session.end(app.now(), &orders, &report).await {
        let chain = crate::error::chain(&error);
        let hint = error.hint().map(|hint| format!("\n  hint: {hint}"));
        let hint = hint.unwrap_or_default();
        out::note(&format!("{} {chain}{hint}", paint::warning("warning:")));
    }
    match args.output {
        Output::Json => {
            let answer = ApplyAnswer {
                plan: &report.look.plan,
                outcomes: &report.outcomes,
                problems: orders.problems().collect(),
                converged,
            };
            out::json(&answer)?;
        }
        Output::Text => out::text(&format!("{}\n", summary(&report)))?,
    }
    for (order, failed) in &report.manifests {
        if let Err(error) = failed {
            let failed = paint::error("failed:");
            out::note(&format!("{failed} manifest of {order}: {error}"));
        }
    }
    Ok(if converged { Exit::Done } else { Exit::Failed })
}

async fn run(
    reconciler: &LiveReconciler,
    inputs: &Inputs,
    look: Look,
    cancel: CancellationToken,
) -> anyhow::Result<Report> {
    let (events, shown) = mpsc::unbounded_channel();
    let labels = progress::labels(&look.plan);
    let display = tokio::spawn(progress::show(shown, labels));
    let signals = Signals {
        events,
        cancel,
        handover: CancellationToken::new(),
    };
    let report = reconciler.run(inputs, look, &signals).await;
    drop(signals);
    display.await?;
    Ok(report?)
}

/// What a pass did, in one line.
fn summary(report: &Report) -> String {
    let mut done = Counts::default();
    for outcome in report.outcomes.values() {
        done.add(outcome);
    }
    let written = report.manifests.values().filter(|r| matches!(r, Ok(true)));
    let written = written.count();
    let mut parts = Vec::new();
    for (count, what) in [
        (
            done.fetched,
            format!("fetched ({})", Bytes(done.fetched_bytes)),
        ),
        (done.unpacked, "unpacked".to_owned()),
        (done.pushed, format!("pushed ({})", done.pushed_sizes())),
        (done.adopted, "adopted".to_owned()),
        (done.removed, "removed".to_owned()),
        (done.failed, "failed".to_owned()),
        (done.skipped, "not done".to_owned()),
        (report.look.plan.held.len(), "held back".to_owned()),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if written > 0 {
        parts.push(format!("{} written", out::counted(written, "manifest")));
    }
    parts.push(format!("{} in sync", report.look.plan.in_sync.len()));
    let word = match report.verdict {
        Verdict::Converged => paint::heading("Done:"),
        Verdict::Retry => paint::warning("Not done, trying again may help:"),
        Verdict::Stalled => paint::error("Not done:"),
    };
    format!("{word} {}", parts.join(", "))
}

#[derive(Default)]
struct Counts {
    fetched: usize,
    fetched_bytes: u64,
    unpacked: usize,
    pushed: usize,
    pushed_bytes: u64,
    /// Bytes that went over links for that, as far as it is known.
    sent_bytes: u64,
    adopted: usize,
    removed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    fn pushed_sizes(&self) -> String {
        match self.sent_bytes {
            0 => Bytes(self.pushed_bytes).to_string(),
            sent => format!("{}, {} sent", Bytes(self.pushed_bytes), Bytes(sent)),
        }
    }

    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Done { fact } => match fact {
                Fact::Registered { .. } | Fact::Verified { .. } => {}
                Fact::Fetched { wire_bytes, .. } => {
                    self.fetched += 1;
                    self.fetched_bytes += wire_bytes;
                }
                Fact::Unpacked { .. } => self.unpacked += 1,
                Fact::Pushed {
                    entry,
                    copied: true,
                    wire_bytes,
                    ..
                } => {
                    self.pushed += 1;
                    self.pushed_bytes += entry.size;
                    self.sent_bytes += wire_bytes.unwrap_or(0);
                }
                Fact::Pushed { copied: false, .. } => self.adopted += 1,
                Fact::Removed { .. } => self.removed += 1,
            },
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::Skipped { .. }
            | Outcome::Outdated { .. }
            | Outcome::UnderWay
            | Outcome::Cancelled => {
                self.skipped += 1;
            }
        }
    }
}
