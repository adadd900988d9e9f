//! A plan as text for people. Pure: colours and paging are the terminal's affair.
//!
//! Every step and every held item is one line that starts with its sign, so that
//! the text can be searched and coloured by line: `+` comes, `~` is replaced,
//! `-` goes, `!` is held back.

mod steps;
mod totals;
mod why;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use self::steps::write_step;
pub use self::totals::PlanTotals;
use super::blocked::Blocked;
pub use super::bytes::Bytes;
use super::step::{Action, Plan};
use crate::model::{NodeId, SiteName};

/// The plan as text, ending with a line break.
pub fn render(plan: &Plan) -> String {
    let mut text = String::new();
    write(&mut text, plan).expect("writing to a string does not fail");
    text
}

fn write(out: &mut String, plan: &Plan) -> fmt::Result {
    writeln!(out, "{}", headline(plan))?;
    if !plan.steps.is_empty() || !plan.held.is_empty() {
        writeln!(out)?;
    }
    for step in &plan.steps {
        write_step(out, step)?;
    }
    for held in &plan.held {
        write_held(out, held)?;
    }
    write_nodes(out, plan)?;
    write_relays(out, plan)?;
    if !plan.hints.is_empty() {
        writeln!(out, "\nHints")?;
    }
    for hint in &plan.hints {
        writeln!(out, "  {}: {}", hint.about, hint.text)?;
    }
    Ok(())
}

/// One line that says what the plan comes to.
pub fn headline(plan: &Plan) -> String {
    let totals = PlanTotals::of(plan);
    let mut parts = Vec::new();
    let size = |bytes: u64, unknown: usize| match (bytes, unknown) {
        (0, _) => String::new(),
        (bytes, 0) => format!(" ({})", Bytes(bytes)),
        (bytes, _) => format!(" ({} and more)", Bytes(bytes)),
    };
    let mut add = |count: usize, what: &str, size: String| {
        if count > 0 {
            parts.push(format!("{count} {what}{size}"));
        }
    };
    let mut fetched = size(totals.fetch_bytes, totals.fetch_unknown);
    if totals.fetch_about {
        fetched = fetched.replacen('(', "(about ", 1);
    }
    add(totals.register, "to register", String::new());
    add(totals.fetch, "to fetch", fetched);
    add(totals.unpack, "to unpack", String::new());
    add(totals.push, "to push", totals.push_sizes());
    add(totals.remove, "to remove", size(totals.remove_bytes, 0));
    add(totals.verify, "to read back", size(totals.verify_bytes, 0));
    let work = if parts.is_empty() {
        "nothing to do".to_owned()
    } else {
        parts.join(", ")
    };
    let held = match plan.held.len() {
        0 => String::new(),
        count => format!(", {count} held back"),
    };
    format!("Plan: {work}; {} in sync{held}", plan.in_sync.len())
}

/// Each relay with the neighbours that it serves.
fn write_relays(out: &mut String, plan: &Plan) -> fmt::Result {
    let mut relays: BTreeMap<(&SiteName, &NodeId), BTreeSet<&NodeId>> = BTreeMap::new();
    for step in &plan.steps {
        if let Action::Push {
            target, transport, ..
        } = &step.action
            && let Some(via) = &transport.via
        {
            let served = relays.entry((&via.site, &via.node)).or_default();
            served.insert(&target.node);
        }
    }
    if relays.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nRelays")?;
    let sites = relays.keys().map(|(site, _)| site.as_str().len());
    let width = sites.max().unwrap_or(0);
    for ((site, relay), served) in relays {
        let served: Vec<&str> = served.into_iter().map(NodeId::as_str).collect();
        writeln!(out, "  {site:width$}  {relay} → {}", served.join(", "))?;
    }
    Ok(())
}

fn write_held(out: &mut String, held: &Blocked) -> fmt::Result {
    writeln!(out, "  ! held      {}  ({})", held.id, held.reason)
}

fn write_nodes(out: &mut String, plan: &Plan) -> fmt::Result {
    let mut nodes: BTreeMap<&NodeId, (usize, u64, usize, bool)> = BTreeMap::new();
    for step in &plan.steps {
        if let Action::Push { target, bytes, .. } = &step.action {
            let sum = nodes.entry(&target.node).or_default();
            sum.0 += 1;
            sum.1 += bytes.bytes().unwrap_or(0);
            sum.2 += usize::from(bytes.bytes().is_none());
            sum.3 |= bytes.is_about();
        }
    }
    if nodes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nTo each node")?;
    let width = nodes
        .keys()
        .map(|node| node.as_str().len())
        .max()
        .unwrap_or(0);
    for (node, (files, bytes, unknown, about)) in nodes {
        let files = match files {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let size = match (bytes, unknown) {
            (0, 1..) => "size not known yet".to_owned(),
            (bytes, 0) => Bytes(bytes).to_string(),
            (bytes, _) => format!("{} and more", Bytes(bytes)),
        };
        let about = if about { "about " } else { "" };
        writeln!(out, "  {node:width$}  {files}, {about}{size}")?;
    }
    Ok(())
}
