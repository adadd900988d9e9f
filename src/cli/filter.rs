//! Which orders and nodes a command is for.

use std::collections::BTreeSet;

use clap::Args;

use super::notices;
use crate::app::App;
use crate::conclude::Status;
use crate::model::{NodeId, OrderId, OrderSet};
use crate::plan::{NamePattern, Selection, UnmatchedPattern};

/// What of an answer is shown.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Show only this order; * matches any characters; repeatable
    #[arg(long, value_name = "ID")]
    pub order: Vec<NamePattern>,
    /// Show only this node; * matches any characters; repeatable
    #[arg(long, value_name = "NAME")]
    pub node: Vec<NamePattern>,
}

/// What a run is for.
#[derive(Debug, Clone, Default, Args)]
pub struct SelectArgs {
    /// Only the steps of this order and the steps that they need; nothing is
    /// pruned. * matches any characters; repeatable
    #[arg(long, value_name = "ID", conflicts_with = "purge_cache")]
    pub order: Vec<NamePattern>,
    /// Only the steps on this node and the steps that they need; without
    /// --order, unwanted files are pruned from it. * matches any characters;
    /// repeatable
    #[arg(long, value_name = "NAME", conflicts_with = "purge_cache")]
    pub node: Vec<NamePattern>,
}

impl From<FilterArgs> for Selection {
    fn from(args: FilterArgs) -> Self {
        Self {
            orders: args.order,
            nodes: args.node,
        }
    }
}

impl From<SelectArgs> for Selection {
    fn from(args: SelectArgs) -> Self {
        Self {
            orders: args.order,
            nodes: args.node,
        }
    }
}

/// Checks that a selection names orders and nodes that there are, before anything is
/// looked at.
///
/// # Errors
/// The first pattern that fits none. Problems in orders are told then: an order that
/// cannot be read has no name.
pub(super) fn check(
    selection: &Selection,
    app: &App,
    orders: &OrderSet,
) -> Result<(), UnmatchedPattern> {
    if selection.is_all() {
        return Ok(());
    }
    let rejected = orders.rejected_orders.iter();
    let rejected = rejected.filter_map(|order| order.id.as_ref());
    let ids = orders.orders.iter().map(|order| &order.id).chain(rejected);
    // A node that no order names any more may have files to prune.
    let memory = app.state().memory();
    let nodes = orders.nodes.keys().chain(memory.places.keys());
    let configured = app.configured_nodes();
    let configured = configured.iter().map(|node| &node.id);
    let checked = selection.check(
        &ids.map(OrderId::as_str).collect(),
        &nodes.chain(configured).map(NodeId::as_str).collect(),
    );
    if checked.is_err() {
        notices::problems(orders);
    }
    checked
}

/// The same for what is known from the last run.
///
/// # Errors
/// The first pattern that fits none.
pub(super) fn check_status(
    selection: &Selection,
    app: &App,
    status: &Status,
) -> Result<(), UnmatchedPattern> {
    let conditions = &status.conditions;
    let orders = conditions.iter().filter_map(|one| one.order.as_deref());
    app.recall();
    let configured = app.configured_nodes();
    let mut nodes: BTreeSet<&NodeId> = configured.iter().map(|node| &node.id).collect();
    nodes.extend(conditions.iter().filter_map(|one| one.node.as_ref()));
    nodes.extend(status.circuits.keys());
    selection.check(
        &orders.collect(),
        &nodes.into_iter().map(NodeId::as_str).collect(),
    )
}
