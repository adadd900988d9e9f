//! What is going on right now.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::frame::Visit;
use super::text::{bytes, counted, length, moment, rate};
use crate::facts::StepId;
use crate::live::{ActiveStep, RunningView};

/// So many steps are shown at once; a run executes fewer, unless somebody allowed more.
const STEPS_SHOWN: usize = 24;

/// The run that is going on, for a template.
pub(super) struct NowView {
    pub headline: String,
    pub since: askama::filters::Safe<super::text::Moment>,
    pub ended: u64,
    /// 0 while there is no plan.
    pub steps: u64,
    pub active: Vec<StepNow>,
    pub more: usize,
}

/// A step that is being executed.
pub(super) struct StepNow {
    pub text: String,
    /// The first is how much is done, in bytes.
    pub progress: Option<(u64, u64)>,
    pub detail: String,
}

impl NowView {
    pub(super) fn of(visit: &Visit<'_>) -> Option<Self> {
        let running = visit.view.running.as_ref()?;
        let steps = running.plan.as_ref().map_or(0, |plan| plan.steps.len());
        let shown = running.active.iter().take(STEPS_SHOWN);
        Some(Self {
            headline: headline(running, steps),
            since: moment(running.since, visit.now),
            ended: running.ended as u64,
            steps: steps as u64,
            active: shown.map(|step| step_now(step, visit.now)).collect(),
            more: running.active.len().saturating_sub(STEPS_SHOWN),
        })
    }
}

/// One sentence that changes only when a step ends: it is read aloud.
fn headline(running: &RunningView, steps: usize) -> String {
    let trigger = running.trigger;
    if running.plan.is_none() {
        return format!("Run ({trigger}): observing");
    }
    let failed = match running.failed {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let steps = counted(steps, "step");
    format!(
        "Run ({trigger}): {} of {steps} ended{failed}",
        running.ended
    )
}

fn step_now(step: &ActiveStep, now: Timestamp) -> StepNow {
    let text = step.step.text();
    let meter = step.meter.as_ref().map(|meter| meter.read());
    let since = now.duration_since(step.since);
    let mut detail = Vec::new();
    let mut progress = None;
    if let Some((done, total)) = meter {
        match total {
            Some(total) => {
                let done = done.min(total);
                let share = done.saturating_mul(100) / total;
                detail.push(format!("{share} %"));
                detail.push(format!("{} of {}", bytes(done), bytes(total)));
                progress = Some((done, total));
            }
            None if done > 0 => detail.push(bytes(done)),
            None => {}
        }
        if let Some(rate) = rate(done, since).filter(|rate| *rate > 0) {
            detail.push(format!("{}/s", bytes(rate)));
            if let Some(left) = total.and_then(|total| total.checked_sub(done)) {
                let seconds = i64::try_from(left / rate).unwrap_or(i64::MAX);
                let left = jiff::SignedDuration::from_secs(seconds);
                detail.push(format!("{} left", length(left)));
            }
        }
    }
    if let Some(what) = step.meter.as_ref().and_then(|meter| meter.waits_for()) {
        detail.push(what.to_owned());
    }
    if detail.is_empty() {
        detail.push(format!("for {}", length(since)));
    }
    StepNow {
        text: format!("{} {}", text.verb, text.object).trim().to_owned(),
        progress,
        detail: detail.join(" · "),
    }
}

/// The steps that are being executed.
pub(super) fn active(running: &RunningView) -> BTreeSet<StepId> {
    let active = running.active.iter();
    active.map(|step| step.step.clone()).collect()
}
