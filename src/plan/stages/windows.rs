//! What may begin only in a window, and has to wait for it.
//!
//! Bringing something to a node is a push, and so are making a template and switching to
//! it; removing something from a node is a prune. Downloads, unpacking and reading back
//! change no node that anybody uses, so they do not wait, and a push begins with its image
//! at hand.
//!
//! What several orders want is pushed as soon as one of them may have it, as what a
//! suspended order shares with another is. A removal is in no hurry: it waits for a time at
//! which all orders that the file was placed for permit it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::select::concerns;
use crate::facts::{NodeVms, StepKind};
use crate::model::{OrderId, WindowKind, Windows};
use crate::plan::blocked::BlockedReason;
use crate::plan::selection::Selection;
use crate::plan::stage::StageInput;
use crate::plan::step::{Action, Step};

/// So far ahead windows of several orders are looked at for a time that they share.
const SHARED_WITHIN: SignedDuration = SignedDuration::from_hours(24 * 35);

/// The windows that are closed now.
pub(super) struct ClosedWindows<'a> {
    input: &'a StageInput<'a>,
    /// When pushes may begin where they may not now: by the order that has windows of its
    /// own, `None` for all others.
    pushes: BTreeMap<Option<&'a OrderId>, Zoned>,
    /// There are windows at all.
    is_used: bool,
}

impl<'a> ClosedWindows<'a> {
    pub(super) fn of(input: &'a StageInput<'a>) -> Self {
        let own = input.desired.windows.iter();
        let own = own.map(|(order, windows)| (Some(order), windows));
        let all = own.chain([(None, &input.policy.windows)]);
        let now = input.observed.now;
        let pushes = all.clone().filter_map(|(order, windows)| {
            let opening = windows.opening(WindowKind::Push, now)?;
            Some((order, opening))
        });
        Self {
            pushes: pushes.collect(),
            is_used: all.into_iter().any(|(_, windows)| !windows.is_empty()),
            input,
        }
    }

    /// Why a step waits for its window, if it does.
    pub(super) fn hold(&self, step: &Step) -> Option<BlockedReason> {
        let kind = kind(&step.action).filter(|_| self.is_used)?;
        let mut ignored = self.input.options.ignore_windows.iter();
        if ignored.any(|asked| is_covered(asked, step)) {
            return None;
        }
        match kind {
            WindowKind::Push => self.push(step).map(|opening| outside(&opening)),
            WindowKind::Prune => self.prune(step),
        }
    }

    /// When the first of the orders may have something; `None` where one may now.
    fn push(&self, step: &Step) -> Option<Zoned> {
        let mut first: Option<&Zoned> = None;
        for position in &step.wanted_by {
            let order = &position.order;
            let own = self.input.desired.windows.contains_key(order);
            let opening = self.pushes.get(&own.then_some(order))?;
            first = Some(first.map_or(opening, |first| first.min(opening)));
        }
        first.cloned()
    }

    fn prune(&self, step: &Step) -> Option<BlockedReason> {
        let mut of_orders: Vec<&Windows> = Vec::new();
        let orders = self.orders_of(step);
        let default = &self.input.policy.windows;
        // An order that is gone has none of its own.
        let own = |order: &OrderId| self.input.desired.windows.get(order).unwrap_or(default);
        for windows in orders.iter().map(own) {
            if !of_orders.contains(&windows) {
                of_orders.push(windows);
            }
        }
        // A part says nothing of whom it was for.
        if of_orders.is_empty() {
            of_orders.push(default);
        }
        let now = self.input.observed.now;
        let prune = |when| {
            let openings = of_orders.iter();
            let openings = openings.filter_map(|one| one.opening(WindowKind::Prune, when));
            openings.max()
        };
        let Some(mut opening) = shared(prune, now) else {
            let orders: Vec<&str> = orders.iter().map(OrderId::as_str).collect();
            let why = format!(
                "the orders {} have no window for prunes in common",
                orders.join(", ")
            );
            return Some(BlockedReason::PruneBlocked { why });
        };
        // Between the two there would be no template.
        if makes_room(step) {
            let both = |when| prune(when).max(self.push_after(step, when));
            let Some(later) = shared(both, now) else {
                let orders: BTreeSet<&str> = step
                    .wanted_by
                    .iter()
                    .map(|position| position.order.as_str())
                    .collect();
                let orders: Vec<&str> = orders.into_iter().collect();
                let why = format!(
                    "the template is replaced in place, and the windows of {} for pushes and \
                     prunes never overlap",
                    orders.join(", ")
                );
                return Some(BlockedReason::PruneBlocked { why });
            };
            opening = later;
        }
        (opening.timestamp() > now).then(|| outside(&opening))
    }

