//! What the leader of a site tells the other sites after a run.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::condition::Condition;
use super::report::Report;
use super::rings::{RingReports, ring_reports};
use super::status::Status;
use crate::facts::{Memory, NodeCounts, NodeState, OrderCounts, SiteReport};
use crate::model::NodeId;
use crate::plan::Plan;

/// The longest line about what is behind, in characters: the message of a program may be long.
const LINE: usize = 300;

/// The report of a site after a run that was for it, and perhaps for others: `covers` is true
/// for its nodes. `status` and `memory` are those after the run, which was over at `now`, and
/// `wanted` has the names of the images in the index of the store. Who writes it adds who that
/// is.
pub fn site_report(
    status: &Status,
    report: &Report,
    memory: &Memory,
    now: Timestamp,
    wanted: BTreeSet<String>,
    covers: impl Fn(&NodeId) -> bool,
) -> SiteReport {
    let (desired, plan) = (&report.look.desired, &report.look.plan);
    let rollouts = ring_reports(plan, &report.outcomes, memory, now, &covers);
    let of_site = OfSite {
        conditions: &status.conditions,
        covers: &covers,
    };
    let resolved = desired.positions.iter().all(|want| want.outcome.is_ok());
    SiteReport {
        revision: status.revision.clone(),
        is_complete: desired.complete && desired.doubt.is_none() && resolved,
        wanted,
        nodes: of_site.nodes(report),
        orders: of_site.orders(),
        troubles: of_site.troubles(),
        rollouts: soaked(rollouts, plan),
        ..SiteReport::default()
    }
}

/// What has soaked stays as it is: a report that says the same again need not be read again.
fn soaked(mut rollouts: RingReports, plan: &Plan) -> RingReports {
    for rollout in &plan.rollouts {
        let releases = rollouts.get_mut(&rollout.order);
        let Some(rings) = releases.and_then(|releases| releases.get_mut(&rollout.release)) else {
            continue;
        };
        for ring in &rollout.rings {
            let report = ring.name.as_ref().and_then(|name| rings.get_mut(name));
            if let Some(seconds) = report.and_then(|report| report.in_sync_seconds.as_mut()) {
                *seconds = (*seconds).min(ring.soak_seconds);
            }
        }
    }
    rollouts
}

/// The conditions, as far as they are about a site.
struct OfSite<'a, C> {
    conditions: &'a [Condition],
    covers: &'a C,
}

impl<C: Fn(&NodeId) -> bool> OfSite<'_, C> {
    fn nodes(&self, report: &Report) -> NodeCounts {
        let look = &report.look;
        let behind = self.conditions.iter().filter(|c| !c.state.is_fine());
        let behind: BTreeSet<&NodeId> = behind.filter_map(|c| c.node.as_ref()).collect();
        let mut counts = NodeCounts::default();
        for node in look.desired.nodes.keys().filter(|node| (self.covers)(node)) {
            let state = look.observed.nodes.get(node);
            let answers = matches!(state, Some(NodeState::Listed { .. }));
            counts.all += 1;
            counts.silent += usize::from(!answers);
            counts.in_sync += usize::from(answers && !behind.contains(node));
        }
        counts
    }

    fn orders(&self) -> OrderCounts {
        let mut all: BTreeMap<&str, bool> = BTreeMap::new();
        for condition in self.conditions {
            let Some(order) = condition.order.as_deref() else {
                continue;
            };
            if self.concerns(condition) {
                *all.entry(order).or_insert(true) &= condition.state.is_fine();
            }
        }
        OrderCounts {
            all: all.len(),
            in_sync: all.values().filter(|is_fine| **is_fine).count(),
        }
    }

    fn troubles(&self) -> Vec<String> {
        let conditions = self.conditions.iter();
        let troubles = conditions.filter(|c| !c.state.is_fine() && self.concerns(c));
        let mut troubles: Vec<&Condition> = troubles.collect();
        troubles.sort_by_key(|condition| condition.state);
        let lines = troubles.into_iter().take(SiteReport::MOST_TROUBLES);
        lines.map(line).collect()
    }

    /// True for what is on a node of the site, and for what an order has besides what its
    /// nodes have: the line of an order sums those up, of all sites.
    fn concerns(&self, condition: &Condition) -> bool {
        if let Some(node) = &condition.node {
            return (self.covers)(node);
        }
        let Some(order) = condition.order.as_deref() else {
            return true;
        };
        let of_order = self.conditions.iter();
        let of_order = of_order.filter(|other| other.order.as_deref() == Some(order));
        let mut of_order = of_order.filter_map(|other| Some((other.node.as_ref()?, other.state)));
        of_order.all(|(_, state)| state.is_fine())
    }
}

fn line(condition: &Condition) -> String {
    let message = condition.message.lines().next().unwrap_or_default();
    let text = match (&condition.order, &condition.node) {
        (Some(order), Some(node)) => format!("{order} on {node}: {message}"),
        (Some(order), None) => format!("{order}: {message}"),
        (None, Some(node)) => format!("{node}: {message}"),
        (None, None) => message.to_owned(),
    };
    text.chars().take(LINE).collect()
}
