//! The overview: every order by every node, the run that is going on, the last runs.

mod fleet;
mod grid;
mod query;
mod timeline;

use std::collections::BTreeSet;

use askama::Template;
use askama::filters::Safe;

use self::fleet::FleetSection;
use self::grid::Grid;
pub(crate) use self::query::OverviewQuery;
use self::timeline::Timeline;
pub(super) use self::timeline::{RunLine, run_line};
use super::frame::{MenuItem, PageFrame, Visit};
use super::now::{NowView, active};
use super::source::SourceView;
use super::text::{Moment, bytes, counted, lasting, moment, part};
use crate::conclude::matrix::{RunNow, SyncMatrix, SyncState};
use crate::conclude::{Condition, ConditionState, Reason, RunRecord, Status, Verdict};
use crate::facts::StepId;
use crate::model::SiteName;

/// So many things that need attention are listed.
const ATTENTION: usize = 8;

/// The overview.
///
/// # Errors
/// When the page cannot be made.
pub(crate) fn overview(
    visit: &Visit<'_>,
    query: &OverviewQuery,
    history: &[RunRecord],
) -> askama::Result<String> {
    let view = visit.view;
    let running = view.running.as_ref();
    let active = running.map(active).unwrap_or_default();
    let ended: BTreeSet<StepId> = running
        .map(|running| running.ends.keys().cloned().collect())
        .unwrap_or_default();
    let run = running.and_then(|running| {
        Some(RunNow {
            plan: running.plan.as_deref()?,
            active: &active,
            ended: &ended,
        })
    });
    let matrix = SyncMatrix::of(&view.status, run);
    let grid = Grid::new(&matrix, query, visit);
    let page = Overview {
        frame: PageFrame::new(visit, MenuItem::Overview, "Overview"),
        now: NowView::of(visit),
        facts: facts(visit, &matrix),
        source: SourceView::of(visit),
        reload: view.status.refused_reload(),
        led: led(&view.status),
        fleet: view.fleet.as_deref().map(FleetSection::of),
        revision: view.status.revision.as_deref(),
        counts: counts(&matrix, query),
        attention: attention(visit, &matrix),
        legend: SyncState::ALL,
        sites: sites(visit),
        pages: pages(query, &grid),
        grid,
        query,
        timeline: Timeline::new(history, visit.now),
        totals: totals(&view.status),
        notes: &view.status.notes,
    };
    page.render()
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    frame: PageFrame<'a>,
    now: Option<NowView>,
    facts: Facts<'a>,
    source: Option<SourceView<'a>>,
    reload: Option<String>,
    led: Vec<String>,
    fleet: Option<FleetSection<'a>>,
    revision: Option<&'a str>,
    counts: Vec<StateCount>,
    attention: Attention<'a>,
    grid: Grid<'a>,
    query: &'a OverviewQuery,
    legend: [SyncState; 8],
    sites: Vec<&'a str>,
    pages: Pages,
    timeline: Timeline<'a>,
    totals: Vec<(&'static str, String)>,
    notes: &'a [String],
}

/// What is at the head of the page.
struct Facts<'a> {
    verdict: Option<Verdict>,
    error: Option<&'a str>,
    last_run: Option<Safe<Moment>>,
    next_run: Option<Safe<Moment>>,
    orders: String,
    nodes: String,
    nodes_down: usize,
    images: String,
    everything_suspended: bool,
}

/// How many orders are in a state.
struct StateCount {
    state: SyncState,
    count: usize,
    href: String,
    is_chosen: bool,
}

/// The orders that need attention, the worst first.
struct Attention<'a> {
    lines: Vec<AttentionLine<'a>>,
    more: usize,
}

struct AttentionLine<'a> {
    state: SyncState,
    name: &'a str,
    href: String,
    message: &'a str,
    since: Option<Safe<Moment>>,
}

/// Links to other pages of the matrix.
struct Pages {
    before: Option<String>,
    after: Option<String>,
    nodes_before: Option<String>,
    nodes_after: Option<String>,
}

/// Who leads the sites, in a fleet.
fn led(status: &Status) -> Vec<String> {
    let sites = status.sites.iter();
    sites
        .map(|(site, line)| format!("{site}: {line}"))
        .collect()
}

