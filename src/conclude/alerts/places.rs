//! Conditions as alerts: what belongs to a node, to an order, or to an order on a node.

use std::collections::{BTreeMap, BTreeSet};

use super::alert::{Alert, AlertKey, Severity};
use super::finding::{Finding, RunView};
use super::hint::hint;
use crate::conclude::{Condition, ConditionState, Reason, SourceState};
use crate::model::NodeId;

/// What a reason is about, so that one cause is one alert.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The node: every order on it has the same.
    Node,
    /// The order: it has the same on every node.
    Order,
    /// The order on that node.
    Place,
    /// It is in between: what was known of it before still counts.
    Unknown,
}

const fn cause(reason: Reason) -> Cause {
    match reason {
        Reason::TargetUnreachable => Cause::Node,
        Reason::InvalidOrder
        | Reason::SourceRejected
        | Reason::SourceUnavailable
        | Reason::NoSuchVersion
        | Reason::UpstreamRateLimited
        | Reason::UpstreamUnavailable => Cause::Order,
        Reason::Conflict
        | Reason::DigestMismatch
        | Reason::InsufficientSpace
        | Reason::NotMounted
        | Reason::StorageUnusable
        | Reason::DirectoryMissing
        | Reason::PermissionDenied
        | Reason::PruneBlocked
        | Reason::Failed => Cause::Place,
        // A failure between two attempts, what nobody looked at, and what goes on. What
        // failed in a window may fail in the next one again.
        Reason::BackingOff
        | Reason::OutsideWindow
        | Reason::WaitsForRing
        | Reason::WaitsForPromotion
        | Reason::Suspended
        | Reason::NotSelected
        | Reason::Interrupted => Cause::Unknown,
    }
}

/// How a condition is.
enum Standing {
    Fine,
    Unknown,
    Bad(Reason),
}

fn standing(condition: &Condition) -> Standing {
    if condition.state.is_fine() {
        return Standing::Fine;
    }
    match condition.reason {
        Some(reason) if cause(reason) != Cause::Unknown => Standing::Bad(reason),
        _ => Standing::Unknown,
    }
}

/// How each place, node and order is.
pub(super) fn findings(run: &RunView<'_>) -> BTreeMap<AlertKey, Finding> {
    let mut found = BTreeMap::new();
    if let Some(source) = &run.status.source {
        let finding = match source.state {
            SourceState::Ok => {
                Finding::Fine("the newest revision of the orders is in effect".to_owned())
            }
            // There is a condition that says it, unless the cache has a worse one.
            SourceState::Rejected | SourceState::Unavailable => Finding::Unknown,
        };
        found.insert(AlertKey::source(), finding);
    }
    let mut nodes: BTreeMap<&NodeId, Vec<&Condition>> = BTreeMap::new();
    let mut orders: BTreeMap<&str, Lines<'_>> = BTreeMap::new();
    for condition in &run.status.conditions {
        match (&condition.order, &condition.node) {
            (Some(order), Some(node)) => {
                nodes.entry(node).or_default().push(condition);
                orders.entry(order).or_default().nodes.push(condition);
            }
            (Some(order), None) => orders.entry(order).or_default().own = Some(condition),
            (None, node) => match condition.reason {
                Some(reason) if reason.is_of_source() => {
                    let key = AlertKey::source();
                    found.insert(key.clone(), of_source(key, condition, reason, run));
                    // What the line would say of the cache is not known.
                    found.insert(AlertKey::removals(node.as_ref()), Finding::Unknown);
                }
                _ => {
                    let key = AlertKey::removals(node.as_ref());
                    found.insert(key.clone(), of_removals(key, condition, run));
                }
            },
        }
    }
    for (node, conditions) in nodes {
        let key = AlertKey::node(node);
        found.insert(key.clone(), of_node(key, &conditions, run));
    }
    for (order, lines) in orders {
        for condition in &lines.nodes {
            if let Some(node) = &condition.node {
                let key = AlertKey::place(order, node);
                found.insert(key.clone(), of_place(key, condition, run));
            }
        }
        let key = AlertKey::order(order);
        found.insert(key.clone(), of_order(key, &lines, run));
    }
    found
}

/// The conditions of an order.
#[derive(Default)]
struct Lines<'a> {
    own: Option<&'a Condition>,
    nodes: Vec<&'a Condition>,
}

fn of_place(key: AlertKey, condition: &Condition, run: &RunView<'_>) -> Finding {
    match standing(condition) {
        Standing::Fine => Finding::Fine(outcome(condition)),
        Standing::Unknown => Finding::Unknown,
        Standing::Bad(reason) if cause(reason) == Cause::Place => {
            Finding::Firing(Box::new(alert(key, condition, reason, run)))
        }
        Standing::Bad(_) => Finding::Covered,
    }
}

