//! `plan` and `apply`, and the command line without a verb: one pass, shown.

use std::io::Write;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::args::{Common, Output, PassArgs};
use super::exit::Exit;
use super::{paint, progress, signal};
use crate::app::{App, Mode};
use crate::execute::{Fact, Outcome};
use crate::manifest;
use crate::model::{OrderSet, Problem};
use crate::plan::render::{self, Bytes};
use crate::plan::{Plan, StepId};
use crate::reconcile::{Look, Report, Verdict};

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
    let app = App::start(common.config.as_deref(), Mode::ReadOnly)?;
    let orders = app.orders(common.orders.as_deref())?;
    report_problems(&orders);
    let pass = app.pass(args.purge_cache)?;
    let look = pass.look(&orders, app.now()).await?;
    let changes = manifest_changes(&pass.manifests(&orders, &look, None))?;
    let mut out = anstream::stdout().lock();
    match args.output {
        Output::Json => {
            let answer = PlanAnswer {
                plan: &look.plan,
                manifests: changes,
                problems: orders.problems().collect(),
            };
            serde_json::to_writer_pretty(&mut out, &answer)?;
            writeln!(out)?;
        }
        Output::Text => {
            out.write_all(paint::plan(&render::render(&look.plan)).as_bytes())?;
            for change in changes {
                write!(out, "\n{}", paint::diff(&change.diff))?;
            }
        }
    }
    let held = &look.plan.held;
    let troubled = !orders.is_complete() || held.iter().any(|held| held.reason.is_trouble());
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
        let diff = manifest::diff(path, manifest::read(path).as_ref(), new)?;
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
    let orders = app.orders(common.orders.as_deref())?;
    report_problems(&orders);
    let cancel = signal::stop_on_signal()?;
    let mut pass = app.pass(args.purge_cache)?;
    let _lock = tokio::select! {
        lock = app.lock(args.lock_timeout) => lock?,
        () = cancel.cancelled() => return Ok(Exit::Failed),
    };
    let look = tokio::select! {
        look = pass.look(&orders, app.now()) => look?,
        () = cancel.cancelled() => return Ok(Exit::Failed),
    };
    if args.output == Output::Text {
        anstream::print!("{}", paint::plan(&render::render(&look.plan)));
    }
    let report = run(&mut pass, &orders, look, &cancel).await?;
    let converged = report.verdict == Verdict::Converged;
    match args.output {
        Output::Json => {
            let answer = ApplyAnswer {
                plan: &report.look.plan,
                outcomes: &report.outcomes,
                problems: orders.problems().collect(),
                converged,
            };
            let mut out = anstream::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &answer)?;
            writeln!(out)?;
        }
        Output::Text => anstream::println!("{}", summary(&report)),
    }
    for (order, failed) in &report.manifests {
        if let Err(error) = failed {
            let chain = crate::error::chain(error);
            anstream::eprintln!("{} manifest of {order}: {chain}", paint::error("failed:"));
        }
    }
    Ok(if converged { Exit::Done } else { Exit::Failed })
}

async fn run(
    pass: &mut crate::app::LivePass,
    orders: &OrderSet,
    look: Look,
    cancel: &CancellationToken,
) -> anyhow::Result<Report> {
    let (events, shown) = mpsc::unbounded_channel();
    let display = tokio::spawn(progress::show(shown));
    let report = pass.run(orders, look, &events, cancel).await;
    drop(events);
    display.await?;
    Ok(report?)
}

/// Prints every problem of the orders to stderr.
pub(super) fn report_problems(orders: &OrderSet) {
    for problem in orders.problems() {
        anstream::eprintln!("{} {problem}", paint::error("error:"));
    }
    for order in &orders.orders {
        for skipped in &order.skipped {
            anstream::eprintln!(
                "{} {}/{}: product {:?} is skipped; this tool handles talos",
                paint::warning("note:"),
                order.id,
                skipped.name,
                skipped.product
            );
        }
    }
}

/// What a pass did, in one line.
fn summary(report: &Report) -> String {
    let mut done = Counts::default();
    for outcome in report.outcomes.values() {
        done.add(outcome);
    }
    let written = report.manifests.values().filter(|r| matches!(r, Ok(true)));
    let mut parts = vec![
        format!("{} fetched ({})", done.fetched, Bytes(done.fetched_bytes)),
        format!("{} pushed ({})", done.pushed, Bytes(done.pushed_bytes)),
        format!("{} removed", done.removed),
        format!("{} in sync", report.look.plan.in_sync.len()),
        format!("{} manifests written", written.count()),
    ];
    if done.adopted > 0 {
        parts.push(format!("{} adopted", done.adopted));
    }
    if done.failed > 0 {
        parts.push(format!("{} failed", done.failed));
    }
    if done.skipped > 0 {
        parts.push(format!("{} not done", done.skipped));
    }
    if !report.look.plan.held.is_empty() {
        parts.push(format!("{} held back", report.look.plan.held.len()));
    }
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
    pushed: usize,
    pushed_bytes: u64,
    adopted: usize,
    removed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Done { fact } => match fact {
                Fact::Registered { .. } | Fact::Verified { .. } => {}
                Fact::Fetched { wire_bytes, .. } => {
                    self.fetched += 1;
                    self.fetched_bytes += wire_bytes;
                }
                Fact::Unpacked { .. } => self.fetched += 1,
                Fact::Pushed {
                    entry,
                    copied: true,
                } => {
                    self.pushed += 1;
                    self.pushed_bytes += entry.size;
                }
                Fact::Pushed { copied: false, .. } => self.adopted += 1,
                Fact::Removed { .. } => self.removed += 1,
            },
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::Skipped { .. } | Outcome::Outdated { .. } | Outcome::Cancelled => {
                self.skipped += 1;
            }
        }
    }
}