fn facts<'a>(visit: &Visit<'a>, matrix: &SyncMatrix<'_>) -> Facts<'a> {
    let status = &visit.view.status;
    let last = status.last_run.as_ref();
    let down = status.nodes.values().filter(|node| !node.is_reachable);
    let next_run = status.next_run;
    Facts {
        verdict: last.map(|run| run.verdict),
        error: last.and_then(|run| run.error.as_deref()),
        last_run: last.map(|run| moment(run.finished, visit.now)),
        next_run: next_run.map(|at| moment(at, visit.now)),
        orders: counted(matrix.rows.len(), "order"),
        nodes: counted(status.nodes.len(), "node"),
        nodes_down: down.count(),
        images: counted(status.images.len(), "image"),
        everything_suspended: status.suspended.is_everything(),
    }
}

fn counts(matrix: &SyncMatrix<'_>, query: &OverviewQuery) -> Vec<StateCount> {
    let counts = matrix.counts();
    let states = SyncState::ALL.into_iter();
    let shown = states.map(|state| {
        let filter = OverviewQuery {
            state: state.as_str().to_owned(),
            ..OverviewQuery::default()
        };
        StateCount {
            state,
            count: counts.get(&state).copied().unwrap_or(0),
            href: filter.link(1, 1),
            is_chosen: query.state() == Some(state),
        }
    });
    shown.collect()
}

fn attention<'a>(visit: &Visit<'a>, matrix: &SyncMatrix<'a>) -> Attention<'a> {
    let is_urgent = |state| {
        matches!(
            state,
            SyncState::Failed | SyncState::Blocked | SyncState::Unknown | SyncState::Drifted
        )
    };
    let rows = matrix.rows.iter().filter(|row| is_urgent(row.whole.state));
    let orders = rows.map(|row| AttentionLine {
        state: row.whole.state,
        name: row.order,
        href: format!("/orders/{}", part(row.order)),
        message: row.whole.message,
        since: row.whole.since.map(|since| lasting(since, visit.now)),
    });
    // What belongs to no order: removals that wait.
    let conditions = visit.view.status.conditions.iter();
    // What is wrong with the source stands above.
    let is_of_source = |one: &Condition| one.reason.is_some_and(Reason::is_of_source);
    let others = conditions.filter(|one| {
        one.order.is_none() && one.state != ConditionState::Ready && !is_of_source(one)
    });
    let others = others.map(|one| {
        let node = one.node.as_ref();
        let name = node.map_or("cache", |node| node.as_str());
        AttentionLine {
            state: SyncState::of(one),
            name,
            href: "/removals".to_owned(),
            message: &one.message,
            since: Some(lasting(one.since, visit.now)),
        }
    });
    let mut lines: Vec<AttentionLine<'_>> = orders.chain(others).collect();
    lines.sort_by_key(|line| line.state);
    let more = lines.len().saturating_sub(ATTENTION);
    lines.truncate(ATTENTION);
    Attention { lines, more }
}

fn sites<'a>(visit: &Visit<'a>) -> Vec<&'a str> {
    let sites = visit.network.sites.keys();
    sites.map(SiteName::as_str).collect()
}

fn pages(query: &OverviewQuery, grid: &Grid<'_>) -> Pages {
    let (rows, nodes) = (grid.row_page, grid.node_page);
    Pages {
        before: (rows.page > 1).then(|| query.link(rows.page - 1, nodes.page)),
        after: (rows.page < rows.pages).then(|| query.link(rows.page + 1, nodes.page)),
        nodes_before: (nodes.page > 1).then(|| query.link(rows.page, nodes.page - 1)),
        nodes_after: (nodes.page < nodes.pages).then(|| query.link(rows.page, nodes.page + 1)),
    }
}

fn totals(status: &Status) -> Vec<(&'static str, String)> {
    let totals = &status.totals;
    vec![
        ("fetched", bytes(totals.fetched_bytes)),
        ("pushed", bytes(totals.pushed_bytes)),
        ("drift found", totals.drift_found.to_string()),
        ("drift repaired", totals.drift_repaired.to_string()),
        ("files removed", totals.removed.to_string()),
    ]
}
