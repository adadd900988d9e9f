//! `status`: the status of each order, each node, and what is blocked.

use anyhow::Context;
use jiff::Timestamp;

use super::args::{Common, OutputForm};
use super::exit::Exit;
use super::table::{Table, one_line, span};
use super::{out, style};
use crate::app::App;
use crate::conclude::Scope;
use crate::conclude::{Condition, Ready, Status};
use crate::model::NodeId;
use crate::plan::Selection;
use crate::plan::render::Bytes;

/// So many things blocked are shown; `-o json` has all that are kept.
const BLOCKED_SHOWN: usize = 20;

/// Shows what the controller wrote down.
pub(super) fn run(
    common: &Common,
    selection: &Selection,
    output: OutputForm,
) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let state = app.state();
    let mut status = state.status().with_context(|| {
        let dir = state.path().display();
        format!("no status in {dir}: nothing has run there yet")
    })?;
    // Suspensions take effect at once, before the next run.
    status.suspended = state.suspended();
    select(&mut status, selection);
    show(&status, &Scope::All, output, app.now())
}

/// Leaves what was asked for. What is blocked does not name its order, so where orders
/// are asked for nothing of it is left.
fn select(status: &mut Status, selection: &Selection) {
    if selection.is_all() {
        return;
    }
    let has_node = |node: Option<&NodeId>| {
        selection.nodes.is_empty() || node.is_some_and(|node| selection.has_node(node.as_str()))
    };
    let has_order = |order: Option<&str>| {
        selection.orders.is_empty() || order.is_some_and(|order| selection.has_order(order))
    };
    status.conditions.retain(|condition| {
        has_order(condition.order.as_deref()) && has_node(condition.node.as_ref())
    });
    status.circuits.retain(|node, _| has_node(Some(node)));
    status
        .blocked
        .retain(|blocked| selection.orders.is_empty() && has_node(blocked.step.node().as_ref()));
    status.more_blocked = 0;
}

/// Writes a status, or what of it concerns an order or a node. Done if all that is
/// shown is ready.
pub(super) fn show(
    status: &Status,
    scope: &Scope,
    output: OutputForm,
    now: Timestamp,
) -> anyhow::Result<Exit> {
    match output {
        OutputForm::Json => out::json(status)?,
        OutputForm::Text => out::text(&text(status, scope, now))?,
    }
    let shown = status.conditions.iter().filter(|c| concerns(scope, c));
    let ready = match scope {
        Scope::All => status.is_ready(),
        Scope::Order(_) | Scope::Node(_) => {
            let mut states = shown.map(|condition| condition.state).peekable();
            states.peek().is_some() && states.all(|state| state == Ready::Ready)
        }
    };
    Ok(if ready { Exit::Done } else { Exit::Failed })
}

fn concerns(scope: &Scope, condition: &Condition) -> bool {
    match scope {
        Scope::All => true,
        Scope::Order(id) => condition.order.as_deref() == Some(id.as_str()),
        Scope::Node(id) => condition.node.as_ref() == Some(id),
    }
}