    /// When the first of the orders may have something next, seen from a time; `None` where
    /// one may then.
    fn push_after(&self, step: &Step, when: Timestamp) -> Option<Zoned> {
        let mut first: Option<Zoned> = None;
        for position in &step.wanted_by {
            let own = self.input.desired.windows.get(&position.order);
            let windows = own.unwrap_or(&self.input.policy.windows);
            let opening = windows.opening(WindowKind::Push, when)?;
            first = Some(first.map_or(opening.clone(), |first| first.min(opening)));
        }
        first
    }

    /// The orders for which something was brought that is removed now, and those that its
    /// removal makes room for.
    fn orders_of(&self, step: &Step) -> BTreeSet<OrderId> {
        let observed = self.input.observed;
        let of_record = match &step.action {
            Action::PruneNode { target, file, .. } => {
                let listing = self.input.listing(target);
                let entry = listing.and_then(|dir| dir.record.get(file));
                entry.map(|entry| entry.orders.clone())
            }
            Action::RemoveTemplate { node, vmid, .. } => match observed.vms.get(node) {
                Some(NodeVms::Known(vms)) => {
                    let config = vms.marked.get(vmid);
                    let mark = config.and_then(|config| config.mark_of(*vmid));
                    mark.map(|mark| mark.orders)
                }
                _ => None,
            },
            _ => None,
        };
        let served = step.wanted_by.iter().map(|position| position.order.clone());
        of_record.into_iter().flatten().chain(served).collect()
    }
}

/// What a step waits for a window as, if it does.
const fn kind(action: &Action) -> Option<WindowKind> {
    match action {
        Action::Push { .. } | Action::CreateTemplate(_) | Action::SwitchTemplate(_) => {
            Some(WindowKind::Push)
        }
        Action::PruneNode { .. } | Action::ClearPart { .. } | Action::RemoveTemplate { .. } => {
            Some(WindowKind::Prune)
        }
        Action::Register { .. }
        | Action::Fetch { .. }
        | Action::Unpack { .. }
        | Action::PruneCache { .. }
        | Action::ClearPartial { .. }
        | Action::VerifyNode { .. }
        | Action::VerifyCache { .. } => None,
    }
}

/// True if somebody asks for a step, whatever windows say. A template that gives its number
/// to another goes with that one.
fn is_covered(asked: &Selection, step: &Step) -> bool {
    let makes_room = makes_room(step) && {
        let mut orders = step.wanted_by.iter().map(|position| &position.order);
        let mut nodes = step.action.nodes();
        orders.any(|order| asked.has_order(order.as_str()))
            && nodes.any(|node| asked.has_node(node.as_str()))
    };
    asked.is_all() || makes_room || concerns(asked, &step.id, &step.wanted_by)
}

/// True for a template that gives its number to another, which is wanted by whoever wants
/// that one.
fn makes_room(step: &Step) -> bool {
    step.id.kind() == Some(StepKind::RemoveTemplate) && !step.wanted_by.is_empty()
}

/// The next time, perhaps now, at which nothing has to wait; `None` where that does not come
/// within weeks. `last_opening` says of a time when the last of several windows opens that are
/// closed then.
fn shared(last_opening: impl Fn(Timestamp) -> Option<Zoned>, now: Timestamp) -> Option<Zoned> {
    let last = now.saturating_add(SHARED_WITHIN).unwrap_or(Timestamp::MAX);
    let mut at = now.to_zoned(TimeZone::UTC);
    while at.timestamp() <= last {
        // Before the last of them it is not open by that one.
        match last_opening(at.timestamp()) {
            Some(opening) => at = opening,
            None => return Some(at),
        }
    }
    None
}

fn outside(opening: &Zoned) -> BlockedReason {
    BlockedReason::OutsideWindow {
        until: opening.timestamp(),
        local: opening.strftime("%a %Y-%m-%d %H:%M %Z").to_string(),
    }
}
