//! What a plan comes to, in numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::sums::SizeSum;
use crate::model::{ApiRoute, Method, NodeId, SiteName};
use crate::plan::size::Size;
use crate::plan::step::{Action, Plan};
use crate::plan::transport::Transport;

/// What a plan comes to, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanTotals {
    /// Schematics to register.
    pub register: usize,
    /// Files to download.
    pub fetch: usize,
    /// Bytes to download.
    pub fetch_bytes: SizeSum,
    /// Files to unpack from the cache.
    pub unpack: usize,
    /// Files to deliver.
    pub push: usize,
    /// Their bytes on the nodes.
    pub disk: SizeSum,
    /// Bytes that go from this machine over links.
    pub sent: SizeSum,
    /// Bytes that relays send on to their neighbours.
    pub relayed: SizeSum,
    /// Files to read back.
    pub verify: usize,
    /// Bytes to read back.
    pub verify_bytes: u64,
    /// Files to prune.
    pub prune: usize,
    /// Bytes that pruning frees.
    pub prune_bytes: u64,
    /// Templates to create.
    pub create: usize,
    /// Templates to switch.
    pub switch: usize,
    /// Templates to remove.
    pub remove: usize,
}

impl PlanTotals {
    /// Counts a plan's steps.
    pub fn of(plan: &Plan) -> Self {
        let mut totals = Self::default();
        for step in &plan.steps {
            match &step.action {
                Action::Register { .. } => totals.register += 1,
                Action::Fetch { bytes, .. } => {
                    totals.fetch += 1;
                    totals.fetch_bytes.add(*bytes);
                }
                Action::Unpack { .. } => totals.unpack += 1,
                Action::Push {
                    bytes, transport, ..
                } => {
                    totals.push += 1;
                    totals.disk.add(*bytes);
                    add(&mut totals.sent, &mut totals.relayed, transport);
                }
                Action::VerifyNode { bytes, .. } | Action::VerifyCache { bytes, .. } => {
                    totals.verify += 1;
                    totals.verify_bytes += bytes;
                }
                Action::CreateTemplate(_) => totals.create += 1,
                Action::SwitchTemplate(_) => totals.switch += 1,
                Action::RemoveTemplate { .. } => totals.remove += 1,
                Action::PruneNode { .. }
                | Action::PruneCache { .. }
                | Action::ClearPartial { .. }
                | Action::ClearPart { .. } => {
                    totals.prune += 1;
                    totals.prune_bytes += step.action.removes().unwrap_or(0);
                }
            }
        }
        totals
    }
}

/// What a delivery sends, from this machine or from a relay. A copy on this machine
/// sends nothing.
pub(super) fn add(sent: &mut SizeSum, relayed: &mut SizeSum, transport: &Transport) {
    match (&transport.method, &transport.via) {
        (Method::Copy, _) => {}
        // From elsewhere.
        (
            Method::Api {
                route: ApiRoute::Factory,
            },
            _,
        ) => {}
        (_, Some(_)) => relayed.add_sent(transport.wire_bytes),
        (_, None) => sent.add_sent(transport.wire_bytes),
    }
}

/// Sizes on disk and sent sizes are never one sum. Where they are the same they are said
/// once, and so is that all are unknown.
pub(super) fn disk_and_sent(disk: SizeSum, sent: SizeSum, relayed: SizeSum) -> Vec<String> {
    if disk.bytes == 0 {
        return vec![disk.to_string()];
    }
    if relayed.is_zero() && disk.is_as_much_as(sent) {
        return vec![format!("{disk} on disk and sent")];
    }
    let mut parts = vec![format!("{disk} on disk")];
    for (sum, what) in [(sent, "sent"), (relayed, "sent on by relays")] {
        if sum.bytes > 0 {
            parts.push(format!("{sum} {what}"));
        }
    }
    parts
}

/// One line that says what the plan comes to.
pub fn headline(plan: &Plan) -> String {
    let totals = PlanTotals::of(plan);
    let known = |bytes: u64| {
        let mut sum = SizeSum::default();
        sum.add(Size::Known(bytes));
        sum.to_string()
    };
    let push = disk_and_sent(totals.disk, totals.sent, totals.relayed).join(", ");
    let plural = |count, one, many| if count == 1 { one } else { many };
    let mut parts = Vec::new();
    for (count, what, size) in [
        (totals.register, "to register", None),
        (
            totals.fetch,
            "to fetch",
            Some(totals.fetch_bytes.to_string()),
        ),
        (totals.unpack, "to unpack", None),
        (totals.push, "to push", Some(push)),
        (
            totals.create,
            plural(totals.create, "template to create", "templates to create"),
            None,
        ),
        (
            totals.switch,
            plural(totals.switch, "template to switch", "templates to switch"),
            None,
        ),
        (totals.prune, "to prune", Some(known(totals.prune_bytes))),
        (
            totals.remove,
            plural(totals.remove, "template to prune", "templates to prune"),
            None,
        ),
        (totals.verify, "to verify", Some(known(totals.verify_bytes))),
    ] {
        if count > 0 {
            let size = size.map(|size| format!(" ({size})")).unwrap_or_default();
            parts.push(format!("{count} {what}{size}"));
        }
    }
    let work = match parts.is_empty() {
        true => "nothing to do".to_owned(),
        false => parts.join(", "),
    };
    let mut rest = format!("{} in sync", plan.in_sync.len());
    for (count, what) in [
        (plan.blocked().count(), "blocked"),
        (plan.not_selected(), "not selected"),
    ] {
        if count > 0 {
            rest.push_str(&format!(", {count} {what}"));
        }
    }
    format!("Plan: {work}; {rest}")
}

/// The neighbours that each relay serves, by its site.
pub(super) fn served_by_relays(plan: &Plan) -> BTreeMap<(&SiteName, &NodeId), BTreeSet<&NodeId>> {
    let mut relays: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
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
    relays
}
