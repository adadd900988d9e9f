//! What is known of the sites that a run was not for.
//!
//! A controller that serves two sites and leads one of them looks at the nodes of that one
//! alone. What it knew of the other one is neither better nor worse for it, and is not over:
//! it is kept as it was, so that an alert about a node there does not end.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::Condition;
use super::status::{BLOCKED_MAX, Status};
use crate::model::{NodeId, OrderId, OrderSet, SiteName};

/// The sites that a controller serves and that a run was not for.
#[derive(Debug, Clone, Default)]
pub struct OtherSites {
    /// Their names.
    pub sites: BTreeSet<SiteName>,
    /// Their nodes.
    pub nodes: BTreeSet<NodeId>,
    /// What orders want there.
    pub orders: OrderSet,
}

impl Status {
    /// A status after a run, with what `before` says of the sites that it was not for.
    #[must_use]
    pub fn with_other_sites(mut self, before: &Self, others: &OtherSites) -> Self {
        let orders: BTreeSet<&OrderId> = others.orders.orders.iter().map(|o| &o.id).collect();
        let is_there = |node: &NodeId| others.nodes.contains(node);
        for (node, line) in before.nodes.iter().filter(|(node, _)| is_there(node)) {
            self.nodes.insert(node.clone(), line.clone());
        }
        let pushed = before.counters.pushed.iter();
        for (node, bytes) in pushed.filter(|(node, _)| is_there(node)) {
            self.counters.pushed.insert(node.clone(), bytes.clone());
        }
        // What the run says of an order is true for all sites that it has nodes in.
        let own: BTreeSet<OrderId> = self.orders.keys().cloned().collect();
        let is_of_others_alone = |id: &OrderId| orders.contains(id) && !own.contains(id);
        for (id, line) in before.orders.iter().filter(|(id, _)| orders.contains(id)) {
            self.orders
                .entry(id.clone())
                .or_insert_with(|| line.clone());
        }
        let kept = before.rollouts.iter();
        let kept = kept.filter(|line| is_of_others_alone(&line.planned.order));
        self.rollouts.extend(kept.cloned());
        for (file, image) in &before.images {
            if image.orders.iter().any(|id| orders.contains(id)) {
                let known = self.images.entry(file.clone());
                let known = known.or_insert_with(|| image.clone());
                known.orders.extend(image.orders.iter().cloned());
            }
        }
        let blocked = before.blocked.iter();
        let blocked = blocked.filter(|line| line.step.node().is_some_and(|node| is_there(&node)));
        self.blocked.extend(blocked.cloned());
        self.more_blocked += self.blocked.len().saturating_sub(BLOCKED_MAX);
        self.blocked.truncate(BLOCKED_MAX);
        self.keep_conditions(before, &orders, is_there);
        let names: Vec<&str> = others.sites.iter().map(SiteName::as_str).collect();
        if !names.is_empty() {
            self.notes.push(format!(
                "this controller does not lead {}; what is shown of it is from before",
                names.join(", ")
            ));
        }
        self
    }

    /// Those of the nodes, of orders that only they are for, and of what orders are there
    /// for both.
    fn keep_conditions(
        &mut self,
        before: &Self,
        orders: &BTreeSet<&OrderId>,
        is_there: impl Fn(&NodeId) -> bool,
    ) {
        let has_order = |condition: &Condition| match &condition.order {
            Some(name) => orders.iter().any(|id| id.as_str() == name),
            None => true,
        };
        let mut worst: BTreeMap<String, &Condition> = BTreeMap::new();
        for condition in before.conditions.iter().filter(|one| has_order(one)) {
            match (&condition.order, &condition.node) {
                (_, Some(node)) if is_there(node) => {
                    self.conditions.push(condition.clone());
                    if let Some(order) = &condition.order
                        && !condition.state.is_fine()
                    {
                        let known = worst.entry(order.clone()).or_insert(condition);
                        if condition.state < known.state {
                            *known = condition;
                        }
                    }
                }
                (Some(order), None) => {
                    let is_of = |known: &Condition| {
                        known.node.is_none() && known.order.as_ref() == Some(order)
                    };
                    if !self.conditions.iter().any(is_of) {
                        self.conditions.push(condition.clone());
                    }
                }
                _ => {}
            }
        }
        // An order is ready only where all of its nodes are.
        for condition in self.conditions.iter_mut().filter(|one| one.node.is_none()) {
            let Some(order) = &condition.order else {
                continue;
            };
            if condition.state.is_fine()
                && let Some(worst) = worst.get(order)
                && let Some(node) = &worst.node
            {
                let (last_ready, since) = (condition.last_ready, worst.since);
                *condition = Condition {
                    order: condition.order.take(),
                    node: None,
                    message: format!("on {node}: {}", worst.message),
                    since,
                    last_ready: worst.last_ready.or(last_ready),
                    images: std::mem::take(&mut condition.images),
                    ..(*worst).clone()
                };
            }
        }
        self.conditions
            .sort_by(|a, b| (&a.order, &a.node).cmp(&(&b.order, &b.node)));
    }
}
