//! `status`: the status of each order, each node, and what is blocked.

pub(super) mod fleet;
mod header;
mod text;

use jiff::Timestamp;

use super::args::Common;
use super::exit::Exit;
use super::forms::OutputForm;
use super::table::one_line;
use super::{filter, out, style};
use crate::app::App;
use crate::conclude::{Condition, ConditionState, Reason, Scope, Status, StatusAnswer};
use crate::controller::http::client;
use crate::model::{NodeId, OrderId};
use crate::plan::{PlannedRing, Selection};
use text::{StatusView, concerns};

/// Shows what the controller wrote down.
pub(super) async fn run(
    common: &Common,
    selection: &Selection,
    output: OutputForm,
) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let state = app.readable_state()?;
    // Asked before the file is read: what ends in between has written its end.
    let is_gone = client::is_running(&state).await == Some(false);
    let is_locked = app.is_locked() != Some(false);
    let Some(status) = state.status() else {
        state.check_access()?;
        let dir = state.path().display();
        anyhow::bail!("no status in {dir}: there has been no run yet");
    };
    let mut status = status.with_suspended(state.suspended());
    if app.settings().fleet.is_none() {
        // In a fleet they are in the store, which this command does not ask.
        let known = state.instructions(&state.memory().instructed);
        let orders: Vec<OrderId> = status.orders.keys().cloned().collect();
        status = status.with_instructed(&known.over(&orders));
    }
    if status.owner.is_empty() {
        status.owner.clone_from(&app.settings().owner);
    }
    if is_gone {
        status = status.without_controller(is_locked);
    }
    filter::check_status(selection, &app, &status)?;
    select(&mut status, selection);
    show(&status, &Scope::All, output, app.now())
}

/// Leaves what was asked for.
fn select(status: &mut Status, selection: &Selection) {
    if selection.is_all() {
        return;
    }
    let has_node = |node: Option<&NodeId>| {
        selection.nodes.is_empty() || node.is_some_and(|node| selection.has_node(node.as_str()))
    };
    let has_order = |order: Option<&str>| {
        selection.orders.is_empty() || order.is_some_and(|order| selection.has_order(order))
    };
    status.conditions.retain(|condition| {
        has_order(condition.order.as_deref()) && has_node(condition.node.as_ref())
    });
    status.blocked.retain(|blocked| {
        let mut orders = blocked.orders.iter();
        (selection.orders.is_empty() || orders.any(|order| selection.has_order(order.as_str())))
            && has_node(blocked.step.node().as_ref())
    });
    status.more_blocked = 0;
    // An order has what its conditions name.
    let of_orders = |node: &NodeId| {
        let mut conditions = status.conditions.iter();
        selection.orders.is_empty() || conditions.any(|c| c.node.as_ref() == Some(node))
    };
    status.rollouts.retain(|line| {
        let has_nodes = |ring: &PlannedRing| ring.nodes.iter().any(|node| has_node(Some(node)));
        let order = line.planned.order.as_str();
        has_order(Some(order)) && line.planned.rings.iter().any(has_nodes)
    });
    let has = |node: &NodeId| has_node(Some(node)) && of_orders(node);
    status.circuits.retain(|node, _| has(node));
    status.nodes.retain(|node, _| has(node));
    status.orders.retain(|order, _| {
        let mut conditions = status.conditions.iter();
        conditions.any(|condition| condition.order.as_deref() == Some(order.as_str()))
    });
    status.images.retain(|file, _| {
        let mut images = status.conditions.iter().flat_map(|c| &c.images);
        images.any(|image| image.cache_file() == Some(file))
    });
}

/// What of a status is not as it should be, as errors; for whoever wants nothing else.
pub(super) fn show_errors(status: &Status, scope: &Scope) -> Exit {
    let shown = status.conditions.iter().filter(|c| concerns(scope, c));
    // The line of an order says what its nodes have in common.
    let shown = shown.filter(|c| *scope != Scope::All || c.node.is_none() || c.order.is_none());
    for condition in shown.filter(|condition| !condition.state.is_fine()) {
        out::note(&format!("{} {}", style::error("error:"), line(condition)));
    }
    exit(status, scope)
}

/// A condition in a line.
pub(super) fn line(condition: &Condition) -> String {
    let order = condition.order.as_deref().map(one_line);
    let mut text = match (order, &condition.node) {
        (Some(order), Some(node)) => format!("{order} on {node}"),
        (Some(order), None) => order,
        (None, Some(node)) => node.to_string(),
        // The revision of the orders concerns none of them alone.
        (None, None) if condition.reason.is_some_and(Reason::is_of_source) => "orders".to_owned(),
        (None, None) => "cache".to_owned(),
    };
    text.push_str(&format!(": {}", condition.state));
    if let Some(reason) = condition.reason.filter(|one| *one != Reason::Suspended) {
        text.push_str(&format!(" {reason}"));
    }
    format!("{text}: {}", one_line(&condition.message))
}

/// Writes a status, or what of it concerns an order or a node. Done if all that is
/// shown is ready or suspended.
pub(super) fn show(
    status: &Status,
    scope: &Scope,
    output: OutputForm,
    now: Timestamp,
) -> anyhow::Result<Exit> {
    match output.data() {
        Some(form) => out::value(form, &StatusAnswer::from(status))?,
        None => {
            let view = StatusView {
                scope,
                width: out::width(),
                is_wide: output == OutputForm::Wide,
                now,
            };
            out::text(&text::text(status, &view))?;
        }
    }
    Ok(exit(status, scope))
}

fn exit(status: &Status, scope: &Scope) -> Exit {
    let shown = status.conditions.iter().filter(|c| concerns(scope, c));
    let is_fine = match scope {
        Scope::All => status.is_ready(),
        Scope::Order(_) | Scope::Node(_) => {
            let mut states = shown.map(|condition| condition.state).peekable();
            states.peek().is_some() && states.all(ConditionState::is_fine)
        }
    };
    match is_fine {
        true => Exit::Done,
        false => Exit::Failed,
    }
}

#[cfg(test)]
mod tests;
