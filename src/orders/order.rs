//! One order: its head, and its positions one by one.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use super::file::{DeletionWord, OrderShape};
use super::position::{self, PositionOutcome};
use super::reading::Reading;
use super::rollout::{ReadRollout, read_rollout};
use super::windows::read_windows;
use crate::model::{
    Deletion, Inventory, InventoryNode, Order, OrderId, Problem, RejectedOrder, Windows, visible,
};
use crate::yaml::{ProblemReport, YamlKind, YamlNode, read};

/// Reads an order. Bad positions do not make it bad; a bad head does.
pub(super) fn read_order(
    node: &YamlNode,
    reading: &mut Reading<'_>,
) -> Result<Order, RejectedOrder> {
    let source = reading.source(node);
    let mut report = ProblemReport::new(reading.doc);
    let head = read_head(node, &reading.defaults.inventory, &mut report);
    let positions = read_positions(node, reading);
    if let Some(read) = &head.rollout {
        warn_of_idle_rings(read, &positions, reading);
    }
    match head.id {
        Some(id) if report.is_empty() => Ok(Order {
            suspended: head.suspended,
            deletion: head.deletion,
            windows: head.windows,
            rollout: head.rollout.map(|read| read.rollout),
            elsewhere: Vec::new(),
            id,
            customer: head.customer,
            source,
            positions: positions.used,
            rejected: positions.rejected,
            skipped: positions.skipped,
        }),
        id => Err(RejectedOrder {
            id,
            customer: head.customer,
            source,
            problems: problems(report, positions),
        }),
    }
}

/// The problems of a head and, after them, of the positions under it.
fn problems(report: ProblemReport<'_>, positions: Positions) -> Vec<Problem> {
    let mut problems = report.finish();
    let under = positions.rejected.into_iter();
    problems.extend(under.flat_map(|position| position.problems));
    problems
}

struct OrderHead {
    id: Option<OrderId>,
    customer: Option<String>,
    suspended: bool,
    deletion: Option<Deletion>,
    windows: Option<Windows>,
    rollout: Option<ReadRollout>,
}

fn read_head(node: &YamlNode, inventory: &Inventory, report: &mut ProblemReport<'_>) -> OrderHead {
    if !matches!(node.kind, YamlKind::Map { .. }) {
        report.at_with_hint(
            node.id,
            format!(
                "expected an order, found {}",
                report.document().describe(node)
            ),
            "an order is a map with `orderid` and `positions`",
        );
        return OrderHead {
            id: None,
            customer: None,
            suspended: false,
            deletion: None,
            windows: None,
            rollout: None,
        };
    }
    let shape: OrderShape<IgnoredAny> = read(node, report);
    let id = match &shape.orderid {
        Some(text) => report.parse::<OrderId>(text),
        None => {
            report.missing(node.id, "orderid", "every order needs a unique id");
            None
        }
    };
    if shape.positions.is_none() {
        report.missing(
            node.id,
            "positions",
            "write `positions: []` for an order without images",
        );
    }
    let deletion = deletion(&shape, report);
    let windows = shape.windows.as_deref();
    let windows = windows.map(|windows| read_windows(windows, report));
    let rollout = shape.rollout.as_ref();
    let rollout = rollout.map(|rollout| read_rollout(rollout, inventory, report));
    let customer = shape
        .customer
        .filter(|text| report.fits_a_line(text))
        // Free text in any script, shown in many places and never compared.
        .map(|text| visible(&text.value).into_owned());
    OrderHead {
        id,
        customer,
        suspended: shape.suspend.unwrap_or(false),
        deletion,
        windows,
        rollout,
    }
}

/// A ring that nothing goes to is probably a mistake. Where it is not known what the order
/// delivers to, it may have nodes.
fn warn_of_idle_rings(read: &ReadRollout, positions: &Positions, reading: &mut Reading<'_>) {
    let used = &positions.used;
    let is_known = positions.rejected.is_empty() && used.iter().all(|one| one.awaited.is_empty());
    let targets = used.iter().flat_map(|position| {
        let by_dir = position.targets.iter().map(|target| &target.node);
        by_dir.chain(position.storages.iter().map(|target| &target.node))
    });
    let mut targets = targets.peekable();
    if !is_known || targets.peek().is_none() {
        return;
    }
    let inventory = &reading.defaults.inventory;
    let traits = targets.map(|node| {
        let known = inventory.by_name(node).map(InventoryNode::traits);
        known.unwrap_or_default()
    });
    for (place, ring) in read.idle(traits) {
        let message = format!(
            "the ring {} has no node that the order delivers to",
            ring.name
        );
        reading.warnings.push(reading.doc.problem(place, message));
    }
}

/// What becomes of the order's files, where it says so. The two keys may stand side
/// by side, since `orphan` is the more careful one; the other contradiction is a
/// mistake that could cost files, so it is refused rather than weighed.
fn deletion(shape: &OrderShape<IgnoredAny>, report: &mut ProblemReport<'_>) -> Option<Deletion> {
    let policy = shape.deletion_policy.as_ref();
    match (shape.prune, policy.map(|at| (at.value, at.place))) {
        (_, Some((DeletionWord::Orphan, _))) | (Some(false), None) => Some(Deletion::Orphan),
        (Some(false), Some((DeletionWord::Delete, place))) => {
            report.at_with_hint(
                place,
                "`deletion_policy: delete` contradicts `prune: false`",
                "remove one of them",
            );
            None
        }
        (Some(true), None) | (None | Some(true), Some((DeletionWord::Delete, _))) => {
            Some(Deletion::Delete)
        }
        (None, None) => None,
    }
}

/// The positions of an order by what became of them.
#[derive(Default)]
struct Positions {
    used: Vec<crate::model::Position>,
    rejected: Vec<crate::model::RejectedPosition>,
    skipped: Vec<crate::model::Skipped>,
}

fn read_positions(node: &YamlNode, reading: &mut Reading<'_>) -> Positions {
    let mut positions = Positions::default();
    // Manifests and steps refer to a position by its name.
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    let elements = node.get("positions").map_or(&[][..], YamlNode::elements);
    for (index, element) in elements.iter().enumerate() {
        let line = reading.doc.line(element.id);
        match position::read_position(index, element, &names, reading) {
            PositionOutcome::Used(position) => {
                names.entry(position.name.clone()).or_insert(line);
                positions.used.push(*position);
            }
            PositionOutcome::Rejected(rejected) => {
                names.entry(rejected.name.clone()).or_insert(line);
                positions.rejected.push(rejected);
            }
            PositionOutcome::Skipped(skipped) => {
                names.entry(skipped.name.clone()).or_insert(line);
                positions.skipped.push(skipped);
            }
        }
    }
    positions
}
