//! Which of a position's nodes get a template.

use std::collections::BTreeSet;

use super::hosts::Destination;
use crate::model::{Inventory, NodeId};
use crate::yaml::{At, NodeRef, ProblemReport, one_of, shown};

/// The nodes that a position is delivered to, and that may have virtual machines.
pub(super) struct TemplateNodes<'a> {
    inventory: &'a Inventory,
    ids: BTreeSet<&'a NodeId>,
    /// The directories of this machine that it is delivered to as well.
    local: BTreeSet<&'a NodeId>,
}

impl<'a> TemplateNodes<'a> {
    /// Directories of this machine, and buckets, are no nodes of Proxmox VE.
    pub(super) fn of(destinations: &'a [Destination], inventory: &'a Inventory) -> Self {
        let of_kind = |is_local| {
            let nodes = destinations.iter().map(|(node, _)| node);
            let kind = nodes.filter(move |node| node.reach.has_machines() != is_local);
            kind.map(|node| &node.id).collect()
        };
        Self {
            inventory,
            ids: of_kind(false),
            local: of_kind(true),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The nodes that a list of names and labels means; of a label, those that the
    /// position is delivered to.
    pub(super) fn named(
        &self,
        on: &At<Vec<At<String>>>,
        report: &mut ProblemReport<'_>,
    ) -> BTreeSet<NodeId> {
        let mut named = BTreeSet::new();
        if on.value.is_empty() {
            report.at_with_hint(
                on.place,
                "the list is empty; expected at least one node",
                "remove `on` for a template on every node, or `template` for none",
            );
        }
        for text in &on.value {
            if !report.fits_a_line(text) {
                continue;
            }
            let meant = self.meant(&text.value);
            if meant.is_empty() {
                self.refuse(text, report);
            }
            named.extend(meant.into_iter().cloned());
        }
        named
    }

    fn meant(&self, text: &str) -> Vec<&'a NodeId> {
        let is_named = self.ids.iter().copied().find(|id| id.as_str() == text);
        if let Some(id) = is_named {
            return vec![id];
        }
        let labelled = self.inventory.by_label(text).map(|entry| &entry.node.id);
        labelled.filter(|id| self.ids.contains(id)).collect()
    }

    fn refuse(&self, text: &At<String>, report: &mut ProblemReport<'_>) {
        let known = self.ids.iter().map(|id| id.as_str());
        let nodes: Vec<&str> = known.collect();
        let listed = match nodes.len() {
            // A long list would drown the message.
            0..=12 => nodes.join(", "),
            more => format!("{}, … ({more})", nodes[..12].join(", ")),
        };
        let is_label = self.inventory.by_label(&text.value).next().is_some();
        let is_local = self.local.iter().any(|id| id.as_str() == text.value);
        let what = match (is_local, is_label) {
            (true, _) => "is a directory of this machine, not one of",
            (false, true) => "is a label of none of",
            (false, false) => "is not one of",
        };
        let message = format!(
            "{} {what} the nodes that the position is delivered to; expected {listed}, or a \
             label of one of them",
            shown(&text.value)
        );
        let is_known = is_label
            || self
                .inventory
                .nodes
                .iter()
                .any(|entry| entry.node.id.as_str() == text.value);
        let hint = match one_of(&text.value, nodes) {
            Some(near) if !is_known => format!("did you mean `{near}`?"),
            _ if is_local => "templates are made on nodes of Proxmox VE; remove it here".to_owned(),
            _ => "add the node to `hosts` under `push`, or remove it here".to_owned(),
        };
        report.at_with_hint(text.place, message, hint);
    }

    /// Refuses a fixed VMID on several nodes, unless it is known that each of them is in
    /// another cluster: within one, a VMID is there only once.
    pub(super) fn check_fixed(
        &self,
        vmid: NodeRef,
        on: Option<&BTreeSet<NodeId>>,
        report: &mut ProblemReport<'_>,
    ) {
        let nodes: Vec<&NodeId> = match on {
            Some(on) => on.iter().collect(),
            None => self.ids.iter().copied().collect(),
        };
        let cluster = |id: &&NodeId| self.inventory.by_name(id)?.cluster.as_ref();
        let clusters: BTreeSet<_> = nodes.iter().filter_map(cluster).collect();
        if nodes.len() > 1 && clusters.len() < nodes.len() {
            let shown = nodes.iter().take(12).map(|id| id.as_str());
            report.at_with_hint(
                vmid,
                format!(
                    "a fixed VMID is for one node of a cluster; this template is for {} nodes: {}",
                    nodes.len(),
                    shown.collect::<Vec<_>>().join(", ")
                ),
                "name one node with `on`, or use `vmid_range`; only nodes of different `clusters` \
                 of the configuration can have the same VMID",
            );
        }
    }
}
