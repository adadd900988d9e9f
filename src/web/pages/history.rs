//! The runs of the history, the last one first.

use askama::Template;
use serde::Deserialize;

use super::frame::{MenuItem, PageFrame, Visit};
use super::overview::{RunLine, run_line};
use crate::conclude::RunRecord;

/// So many runs are on one page.
const RUNS: usize = 50;

/// What a visitor asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct HistoryQuery {
    /// The page, counted from 1.
    pub page: String,
}

/// The page of the history; `history` has the oldest run first.
///
/// # Errors
/// When the page cannot be made.
pub(crate) fn history(
    visit: &Visit<'_>,
    query: &HistoryQuery,
    history: &[RunRecord],
) -> askama::Result<String> {
    let pages = history.len().div_ceil(RUNS).max(1);
    let page = query.page.trim().parse().unwrap_or(1).clamp(1, pages);
    let runs = history.iter().rev().skip((page - 1) * RUNS).take(RUNS);
    HistoryPage {
        frame: PageFrame::new(visit, MenuItem::History, "History"),
        runs: runs
            .map(|run| HistoryRun {
                line: run_line(run, visit.now),
                steps: run.steps.iter().map(ToString::to_string).collect(),
                more: run.more_steps,
            })
            .collect(),
        total: history.len(),
        before: (page > 1).then(|| format!("/history?page={}", page - 1)),
        after: (page < pages).then(|| format!("/history?page={}", page + 1)),
    }
    .render()
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage<'a> {
    frame: PageFrame<'a>,
    runs: Vec<HistoryRun<'a>>,
    total: usize,
    before: Option<String>,
    after: Option<String>,
}

struct HistoryRun<'a> {
    line: RunLine<'a>,
    steps: Vec<String>,
    more: usize,
}
