//! The numbers of runs and their steps.

use std::collections::BTreeMap;

use super::catalog;
use super::exposition::Exposition;
use super::scene::MetricsScene;
use crate::conclude::counters::{DURATION_BOUNDS, RunDurations, STEP_ENDS};
use crate::conclude::{Reason, Status, Verdict, reason_of};
use crate::facts::StepKind;
use crate::model::Trigger;
use crate::plan::Blocked;

const VERDICTS: [Verdict; 4] = [
    Verdict::Converged,
    Verdict::Retry,
    Verdict::Stalled,
    Verdict::Failed,
];

pub(super) fn add(to: &mut Exposition, scene: &MetricsScene<'_>) {
    let status = scene.status;
    add_counters(to, status);
    add_last(to, status);
    if let Some(next) = status.next_run {
        to.set_time(&catalog::NEXT_RUN, [], next);
    }
    if let Some(opens) = status.next_window {
        to.set_time(&catalog::NEXT_WINDOW, [], opens);
    }
    if let Some(live) = &scene.live {
        let running = live.running.as_ref();
        to.set_true(&catalog::RUNNING, [], running.is_some());
        if let Some(running) = running {
            to.set_time(&catalog::RUNNING_SINCE, [], running.since);
        }
        for kind in kinds() {
            let active = running.and_then(|running| running.active.get(&kind));
            let active = active.copied().unwrap_or(0);
            to.set(&catalog::ACTIVE_STEPS, [kind.as_str()], active);
        }
        to.set(&catalog::WAITING, [], live.waiting as u64);
    }
    let is_suspended = status.suspended.is_everything();
    to.set_true(&catalog::SUSPENDED, [], is_suspended);
    for (reason, count) in blocked(scene) {
        to.set(&catalog::BLOCKED, [&reason.to_string()], count);
    }
}

/// What only rises. Every number is there from the beginning: the first event of a kind
/// would be none to `increase()` otherwise.
fn add_counters(to: &mut Exposition, status: &Status) {
    let counters = &status.counters;
    for verdict in VERDICTS.map(|verdict| verdict.to_string()) {
        for trigger in Trigger::ALL.map(|trigger| trigger.to_string()) {
            let count = counters.runs.get(&verdict);
            let count = count.and_then(|counts| counts.get(&trigger));
            let labels = [verdict.as_str(), trigger.as_str()];
            to.set(&catalog::RUNS, labels, count.copied().unwrap_or(0));
        }
    }
    add_durations(to, &counters.durations);
    for kind in kinds() {
        for end in STEP_ENDS.map(|end| end.to_string()) {
            let count = counters.steps.get(kind.as_str());
            let count = count.and_then(|counts| counts.get(&end));
            let labels = [kind.as_str(), end.as_str()];
            to.set(&catalog::STEPS, labels, count.copied().unwrap_or(0));
        }
    }
    let totals = &status.totals;
    to.set(&catalog::DRIFT_FOUND, [], totals.drift_found);
    to.set(&catalog::DRIFT_REPAIRED, [], totals.drift_repaired);
    to.set(&catalog::FETCHED, [], totals.fetched_bytes);
    to.set(&catalog::REMOVED, [], totals.removed);
    for (node, ways) in &counters.pushed {
        for (way, pushed) in ways {
            let labels = [node.as_str(), way.as_str()];
            to.set(&catalog::PUSHED, labels, pushed.bytes);
            to.set(&catalog::SENT, labels, pushed.sent_bytes);
        }
    }
}

fn add_durations(to: &mut Exposition, durations: &RunDurations) {
    let seconds = |millis: u64| millis as f64 / 1000.0;
    let count = |bound: u64| {
        let found = durations.up_to.iter().find(|(other, _)| *other == bound);
        found.map_or(0, |(_, count)| *count)
    };
    let counts = DURATION_BOUNDS.map(|bound| (seconds(bound), count(bound)));
    let (all, sum) = (durations.count, seconds(durations.sum_millis));
    to.set_classes(&catalog::RUN_DURATION, counts.to_vec(), all, sum);
}

fn add_last(to: &mut Exposition, status: &Status) {
    if let Some(looked_at) = status.looked_at {
        to.set_time(&catalog::LAST_LOOK, [], looked_at);
    }
    let Some(last) = &status.last_run else { return };
    to.set_time(&catalog::LAST_RUN_START, [], last.started);
    to.set_time(&catalog::LAST_RUN_END, [], last.finished);
    for verdict in VERDICTS {
        let is_last = verdict == last.verdict;
        to.set_true(&catalog::LAST_RUN_VERDICT, [&verdict.to_string()], is_last);
    }
}

/// How many steps are blocked for which reason.
fn blocked(scene: &MetricsScene<'_>) -> BTreeMap<Reason, u64> {
    let mut counts = BTreeMap::new();
    match &scene.last {
        // The status lists no more than can be read.
        Some(last) => {
            let blocked = last.report.look.plan.blocked.iter();
            for blocked in blocked.filter_map(Blocked::as_if_selected) {
                *counts.entry(reason_of(&blocked)).or_default() += 1;
            }
        }
        None => {
            for line in &scene.status.blocked {
                *counts.entry(line.reason).or_default() += 1;
            }
        }
    }
    counts
}

/// The kinds of steps that are done.
fn kinds() -> impl Iterator<Item = StepKind> {
    StepKind::ALL
        .into_iter()
        .filter(|kind| !kind.is_never_done())
}