/// The status as text, with colours, ending with a line break.
fn text(status: &Status, scope: &Scope, now: Timestamp) -> String {
    let mut lines = header(status, now);
    let shown: Vec<&Condition> = status
        .conditions
        .iter()
        .filter(|condition| concerns(scope, condition))
        .collect();
    lines.push(String::new());
    if shown.is_empty() {
        lines.push("no orders".to_owned());
    } else {
        lines.extend(conditions(&shown, now));
    }
    if *scope == Scope::All {
        lines.extend(circuits(status, now));
        lines.extend(blocked(status, now));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn header(status: &Status, now: Timestamp) -> Vec<String> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    pairs.push(("Controller", status.owner.clone()));
    let revision = status
        .revision
        .as_deref()
        .unwrap_or("unknown (not a git work tree)");
    pairs.push(("Revision", one_line(revision)));
    pairs.push((
        "Last run",
        match &status.last_run {
            None => "none yet".to_owned(),
            Some(run) => {
                let ago = span(run.finished, now);
                let took = (run.finished.as_millisecond() - run.started.as_millisecond()).max(0);
                let took = took as f64 / 1000.0;
                let mut text = format!(
                    "{}, {ago} ago, {took:.1} s, trigger: {}",
                    run.verdict, run.trigger
                );
                if let Some(error) = &run.error {
                    text.push_str(&format!(": {}", one_line(error)));
                }
                text
            }
        },
    ));
    pairs.push((
        "Next run",
        match (&status.running, status.next_run) {
            (Some(running), _) => {
                let since = span(running.since, now);
                format!("running for {since}, trigger: {}", running.trigger)
            }
            (None, Some(next)) if next >= now => format!("in {}", span(now, next)),
            (None, Some(next)) => {
                let late = span(next, now);
                format!("was due {late} ago; the controller does not seem to be running")
            }
            (None, None) => "none (controller not running)".to_owned(),
        },
    ));
    let totals = &status.totals;
    pairs.push((
        "Totals",
        format!(
            "{} fetched, {} pushed, {} files pruned; drift: {} found, {} repaired",
            Bytes(totals.fetched_bytes),
            Bytes(totals.pushed_bytes),
            totals.removed,
            totals.drift_found,
            totals.drift_repaired
        ),
    ));
    if let Some(suspended) = suspended(status) {
        pairs.push(("Suspended", suspended));
    }
    let notes = status.notes.iter().map(|note| ("Note", one_line(note)));
    pairs.extend(notes);
    pairs
        .into_iter()
        .map(|(name, text)| format!("{name:10}  {text}"))
        .collect()
}

fn suspended(status: &Status) -> Option<String> {
    let suspended = &status.suspended;
    let mut parts: Vec<String> = Vec::new();
    if let Some(why) = &suspended.unreadable {
        parts.push(format!("everything: {why}"));
    }
    if suspended.all {
        parts.push("everything".to_owned());
    }
    parts.extend(suspended.orders.iter().map(|id| format!("order {id}")));
    parts.extend(suspended.nodes.iter().map(|id| format!("node {id}")));
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn conditions(shown: &[&Condition], now: Timestamp) -> Vec<String> {
    let mut table = Table::new(&["ORDER", "NODE", "READY", "REASON", "SINCE", "MESSAGE"]);
    for condition in shown {
        let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
        table.row([
            or_dash(condition.order.as_deref()),
            or_dash(condition.node.as_ref().map(NodeId::as_str)),
            condition.state.to_string(),
            condition
                .reason
                .map_or_else(|| "-".to_owned(), |reason| reason.to_string()),
            span(condition.since, now),
            one_line(&condition.message),
        ]);
    }
    let mut lines = table.lines();
    lines[0] = style::heading(&lines[0]);
    for (line, condition) in lines[1..].iter_mut().zip(shown) {
        *line = match condition.state {
            Ready::Ready => std::mem::take(line),
            Ready::Reconciling => style::waiting(line),
            Ready::Stalled => style::stalled(line),
        };
    }
    lines
}

fn circuits(status: &Status, now: Timestamp) -> Vec<String> {
    if status.circuits.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&["UNREACHABLE NODE", "FAILURES", "NEXT TRY", "MESSAGE"]);
    for (node, circuit) in &status.circuits {
        table.row([
            node.to_string(),
            circuit.failures.to_string(),
            next_try(Some(circuit.until), now),
            one_line(&circuit.error),
        ]);
    }
    section(&table)
}

fn blocked(status: &Status, now: Timestamp) -> Vec<String> {
    if status.blocked.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&["BLOCKED", "REASON", "NEXT TRY", "MESSAGE"]);
    for blocked in status.blocked.iter().take(BLOCKED_SHOWN) {
        table.row([
            blocked.step.text().to_string(),
            blocked.reason.to_string(),
            next_try(blocked.next_try, now),
            one_line(&blocked.message),
        ]);
    }
    let mut lines = section(&table);
    let more = status.blocked.len().saturating_sub(BLOCKED_SHOWN) + status.more_blocked;
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    lines
}

fn section(table: &Table) -> Vec<String> {
    let mut lines = table.lines();
    lines[0] = style::heading(&lines[0]);
    lines.insert(0, String::new());
    lines
}

fn next_try(at: Option<Timestamp>, now: Timestamp) -> String {
    match at {
        None => "-".to_owned(),
        Some(at) if at <= now => "next run".to_owned(),
        Some(at) => format!("in {}", span(now, at)),
    }
}

#[cfg(test)]
mod tests;
