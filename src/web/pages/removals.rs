//! The removals that do not happen now: exactly what would go, and what it waits for.

use askama::Template;
use askama::filters::Safe;

use super::frame::{MenuItem, PageFrame, Visit};
use super::text::{Moment, bytes, counted, lasting, moment, part};
use crate::conclude::removals::{WaitingApproval, WaitingRemoval, WaitingRemovals};

/// So many removals of a kind are listed.
const LISTED: usize = 500;

/// The page of the removals.
///
/// # Errors
/// When the page cannot be made.
pub(crate) fn removals(visit: &Visit<'_>) -> askama::Result<String> {
    let last = visit.view.last.as_deref();
    let found =
        last.map(|last| WaitingRemovals::of(&last.report.look, &last.memory, visit.approved));
    let is_known = found.is_some();
    let found = found.unwrap_or_default();
    let lines = |removals: &[WaitingRemoval]| -> Vec<RemovalLine> {
        let shown = removals.iter().take(LISTED);
        shown.map(|one| line(one, visit)).collect()
    };
    RemovalsPage {
        frame: PageFrame::new(visit, MenuItem::Removals, "Removals"),
        is_known,
        approvals: found
            .approvals
            .iter()
            .map(|approval| group(approval, of_node(lines(&approval.removals))))
            .collect(),
        in_grace: lines(&found.in_grace),
        more_in_grace: found.in_grace.len().saturating_sub(LISTED),
        kept: lines(&found.kept),
        more_kept: found.kept.len().saturating_sub(LISTED),
    }
    .render()
}

#[derive(Template)]
#[template(path = "removals.html")]
struct RemovalsPage<'a> {
    frame: PageFrame<'a>,
    is_known: bool,
    approvals: Vec<ApprovalView>,
    in_grace: Vec<RemovalLine>,
    more_in_grace: usize,
    kept: Vec<RemovalLine>,
    more_kept: usize,
}

struct ApprovalView {
    id: String,
    node: String,
    href: String,
    summary: String,
    is_approved: bool,
    removals: Vec<RemovalLine>,
    more: usize,
}

struct RemovalLine {
    text: String,
    place: String,
    size: String,
    since: Option<Safe<Moment>>,
    until: Option<Safe<Moment>>,
    message: String,
}

/// The lines of one node name only the directory.
fn of_node(mut lines: Vec<RemovalLine>) -> Vec<RemovalLine> {
    for line in &mut lines {
        if let Some((_, dir)) = line.place.split_once(':') {
            line.place = dir.to_owned();
        }
    }
    lines
}

fn group(approval: &WaitingApproval, removals: Vec<RemovalLine>) -> ApprovalView {
    let node = approval.node.as_ref();
    let node = node.map_or_else(|| "the cache".to_owned(), ToString::to_string);
    ApprovalView {
        id: approval.id.0.clone(),
        href: format!("/nodes/{}", part(&node)),
        summary: format!(
            "{}, {}; at most {} may go without approval",
            counted(approval.removals.len(), "file"),
            bytes(approval.bytes),
            approval.limit
        ),
        node,
        is_approved: approval.is_approved,
        more: approval.removals.len() - removals.len(),
        removals,
    }
}

fn line(removal: &WaitingRemoval, visit: &Visit<'_>) -> RemovalLine {
    let path = removal.step.path();
    let (text, place) = match path {
        Some((target, file)) => (file.to_string(), format!("{}:{}", target.node, target.dir)),
        None => {
            let node = removal.step.node();
            let place = node.map_or_else(|| "cache".to_owned(), |node| node.to_string());
            (removal.step.text().object, place)
        }
    };
    RemovalLine {
        text,
        place,
        size: removal.bytes.map(bytes).unwrap_or_default(),
        since: removal.since.map(|at| lasting(at, visit.now)),
        until: removal.until.map(|at| moment(at, visit.now)),
        message: removal.message.clone(),
    }
}
