//! The last runs as bars: the colour is the verdict, the height is how long it took.

use askama::filters::Safe;
use jiff::{SignedDuration, Timestamp};

use crate::conclude::{RunRecord, StepEnd, Verdict};
use crate::model::Trigger;
use crate::web::pages::text::{Moment, bytes, counted, length, moment};

/// So many bars.
const BARS: usize = 60;

/// So many rows of the table below them.
const RUNS_LISTED: usize = 6;

/// The height of the highest bar.
const HIGHEST: u64 = 40;

/// The height of the lowest one.
const LEAST: u64 = 6;

/// A bar.
pub(super) struct Bar {
    pub x: usize,
    pub y: u64,
    pub height: u64,
    pub verdict: Verdict,
    pub title: String,
}

/// A run in a table.
pub(crate) struct RunLine<'a> {
    pub started: Safe<Moment>,
    pub took: String,
    pub trigger: Trigger,
    pub verdict: Verdict,
    pub revision: Option<&'a str>,
    pub summary: String,
}

/// The last runs.
pub(super) struct Timeline<'a> {
    pub bars: Vec<Bar>,
    pub width: usize,
    pub label: String,
    pub runs: Vec<RunLine<'a>>,
}

impl<'a> Timeline<'a> {
    /// `history` has the oldest first.
    pub(super) fn new(history: &'a [RunRecord], now: Timestamp) -> Self {
        let shown = &history[history.len().saturating_sub(BARS)..];
        let longest = shown.iter().map(seconds).max().unwrap_or(0).max(1);
        let first = BARS - shown.len();
        let bars = shown.iter().enumerate().map(|(number, run)| {
            // By the square root: a run that fetches takes a thousand times as long as
            // one that finds everything in sync, and both are to be seen.
            let height = LEAST + (HIGHEST - LEAST) * seconds(run).isqrt() / longest.isqrt();
            Bar {
                x: (first + number) * 10,
                y: HIGHEST - height,
                height,
                verdict: run.verdict,
                title: format!(
                    "{} ({}), {}, {}",
                    run.started.strftime("%F %T UTC"),
                    run.trigger,
                    run.verdict,
                    length(took(run))
                ),
            }
        });
        let count = |verdict| shown.iter().filter(|run| run.verdict == verdict).count();
        let counts = [
            Verdict::Converged,
            Verdict::Retry,
            Verdict::Stalled,
            Verdict::Failed,
        ];
        let counts = counts.into_iter().filter_map(|verdict| {
            let count = count(verdict);
            (count > 0).then(|| format!("{count} {verdict}"))
        });
        let counts: Vec<String> = counts.collect();
        Self {
            bars: bars.collect(),
            width: BARS * 10,
            label: format!("{}: {}", counted(shown.len(), "run"), counts.join(", ")),
            runs: history
                .iter()
                .rev()
                .take(RUNS_LISTED)
                .map(|run| run_line(run, now))
                .collect(),
        }
    }
}

fn took(run: &RunRecord) -> SignedDuration {
    run.finished.duration_since(run.started)
}

fn seconds(run: &RunRecord) -> u64 {
    u64::try_from(took(run).as_secs()).unwrap_or(0)
}

pub(crate) fn run_line(run: &RunRecord, now: Timestamp) -> RunLine<'_> {
    RunLine {
        started: moment(run.started, now),
        took: length(took(run)),
        trigger: run.trigger,
        verdict: run.verdict,
        revision: run.revision.as_deref(),
        summary: summary(run),
    }
}

/// What a run did, on one line.
fn summary(run: &RunRecord) -> String {
    if let Some(error) = &run.error {
        return error.clone();
    }
    let failed = run.steps.iter().filter(|step| step.end == StepEnd::Failed);
    let steps = run.steps.len() + run.more_steps;
    let mut parts = vec![match steps {
        0 => "nothing to do".to_owned(),
        steps => counted(steps, "step"),
    }];
    let failed = failed.count();
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    if run.blocked > 0 {
        parts.push(format!("{} blocked", run.blocked));
    }
    let totals = &run.totals;
    for (count, what) in [
        (totals.fetched_bytes, "fetched"),
        (totals.pushed_bytes, "pushed"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", bytes(count)));
        }
    }
    if totals.removed > 0 {
        parts.push(format!("{} removed", totals.removed));
    }
    if totals.drift_found > 0 {
        parts.push(format!(
            "{} of {} drifted repaired",
            totals.drift_repaired, totals.drift_found
        ));
    }
    parts.join(", ")
}
