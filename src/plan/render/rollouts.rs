//! How far releases are in their rings.

use super::names;
use super::sheet::Sheet;
use crate::model::{NodeId, RingName};
use crate::plan::rollout::{PlannedRing, PlannedRollout, RingState};
use crate::plan::step::Plan;

/// What has not reached all rings. Where it has, there is nothing to tell.
pub(super) fn unfinished(plan: &Plan) -> impl Iterator<Item = &PlannedRollout> {
    let is_there =
        |ring: &PlannedRing| matches!(ring.state, RingState::Done | RingState::Soaking { .. });
    let rollouts = plan.rollouts.iter();
    rollouts.filter(move |rollout| !rollout.rings.iter().all(is_there))
}

/// A line for each ring.
pub(super) fn write(sheet: &mut Sheet, plan: &Plan) {
    for rollout in unfinished(plan) {
        sheet.gap();
        sheet.line(&heading(rollout));
        for ring in &rollout.rings {
            sheet.entry(&line(ring));
        }
    }
}

/// `Rollout for order lab: v1.11.3 nocloud-amd64.iso`
pub(super) fn heading(rollout: &PlannedRollout) -> String {
    let path = rollout.release.as_str();
    let file = path.rsplit('/').next().unwrap_or(path);
    let (order, version) = (&rollout.order, &rollout.version);
    format!("Rollout for order {order}: {version} {file}")
}

/// `ring canary: soaks until 2026-06-01 14:00 UTC`
pub(super) fn line(ring: &PlannedRing) -> String {
    let name = ring.name.as_ref().map(RingName::as_str);
    let name = name.map_or_else(|| "other nodes".to_owned(), |name| format!("ring {name}"));
    let all = ring.nodes.len();
    let there = all - ring.out_of_sync.len();
    let state = match &ring.state {
        RingState::Done => "done".to_owned(),
        RingState::Soaking { until } => format!("soaks{}", at(*until)),
        RingState::Open if ring.out_of_sync.is_empty() => "waits for other sites".to_owned(),
        RingState::Open => {
            let behind = names::counted(ring.out_of_sync.iter().map(NodeId::as_str), "nodes");
            format!("open, out of sync: {behind}")
        }
        RingState::Waiting { why, until, .. } => format!("waits: {why}{}", at(*until)),
        RingState::Stopped => "stopped".to_owned(),
    };
    let mut count = Vec::new();
    if all > 0 {
        count.push(format!("{there} of {all} in sync"));
    }
    for (site, nodes) in &ring.elsewhere {
        // How many there are, only the site knows.
        count.push(match nodes {
            0 => format!("more in site {site}"),
            nodes => format!("{nodes} in site {site}"),
        });
    }
    format!("{name}: {state} ({})", count.join(", "))
}

fn at(until: Option<jiff::Timestamp>) -> String {
    match until {
        Some(until) => format!(" until {}", until.strftime("%Y-%m-%d %H:%M UTC")),
        None => String::new(),
    }
}
