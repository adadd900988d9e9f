//! The numbers of nodes and clusters.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog;
use super::exposition::Exposition;
use super::scene::{LastLook, MetricsScene};
use crate::facts::{Fact, NodeState, NodeVms, Outcome, References, StepKind, TemplateState};
use crate::model::{FileName, NodeId, PushTarget};
use crate::plan::{Blocked, BlockedReason};

const TEMPLATE_STATES: [(TemplateState, &str); 3] = [
    (TemplateState::New, "new"),
    (TemplateState::Current, "current"),
    (TemplateState::Retired, "retired"),
];

pub(super) fn add(to: &mut Exposition, scene: &MetricsScene<'_>) {
    let status = scene.status;
    let held = held(scene);
    for (id, line) in &status.nodes {
        let node = id.as_str();
        to.set_true(&catalog::NODE_REACHABLE, [node], line.is_reachable);
        if let Some(seen) = line.seen {
            to.set_time(&catalog::NODE_SEEN, [node], seen);
        }
        let is_open = status.circuits.contains_key(id);
        to.set_true(&catalog::NODE_CIRCUIT, [node], is_open);
        let suspended = &status.suspended;
        let is_suspended = suspended.is_everything() || suspended.nodes.contains(id);
        to.set_true(&catalog::NODE_SUSPENDED, [node], is_suspended);
        for (dir, free) in &line.free_bytes {
            to.set(&catalog::NODE_FREE, [node, dir.as_str()], *free);
        }
        let held = held.get(id).copied().unwrap_or(0);
        to.set(&catalog::REMOVALS_HELD, [node], held);
    }
    if let Some(last) = &scene.last {
        add_files(to, last, &status.owner);
        add_templates(to, last, &status.owner);
        add_clusters(to, last);
        for (node, link) in &last.memory.links {
            if status.nodes.contains_key(node) {
                let speed = link.bytes_per_second;
                to.set(&catalog::NODE_LINK, [node.as_str()], speed);
            }
        }
    }
}

/// Removals that wait for approval, by node.
fn held(scene: &MetricsScene<'_>) -> BTreeMap<NodeId, u64> {
    let mut held = BTreeMap::new();
    let mut count = |node: Option<NodeId>| {
        if let Some(node) = node {
            *held.entry(node).or_default() += 1;
        }
    };
    match &scene.last {
        // The status lists no more than can be read.
        Some(last) => {
            let blocked = last.report.look.plan.blocked.iter();
            for blocked in blocked.filter_map(Blocked::as_if_selected) {
                if matches!(blocked.reason, BlockedReason::OverBudget { .. }) {
                    count(blocked.id.node());
                }
            }
        }
        None => {
            let lines = scene.status.blocked.iter();
            for line in lines.filter(|line| line.approval.is_some()) {
                count(line.step.node());
            }
        }
    }
    held
}

/// The files of ours on the nodes that answered, as the run left them.
fn add_files(to: &mut Exposition, last: &LastLook<'_>, owner: &str) {
    let look = &last.report.look;
    let mut files: BTreeMap<&NodeId, BTreeMap<(PushTarget, FileName), u64>> = BTreeMap::new();
    for (node, state) in &look.observed.nodes {
        let NodeState::Listed { dirs, .. } = state else {
            continue;
        };
        let own = files.entry(node).or_default();
        for (dir, state) in dirs {
            let target = PushTarget {
                node: node.clone(),
                dir: dir.clone(),
            };
            let records = state.record.values();
            for entry in records.filter(|entry| entry.owner == owner) {
                // A record without its file is one that somebody removed.
                if let Some(file) = state.files.get(entry.name.as_str()) {
                    own.insert((target.clone(), entry.name.clone()), file.size);
                }
            }
        }
    }
    for (id, outcome) in &last.report.outcomes {
        let (Outcome::Done { fact }, Some(path)) = (outcome, id.path()) else {
            continue;
        };
        let Some(own) = files.get_mut(&path.0.node) else {
            continue;
        };
        match fact {
            Fact::Pushed { entry, .. } => {
                own.insert(path, entry.size);
            }
            Fact::Removed { .. } if id.kind() == Some(StepKind::PruneNode) => {
                own.remove(&path);
            }
            _ => {}
        }
    }
    for (node, own) in files {
        let (id, sizes) = (node.as_str(), own.values());
        to.set(&catalog::NODE_FILES, [id], own.len() as u64);
        to.set(&catalog::NODE_BYTES, [id], sizes.sum());
        let state = look.observed.nodes.get(node);
        // Unknown is not zero.
        if let Some(NodeState::Listed {
            references: References::Known(used),
            ..
        }) = state
        {
            let names: BTreeSet<&str> = own.keys().map(|(_, file)| file.as_str()).collect();
            let in_use = names.iter().filter(|name| used.contains_key(**name));
            to.set(&catalog::NODE_IN_USE, [id], in_use.count() as u64);
        }
    }
}

/// The templates of ours, as the run found them.
fn add_templates(to: &mut Exposition, last: &LastLook<'_>, owner: &str) {
    for (node, vms) in &last.report.look.observed.vms {
        let NodeVms::Known(inventory) = vms else {
            continue;
        };
        let marks = inventory.marked.iter();
        let marks = marks.filter_map(|(vmid, config)| config.mark_of(*vmid));
        let states: Vec<TemplateState> = marks
            .filter(|mark| mark.owner == owner)
            .map(|mark| mark.state)
            .collect();
        for (state, word) in TEMPLATE_STATES {
            let count = states.iter().filter(|other| **other == state).count();
            let labels = [node.as_str(), word];
            to.set(&catalog::NODE_TEMPLATES, labels, count as u64);
        }
    }
}

fn add_clusters(to: &mut Exposition, last: &LastLook<'_>) {
    for (cluster, look) in &last.report.look.observed.catalog.clusters {
        let is_reachable = look.failure.is_none();
        to.set_true(
            &catalog::CLUSTER_REACHABLE,
            [cluster.as_str()],
            is_reachable,
        );
    }
    for (cluster, known) in &last.memory.certificates {
        for (node, until) in &known.until {
            let labels = [cluster.as_str(), node.as_str()];
            to.set_time(&catalog::CERTIFICATE, labels, *until);
        }
    }
}
