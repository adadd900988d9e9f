//! Rollouts as text.

use jiff::Timestamp;

use super::style;
use super::table::{Table, one_line, span};
use crate::conclude::rollouts::{elsewhere, in_sync, message, ring_name};
use crate::conclude::{RolloutAsked, RolloutLine};
use crate::facts::RolloutInstruction;
use crate::model::{NodeId, OrderId};
use crate::plan::{PlannedRing, RingState};

/// All rings, and what operators said below.
pub(super) fn list(lines: &[RolloutLine], now: Timestamp) -> String {
    if lines.is_empty() {
        return "no rollouts\n".to_owned();
    }
    let mut text = joined(&table(lines.iter(), now));
    for line in lines {
        for said in line.said() {
            let (order, version) = (&line.planned.order, line.planned.version.to_string());
            text.push_str(&format!("order {order}, {version}: {said}\n"));
        }
    }
    text
}

/// The rows of a status: releases that some ring has yet to get.
pub(super) fn unfinished(lines: &[RolloutLine], now: Timestamp) -> Vec<String> {
    let is_told = |line: &&RolloutLine| !line.is_done();
    let mut shown = lines.iter().filter(is_told).peekable();
    if shown.peek().is_none() {
        return Vec::new();
    }
    let mut all = vec![String::new()];
    all.extend(table(shown.clone(), now));
    for line in shown {
        let (order, version) = (&line.planned.order, line.planned.version.to_string());
        let said = line.said().into_iter();
        all.extend(said.map(|said| format!("order {order}, {version}: {said}")));
    }
    all
}

fn table<'a>(lines: impl Iterator<Item = &'a RolloutLine>, now: Timestamp) -> Vec<String> {
    let lines: Vec<&RolloutLine> = lines.collect();
    // Images of one version are told apart by their files.
    let mut pairs = lines.windows(2);
    let has_files = pairs.any(|pair| pair[0].planned.order == pair[1].planned.order);
    let mut header = vec!["ORDER", "VERSION"];
    header.extend(has_files.then_some("IMAGE"));
    header.extend(["RING", "STATE", "IN SYNC", "MESSAGE"]);
    let mut table = Table::new(&header);
    let mut states = Vec::new();
    for line in lines {
        for ring in &line.planned.rings {
            let of_nodes = in_sync(ring).map(|(there, all)| format!("{there}/{all}"));
            states.push(&ring.state);
            let mut cells = vec![
                line.planned.order.to_string(),
                line.planned.version.to_string(),
            ];
            cells.extend(has_files.then(|| line.planned.release.file().to_owned()));
            cells.extend([
                ring_name(ring.name.as_ref()).to_owned(),
                ring.state.as_str().to_owned(),
                of_nodes.unwrap_or_else(|| "-".to_owned()),
                one_line(&said_of(ring, now)),
            ]);
            table.row(cells);
        }
    }
    let mut lines = table.lines();
    lines[0] = style::heading(&lines[0]);
    for (line, state) in lines[1..].iter_mut().zip(states) {
        *line = match state {
            RingState::Done => std::mem::take(line),
            RingState::Soaking { .. } | RingState::Open | RingState::Waiting { .. } => {
                style::waiting(line)
            }
            RingState::Stopped => style::stalled(line),
        };
    }
    lines
}

/// What there is to say of a ring.
fn said_of(ring: &PlannedRing, now: Timestamp) -> String {
    let mut parts = Vec::new();
    let (RingState::Soaking { until } | RingState::Waiting { until, .. }) = &ring.state else {
        return of_others(ring, message(ring));
    };
    parts.extend(Some(message(ring)).filter(|message| !message.is_empty()));
    match until {
        Some(until) if *until > now => parts.push(format!("another {}", span(now, *until))),
        Some(_) => parts.push("until the next run".to_owned()),
        None => {}
    }
    of_others(ring, parts.join("; "))
}

/// The same with the nodes that other controllers work on.
fn of_others(ring: &PlannedRing, mut message: String) -> String {
    if let Some(others) = elsewhere(ring) {
        if !message.is_empty() {
            message.push_str("; ");
        }
        message.push_str(&others);
    }
    message
}

/// Everything that is known of the releases of an order.
pub(super) fn details(lines: &[RolloutLine], now: Timestamp) -> String {
    let mut all = Vec::new();
    for line in lines {
        if !all.is_empty() {
            all.push(String::new());
        }
        let planned = &line.planned;
        all.push(style::heading(&format!(
            "order {}: {}",
            planned.order, planned.version
        )));
        all.push(format!("  release  {}", planned.release));
        let said = line.said().into_iter();
        all.extend(said.map(|said| format!("  {said}")));
        for ring in &planned.rings {
            all.push(format!(
                "  {}: {}",
                ring_name(ring.name.as_ref()),
                ring.state.as_str()
            ));
            all.extend(
                of_ring(ring, now)
                    .into_iter()
                    .map(|(name, value)| format!("    {name:<12} {}", one_line(&value))),
            );
        }
    }
    joined(&all)
}

fn of_ring(ring: &PlannedRing, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut pairs = Vec::new();
    if let Some((there, all)) = in_sync(ring) {
        let nodes = match ring.may_be_out_of_sync {
            0 => format!("{there} of {all} in sync"),
            some => format!("{there} of {all} in sync; {some} may be out of sync"),
        };
        pairs.push(("Nodes", nodes));
    }
    let elsewhere = ring.elsewhere.iter();
    let elsewhere: Vec<String> = elsewhere
        .map(|(site, nodes)| match nodes {
            // How many there are, only the site knows.
            0 => format!("more in site {site}"),
            nodes => format!("{nodes} in site {site}"),
        })
        .collect();
    if !elsewhere.is_empty() {
        pairs.push(("Other sites", elsewhere.join(", ")));
    }
    if !ring.out_of_sync.is_empty() {
        let names: Vec<&str> = ring.out_of_sync.iter().map(NodeId::as_str).collect();
        pairs.push(("Out of sync", names.join(", ")));
    }
    if let Some(since) = ring.in_sync_since {
        pairs.push(("In sync", format!("for {}", span(since, now))));
    }
    if ring.soak_seconds > 0 {
        let soak =
            jiff::SignedDuration::from_secs(ring.soak_seconds.try_into().unwrap_or(i64::MAX));
        pairs.push(("Soak", format!("{soak:#}")));
    }
    if let RingState::Waiting { why, .. } = &ring.state {
        pairs.push(("Waits", why.clone()));
    }
    if let RingState::Soaking { until: Some(until) }
    | RingState::Waiting {
        until: Some(until), ..
    } = &ring.state
        && *until > now
    {
        pairs.push(("Until", format!("{until:.0} (in {})", span(now, *until))));
    }
    pairs
}

/// What an operator may want to know beside what was done.
pub(super) fn hint(
    order: &OrderId,
    asked: &RolloutAsked,
    said: &RolloutInstruction,
    lines: &[RolloutLine],
) -> Option<String> {
    match asked {
        RolloutAsked::Rollback => Some(
            "nodes keep what they have; to go back to the former image, revert the commit of the \
             orders"
                .to_owned(),
        ),
        RolloutAsked::Resume => {
            let mut lines = lines.iter();
            let stopped = lines.find(|line| {
                line.planned.order == *order && said.stopped.contains(&line.planned.release)
            })?;
            let version = &stopped.planned.version;
            Some(format!(
                "{version} is still stopped; `talos-order rollout promote {order} --to RING` \
                 continues it"
            ))
        }
        RolloutAsked::Promote(_) | RolloutAsked::Pause => None,
    }
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
