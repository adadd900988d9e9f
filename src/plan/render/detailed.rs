//! A plan with a line for each step.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::rollouts;
use super::steps::write_step;
use super::sums::SizeSum;
use super::totals::{headline, served_by_relays};
use crate::model::NodeId;
use crate::plan::blocked::Blocked;
use crate::plan::step::{Action, Plan};

pub(super) fn render(plan: &Plan) -> String {
    let mut text = String::new();
    write(&mut text, plan).expect("writing to a string does not fail");
    text
}

fn write(out: &mut String, plan: &Plan) -> fmt::Result {
    writeln!(out, "{}", headline(plan))?;
    if !plan.steps.is_empty() || !plan.blocked.is_empty() {
        writeln!(out)?;
    }
    for step in &plan.steps {
        write_step(out, step)?;
    }
    for blocked in &plan.blocked {
        write_blocked(out, blocked)?;
    }
    write_nodes(out, plan)?;
    write_relays(out, plan)?;
    for rollout in rollouts::unfinished(plan) {
        writeln!(out, "\n{}", rollouts::heading(rollout))?;
        for ring in &rollout.rings {
            writeln!(out, "  {}", rollouts::line(ring))?;
        }
    }
    if !plan.hints.is_empty() {
        writeln!(out, "\nHints")?;
    }
    for hint in &plan.hints {
        writeln!(out, "  {}: {}", hint.about, hint.text)?;
    }
    if !plan.notices.is_empty() {
        writeln!(out, "\nClusters")?;
    }
    for notice in &plan.notices {
        writeln!(out, "  {}: {}", notice.cluster, notice.text)?;
    }
    Ok(())
}

/// Each relay with the neighbours that it serves.
fn write_relays(out: &mut String, plan: &Plan) -> fmt::Result {
    let relays = served_by_relays(plan);
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

fn write_blocked(out: &mut String, blocked: &Blocked) -> fmt::Result {
    writeln!(
        out,
        "  ! blocked   {}  ({})",
        blocked.id.text(),
        blocked.reason
    )
}

fn write_nodes(out: &mut String, plan: &Plan) -> fmt::Result {
    let mut nodes: BTreeMap<&NodeId, (usize, SizeSum)> = BTreeMap::new();
    for step in &plan.steps {
        if let Action::Push { target, bytes, .. } = &step.action {
            let (files, sum) = nodes.entry(&target.node).or_default();
            *files += 1;
            sum.add(*bytes);
        }
    }
    if nodes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nPer node")?;
    let names = nodes.keys().map(|node| node.as_str().len());
    let width = names.max().unwrap_or(0);
    for (node, (files, sum)) in nodes {
        let plural = if files == 1 { "" } else { "s" };
        writeln!(out, "  {node:width$}  {files} file{plural}, {sum}")?;
    }
    Ok(())
}
