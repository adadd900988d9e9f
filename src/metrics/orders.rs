//! The numbers of orders, and of orders on nodes.

use std::collections::BTreeMap;

use super::catalog;
use super::definition::MetricDef;
use super::exposition::Exposition;
use crate::conclude::{Condition, ConditionState, Status};

/// So many pairs of an order and a node have numbers of their own. With 1,000 orders on 100
/// nodes each, four numbers for every pair would be 40 MB at every scrape. Beyond the
/// limit, only pairs that need attention have them, up to the same limit.
pub(super) const PAIRS_MAX: usize = 5000;

const STATES: [ConditionState; 4] = [
    ConditionState::Stalled,
    ConditionState::Reconciling,
    ConditionState::Suspended,
    ConditionState::Ready,
];

/// The metrics of a condition, for an order as a whole or on a node.
struct ConditionDefs {
    ready: &'static MetricDef,
    condition: &'static MetricDef,
    changed: &'static MetricDef,
    success: &'static MetricDef,
}

static OF_ORDER: ConditionDefs = ConditionDefs {
    ready: &catalog::ORDER_READY,
    condition: &catalog::ORDER_CONDITION,
    changed: &catalog::ORDER_CHANGED,
    success: &catalog::ORDER_SUCCESS,
};

static OF_PAIR: ConditionDefs = ConditionDefs {
    ready: &catalog::PAIR_READY,
    condition: &catalog::PAIR_CONDITION,
    changed: &catalog::PAIR_CHANGED,
    success: &catalog::PAIR_SUCCESS,
};

pub(super) fn add(to: &mut Exposition, status: &Status) {
    let mut by_state: BTreeMap<ConditionState, u64> = BTreeMap::new();
    let mut by_node: BTreeMap<&str, BTreeMap<ConditionState, u64>> = BTreeMap::new();
    let mut pairs = Vec::new();
    for condition in &status.conditions {
        // Without an order it is about removals, which have numbers of their own.
        let Some(order) = condition.order.as_deref() else {
            continue;
        };
        match &condition.node {
            None => {
                *by_state.entry(condition.state).or_default() += 1;
                OF_ORDER.add(to, status, condition, [order]);
            }
            Some(node) => {
                let states = by_node.entry(node.as_str()).or_default();
                *states.entry(condition.state).or_default() += 1;
                pairs.push((order, node.as_str(), condition));
            }
        }
    }
    for state in STATES {
        let count = by_state.get(&state).copied().unwrap_or(0);
        to.set(&catalog::ORDERS, [&state.to_string()], count);
    }
    for (node, states) in by_node {
        for state in STATES {
            let count = states.get(&state).copied().unwrap_or(0);
            to.set(&catalog::NODE_ORDERS, [node, &state.to_string()], count);
        }
    }
    for (order, line) in &status.orders {
        let positions = line.positions as u64;
        to.set(&catalog::ORDER_POSITIONS, [order.as_str()], positions);
    }
    add_pairs(to, status, pairs);
}

fn add_pairs(to: &mut Exposition, status: &Status, mut pairs: Vec<(&str, &str, &Condition)>) {
    let all = pairs.len();
    if all > PAIRS_MAX {
        pairs.retain(|(.., condition)| !condition.state.is_fine());
        pairs.truncate(PAIRS_MAX);
    }
    let omitted = (all - pairs.len()) as u64;
    to.set(&catalog::PAIRS_OMITTED, [], omitted);
    for (order, node, condition) in pairs {
        OF_PAIR.add(to, status, condition, [order, node]);
    }
}

impl ConditionDefs {
    fn add<const N: usize>(
        &self,
        to: &mut Exposition,
        status: &Status,
        condition: &Condition,
        subject: [&str; N],
    ) {
        let is_ready = condition.state == ConditionState::Ready;
        to.set_true(self.ready, subject, is_ready);
        to.set_time(self.changed, subject, condition.since);
        if let Some(success) = condition.ready_at(status.looked_at) {
            to.set_time(self.success, subject, success);
        }
        let state = condition.state.to_string();
        let reason = condition.reason.map(|reason| reason.to_string());
        let words = [state.as_str(), reason.as_deref().unwrap_or_default()];
        let labels: Vec<&str> = subject.into_iter().chain(words).collect();
        to.set_all(self.condition, &labels, 1);
    }
}
