//! The last plan, as `talos-order plan` renders it, with what became of each step, and
//! what the next run will do as far as that is known now.

use askama::Template;
use askama::filters::Safe;
use serde::Deserialize;

use super::frame::{MenuItem, PageFrame, Visit};
use super::now::{NowView, active};
use super::text::{Moment, moment};
use crate::conclude::{StepEnd, StepRecord};
use crate::facts::StepId;
use crate::plan::Plan;
use crate::plan::render::{PlanView, headline, render};

/// So many steps are on one page.
const STEPS: usize = 200;

/// The text of a plan is shown up to this length, in bytes; the program itself shows all.
const TEXT_MAX: usize = 256 << 10;

/// Signs stand at most so far from the edge of a plan's text.
const SIGN_INDENT: usize = 4;

/// What a visitor asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct PlanQuery {
    /// The page of steps, counted from 1.
    pub page: String,
}

/// The page of the plan.
///
/// # Errors
/// When the page cannot be made.
pub(crate) fn plan(visit: &Visit<'_>, query: &PlanQuery) -> askama::Result<String> {
    let view = visit.view;
    let running = view.running.as_ref();
    let of_run = running.and_then(|running| running.plan.as_deref());
    let last = view.last.as_deref();
    let shown = of_run.or_else(|| last.map(|last| &last.report.look.plan));
    let total = shown.map_or(0, |plan| plan.steps.len());
    let pages = total.div_ceil(STEPS).max(1);
    let page = query.page.trim().parse().unwrap_or(1).clamp(1, pages);
    let steps = shown.map(|plan| match of_run {
        Some(_) => steps_of_run(visit, plan, page),
        None => steps_of_last(visit, plan, page),
    });
    let next_run = view.status.next_run;
    let shown_text = shown.map(text);
    let next = next(visit);
    PlanPage {
        frame: PageFrame::new(visit, MenuItem::Plan, "Plan"),
        now: NowView::of(visit),
        is_of_run: of_run.is_some(),
        made: match of_run {
            Some(_) => None,
            None => last.map(|last| moment(last.at, visit.now)),
        },
        headline: shown.map(headline),
        is_truncated: shown_text.as_ref().is_some_and(|(_, truncated)| *truncated),
        lines: shown_text.map(|(lines, _)| lines),
        steps: steps.unwrap_or_default(),
        total,
        before: (page > 1).then(|| format!("/plan?page={}#steps", page - 1)),
        after: (page < pages).then(|| format!("/plan?page={}#steps", page + 1)),
        first: (page - 1) * STEPS + 1,
        next_run: next_run.map(|at| moment(at, visit.now)),
        more: next.len().saturating_sub(STEPS),
        next: next.into_iter().take(STEPS).collect(),
    }
    .render()
}

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanPage<'a> {
    frame: PageFrame<'a>,
    now: Option<NowView>,
    is_of_run: bool,
    made: Option<Safe<Moment>>,
    headline: Option<String>,
    lines: Option<Vec<PlanLine>>,
    is_truncated: bool,
    steps: Vec<StepView>,
    total: usize,
    first: usize,
    before: Option<String>,
    after: Option<String>,
    next_run: Option<Safe<Moment>>,
    next: Vec<NextLine>,
    more: usize,
}

/// A line of the text.
struct PlanLine {
    class: &'static str,
    text: String,
}

/// A step with what became of it.
struct StepView {
    text: String,
    why: String,
    class: &'static str,
    end: String,
    message: String,
}

/// Something that the next run will try, or leave alone.
struct NextLine {
    text: String,
    when: Option<Safe<Moment>>,
    /// The time for it has come.
    is_due: bool,
    reason: String,
    message: String,
}

/// The plan as text, by line; true if some are left out.
fn text(plan: &Plan) -> (Vec<PlanLine>, bool) {
    let text = render(plan, &PlanView::default());
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut lines: Vec<PlanLine> = Vec::new();
    for line in text[..end].lines() {
        let indent = line.len() - line.trim_start().len();
        let sign = line.trim_start().chars().next();
        let class = match sign {
            Some('+') => "add",
            Some('~') => "replace",
            Some('-') => "prune",
            Some('?') => "verify",
            Some('!') => "stop",
            // A line that goes on is one with the line before it.
            Some(_) if indent > SIGN_INDENT => lines.last().map_or("", |last| last.class),
            _ => "",
        };
        let text = line.to_owned();
        lines.push(PlanLine { class, text });
    }
    (lines, end < text.len())
}

fn step_text(id: &StepId) -> String {
    let text = id.text();
    format!("{} {}", text.verb, text.object).trim().to_owned()
}

fn steps_of_last(visit: &Visit<'_>, plan: &Plan, page: usize) -> Vec<StepView> {
    let last = visit.view.last.as_deref();
    let steps = plan.steps.iter().skip((page - 1) * STEPS).take(STEPS);
    let views = steps.map(|step| {
        let outcome = last.and_then(|last| last.report.outcomes.get(&step.id));
        let record = outcome.map(|one| StepRecord::new(None, &step.id, Some(&step.why), one));
        let (class, end) = match record.as_ref().map(|record| record.end) {
            None => ("", "not executed".to_owned()),
            Some(end) => (end_class(end), end.to_string()),
        };
        StepView {
            text: step_text(&step.id),
            why: step.why.to_string(),
            class,
            end,
            message: record.and_then(|record| record.message).unwrap_or_default(),
        }
    });
    views.collect()
}

const fn end_class(end: StepEnd) -> &'static str {
    match end {
        StepEnd::Done => "in-sync",
        StepEnd::Failed => "failed",
        StepEnd::Skipped | StepEnd::Outdated | StepEnd::Cancelled => "suspended",
    }
}

fn steps_of_run(visit: &Visit<'_>, plan: &Plan, page: usize) -> Vec<StepView> {
    let active = visit.view.running.as_ref().map(active).unwrap_or_default();
    let steps = plan.steps.iter().skip((page - 1) * STEPS).take(STEPS);
    let views = steps.map(|step| {
        let running = visit.view.running.as_ref();
        let ended = running.and_then(|running| running.ends.get(&step.id));
        let (class, end) = match ended {
            Some(end) => (end_class(*end), end.to_string()),
            None if active.contains(&step.id) => ("in-progress", "in progress".to_owned()),
            None => ("", String::new()),
        };
        StepView {
            text: step_text(&step.id),
            why: step.why.to_string(),
            class,
            end,
            message: String::new(),
        }
    });
    views.collect()
}

/// What is blocked now, with when it is tried: the next run does that, and whatever has
/// changed until then.
fn next(visit: &Visit<'_>) -> Vec<NextLine> {
    let blocked = visit.view.status.blocked.iter();
    // Removals have a page of their own.
    let wanted = blocked.filter(|line| !line.orders.is_empty());
    let lines = wanted.map(|line| NextLine {
        text: step_text(&line.step),
        when: line
            .next_try
            .filter(|at| *at > visit.now)
            .map(|at| moment(at, visit.now)),
        is_due: line.next_try.is_some(),
        reason: line.reason.to_string(),
        message: line.message.clone(),
    });
    lines.collect()
}