fn of_order(key: AlertKey, lines: &Lines<'_>, run: &RunView<'_>) -> Finding {
    let is_of_order = |condition: &&&Condition| matches!(standing(condition), Standing::Bad(reason) if cause(reason) == Cause::Order);
    let own = lines.own.iter().filter(|own| {
        let Standing::Bad(reason) = standing(own) else {
            return false;
        };
        // The line of an order repeats what its nodes have.
        let is_on_node = lines.nodes.iter().any(|on| on.reason == Some(reason));
        cause(reason) == Cause::Order || !is_on_node
    });
    let first = own.chain(lines.nodes.iter().filter(is_of_order)).next();
    if let Some(condition) = first
        && let Some(reason) = condition.reason
    {
        let alert = Alert {
            node: None,
            site: None,
            ..alert(key, condition, reason, run)
        };
        return Finding::Firing(Box::new(alert));
    }
    match lines.own.map(|own| (own, standing(own))) {
        Some((own, Standing::Fine)) => Finding::Fine(outcome(own)),
        Some((_, Standing::Bad(_))) => Finding::Covered,
        Some((_, Standing::Unknown)) | None => Finding::Unknown,
    }
}

fn of_node(key: AlertKey, conditions: &[&Condition], run: &RunView<'_>) -> Finding {
    let standings = conditions
        .iter()
        .map(|condition| (condition, standing(condition)));
    let silent: Vec<_> = standings
        .filter_map(|(condition, standing)| match standing {
            Standing::Bad(reason) if cause(reason) == Cause::Node => Some((condition, reason)),
            _ => None,
        })
        .collect();
    if let Some((first, reason)) = silent.first() {
        let orders: BTreeSet<String> = silent
            .iter()
            .filter_map(|(condition, _)| condition.order.clone())
            .collect();
        let since = silent.iter().map(|(condition, _)| condition.since).min();
        let alert = alert(key, first, *reason, run);
        return Finding::Firing(Box::new(Alert {
            orders,
            since: since.unwrap_or(alert.since),
            ..alert
        }));
    }
    let known = conditions
        .iter()
        .find(|condition| !matches!(standing(condition), Standing::Unknown));
    match known {
        Some(condition) if condition.state == ConditionState::Suspended => {
            Finding::Fine(outcome(condition))
        }
        Some(_) => Finding::Fine("it answers again".to_owned()),
        None => Finding::Unknown,
    }
}

/// Where the orders come from. What helps is known where it was found.
fn of_source(key: AlertKey, condition: &Condition, reason: Reason, run: &RunView<'_>) -> Finding {
    let alert = alert(key, condition, reason, run);
    let source = run.status.source.as_ref();
    let hint = source.and_then(|source| source.hint.clone());
    let alert = Alert {
        hint: hint.or_else(|| alert.hint.clone()),
        ..alert
    };
    Finding::Firing(Box::new(alert.bounded()))
}

/// What is removed belongs to no order.
fn of_removals(key: AlertKey, condition: &Condition, run: &RunView<'_>) -> Finding {
    let Standing::Bad(reason) = standing(condition) else {
        return match condition.state.is_fine() {
            true => Finding::Fine(outcome(condition)),
            false => Finding::Unknown,
        };
    };
    if cause(reason) == Cause::Node {
        return Finding::Covered;
    }
    let mut alert = alert(key, condition, reason, run);
    let approvals = run.status.blocked.iter().filter_map(|blocked| {
        let is_here = blocked.step.node() == condition.node;
        blocked.approval.as_ref().filter(|_| is_here)
    });
    let approvals: BTreeSet<&str> = approvals.map(|approval| approval.0.as_str()).collect();
    if !approvals.is_empty() {
        let commands: Vec<String> = approvals
            .iter()
            .map(|id| format!("`talos-order approve {id}`"))
            .collect();
        alert.hint = Some(format!(
            "`talos-order plan` shows what would be pruned; {} permits it",
            commands.join(" or ")
        ));
    }
    Finding::Firing(Box::new(alert.bounded()))
}

/// How something is that is not firing.
fn outcome(condition: &Condition) -> String {
    match condition.state {
        ConditionState::Suspended => condition.message.clone(),
        _ => "in sync".to_owned(),
    }
}

fn alert(key: AlertKey, condition: &Condition, reason: Reason, run: &RunView<'_>) -> Alert {
    let is_stalled = condition.state == ConditionState::Stalled;
    let node = condition.node.clone();
    let site = node.as_ref().and_then(|node| run.network.site_of.get(node));
    let (message, own_hint) = parts(&condition.message);
    let alert = Alert {
        key,
        orders: condition.order.iter().cloned().collect(),
        site: site.cloned(),
        node,
        cluster: None,
        severity: match is_stalled {
            true => Severity::Error,
            false => Severity::Warning,
        },
        is_retried: !is_stalled,
        state: condition.state.to_string(),
        reason: reason.to_string(),
        message,
        hint: own_hint.or_else(|| hint(reason).map(str::to_owned)),
        since: condition.since,
    };
    alert.bounded()
}

/// A message without its hint, and the hint; what stands behind that is when it is tried
/// again.
fn parts(message: &str) -> (String, Option<String>) {
    let Some((message, rest)) = message.split_once("; hint: ") else {
        return (message.to_owned(), None);
    };
    match rest.rfind(" (") {
        Some(at) if rest.ends_with(')') => {
            let (hint, next) = rest.split_at(at);
            (format!("{message}{next}"), Some(hint.to_owned()))
        }
        _ => (message.to_owned(), Some(rest.to_owned())),
    }
}
