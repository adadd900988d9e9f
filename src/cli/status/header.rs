//! The head of a status: who, which orders, which runs.

use jiff::Timestamp;

use crate::cli::table::{one_line, span};
use crate::conclude::{Condition, ConditionState, SourceLine, SourceState, Status};
use crate::plan::render::Bytes;

/// The lines, each with its name.
pub(super) fn header(status: &Status, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    let owner = match status.owner.as_str() {
        "" => "unknown".to_owned(),
        owner => owner.to_owned(),
    };
    pairs.push(("Controller", owner));
    let unknown = match &status.source {
        Some(_) => "none yet",
        None => "unknown (not a git work tree)",
    };
    let revision = status.revision.as_deref().unwrap_or(unknown);
    pairs.push(("Revision", one_line(revision)));
    if let Some(source) = &status.source {
        pairs.extend(commit(source, now).map(|commit| ("Commit", commit)));
        pairs.push(("Source", self::source(source, now)));
        pairs.extend(source.hint.iter().map(|hint| ("Hint", one_line(hint))));
    }
    for (site, line) in &status.sites {
        pairs.push(("Site", format!("{site}: {line}")));
    }
    if let Some(reload) = status.refused_reload() {
        pairs.push(("Reload", one_line(&reload)));
    }
    pairs.push(("Last run", last_run(status, now)));
    pairs.push(("Next run", next_run(status, now)));
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
}

/// What the commit is, for people.
fn commit(source: &SourceLine, now: Timestamp) -> Option<String> {
    let subject = source.subject.as_deref()?;
    let author = source.author.as_deref().unwrap_or_default();
    let mut text = format!("\"{}\" by {}", one_line(subject), one_line(author));
    if let Some(date) = source.date {
        text.push_str(&format!(", {} ago", span(date, now)));
    }
    if let Some(signer) = &source.signer {
        text.push_str(&format!(", signed by {}", one_line(signer)));
    }
    Some(text)
}

/// Where it is from, and whether it is the newest.
fn source(source: &SourceLine, now: Timestamp) -> String {
    let mut text = format!("{}, {}", one_line(&source.url), one_line(&source.reference));
    if let Some(checked) = source.checked_at {
        text.push_str(&format!(", checked {} ago", span(checked, now)));
    }
    match source.state {
        SourceState::Ok => text,
        state => format!("{text}: {}", state.as_str()),
    }
}

fn last_run(status: &Status, now: Timestamp) -> String {
    let Some(run) = &status.last_run else {
        return "none yet".to_owned();
    };
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

fn next_run(status: &Status, now: Timestamp) -> String {
    match (&status.running, status.next_run) {
        (Some(running), _) => {
            let since = span(running.since, now);
            format!("running for {since}, trigger: {}", running.trigger)
        }
        // Whoever leads does them.
        _ if !status.sites.is_empty() && !status.leads() => "when this controller leads".to_owned(),
        (None, Some(next)) if next >= now => format!("in {}", span(now, next)),
        (None, Some(next)) => {
            let late = span(next, now);
            format!("was due {late} ago; the controller does not seem to be running")
        }
        (None, None) => {
            let waits = |c: &Condition| c.state == ConditionState::Reconciling;
            match status.conditions.iter().any(waits) {
                true => "none (controller not running): nothing is retried until the next \
                         `talos-order apply`"
                    .to_owned(),
                false => "none (controller not running)".to_owned(),
            }
        }
    }
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
