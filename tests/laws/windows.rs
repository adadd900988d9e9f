//! Windows: what they hold, and that they do nothing else.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::sample::select;
use talos_order::facts::{NodeState, Observed};
use talos_order::model::{OrderId, TimeOfDay, WeeklyWindow, WindowDays, WindowKind, Windows};
use talos_order::plan::{Action, BlockedReason, Plan, Selection, Step};

use crate::universe::{Case, case};
use crate::{config, planned};

/// A few windows around the time of the world, a Thursday at midnight UTC.
fn windows() -> impl Strategy<Value = Windows> {
    let days = select(vec!["wed", "thu", "fri", "mon-sun"]);
    let times = select(vec![
        ("00:00", "24:00"),
        ("00:00", "06:00"),
        ("22:00", "02:00"),
        ("22:00", "00:00"),
        ("06:00", "07:00"),
    ]);
    let zone = select(vec!["UTC", "Europe/Berlin", "Pacific/Auckland"]);
    let kinds = select(vec![
        &[WindowKind::Push][..],
        &[WindowKind::Prune],
        &WindowKind::ALL,
    ]);
    let window = (days, times, zone, kinds).prop_map(|(days, (from, to), zone, kinds)| {
        let time = |text: &str| text.parse::<TimeOfDay>().expect("a time");
        WeeklyWindow {
            days: days.parse::<WindowDays>().expect("days"),
            from: time(from),
            to: time(to),
            zone: TimeZone::get(zone).expect("a time zone"),
            kinds: kinds.iter().copied().collect(),
        }
    });
    prop::collection::vec(window, 0..3).prop_map(Windows::new)
}

/// The orders that a file was placed for; some of them may be gone.
fn placed_for() -> impl Strategy<Value = BTreeSet<OrderId>> {
    let order = (0..5).prop_map(|number| format!("order-{number}").parse().expect("an id"));
    prop::collection::btree_set(order, 0..3)
}

prop_compose! {
    /// A case whose orders have windows, or take those of all.
    fn with_windows()(
        case in case(),
        default in windows(),
        own in prop::collection::vec(prop::option::of(windows()), 4),
        placed_for in prop::collection::vec(placed_for(), 1..6),
    ) -> Case {
        let mut case = case;
        case.policy.windows = default;
        for (order, own) in case.orders.orders.iter_mut().zip(own) {
            order.windows = own;
        }
        let mut placed_for = placed_for.into_iter().cycle();
        for state in case.observed.nodes.values_mut() {
            let NodeState::Listed { dirs, .. } = state else { continue };
            let entries = dirs.values_mut().flat_map(|dir| dir.record.values_mut());
            for (entry, orders) in entries.zip(placed_for.by_ref()) {
                entry.orders = orders;
            }
        }
        case
    }
}

fn without_windows(case: &Case) -> Case {
    let mut case = case.clone();
    case.policy.windows = Windows::default();
    for order in &mut case.orders.orders {
        order.windows = None;
    }
    case
}

fn is_open(case: &Case, order: &OrderId, kind: WindowKind, now: Timestamp) -> bool {
    let mut orders = case.orders.orders.iter();
    let own = orders.find(|known| known.id == *order);
    let own = own.and_then(|order| order.windows.as_ref());
    let windows = own.unwrap_or(&case.policy.windows);
    windows.opening(kind, now).is_none()
}

/// True if a step may begin now.
fn may_begin(case: &Case, step: &Step, observed: &Observed) -> bool {
    let now = observed.now;
    match &step.action {
        Action::Push { .. } => {
            let mut orders = step.wanted_by.iter().map(|position| &position.order);
            orders.any(|order| is_open(case, order, WindowKind::Push, now))
        }
        Action::PruneNode { target, file, .. } => {
            let NodeState::Listed { dirs, .. } = &observed.nodes[&target.node] else {
                return false;
            };
            let orders = &dirs[&target.dir].record[file].orders;
            match orders.is_empty() {
                true => case
                    .policy
                    .windows
                    .opening(WindowKind::Prune, now)
                    .is_none(),
                false => orders
                    .iter()
                    .all(|order| is_open(case, order, WindowKind::Prune, now)),
            }
        }
        Action::ClearPart { .. } => case
            .policy
            .windows
            .opening(WindowKind::Prune, now)
            .is_none(),
        _ => true,
    }
}

fn ids(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().map(|step| step.id.text().to_string());
    steps.collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn outside_its_windows_nothing_is_pushed_or_pruned(case in with_windows()) {
        for step in planned(&case, &case.observed).steps {
            prop_assert!(may_begin(&case, &step, &case.observed), "{} begins", step.id.text());
        }
    }

    #[test]
    fn what_is_held_would_be_a_step_and_says_when_it_may_begin(case in with_windows()) {
        let plan = planned(&case, &case.observed);
        let free = planned(&without_windows(&case), &case.observed);
        for blocked in &plan.blocked {
            let BlockedReason::OutsideWindow { until, .. } = &blocked.reason else { continue };
            prop_assert!(*until > case.observed.now);
            let step = free.steps.iter().find(|step| step.id == blocked.id);
            prop_assert!(step.is_some(), "{} would not be done anyway", blocked.id.text());
            // What waits for no other step begins at that time, and not before.
            let Some(step) = step.filter(|step| step.needs.is_empty()) else { continue };
            let at = |now| Observed { now, ..case.observed.clone() };
            prop_assert!(may_begin(&case, step, &at(*until)), "{} waits on", step.id.text());
            let before = *until - jiff::SignedDuration::from_secs(1);
            prop_assert!(!may_begin(&case, step, &at(before)), "{} is late", step.id.text());
        }
    }

    #[test]
    fn windows_hold_nothing_else(case in with_windows()) {
        let plan = planned(&case, &case.observed);
        let free = planned(&without_windows(&case), &case.observed);
        // Each step of the free plan is a step, or is held with the reason; of pushes
        // through a relay that is held the way may differ.
        for step in &free.steps {
            let is_step = plan.steps.iter().any(|other| other.id == step.id);
            let held = plan.blocked.iter().find(|blocked| blocked.id == step.id);
            let waits = held.is_some_and(|blocked| matches!(
                blocked.reason,
                BlockedReason::OutsideWindow { .. } | BlockedReason::PruneBlocked { .. }
            ));
            prop_assert!(is_step != waits, "{} is lost", step.id.text());
            prop_assert!(
                is_step || !matches!(
                    step.action,
                    Action::Fetch { .. } | Action::Unpack { .. } | Action::PruneCache { .. }
                    | Action::VerifyNode { .. } | Action::VerifyCache { .. }
                ),
                "{} waits", step.id.text()
            );
        }
        prop_assert_eq!(plan.in_sync, free.in_sync);
    }

    #[test]
    fn open_and_ignored_windows_change_nothing(case in with_windows(), all in any::<bool>()) {
        let free = planned(&without_windows(&case), &case.observed);
        let mut ignoring = case.clone();
        ignoring.options.ignore_windows = vec![Selection::default()];
        prop_assert_eq!(&planned(&ignoring, &case.observed), &free);
        let whole_day = WeeklyWindow {
            days: WindowDays::EVERY,
            from: TimeOfDay::BEGIN,
            to: TimeOfDay::END,
            zone: TimeZone::get("Europe/Berlin").expect("a time zone"),
            kinds: WindowKind::ALL.into(),
        };
        let open = Windows::new(vec![whole_day]);
        let mut opened = case.clone();
        opened.policy.windows = open.clone();
        for order in &mut opened.orders.orders {
            order.windows = all.then(|| open.clone());
        }
        let plan = planned(&opened, &case.observed);
        prop_assert_eq!(ids(&plan), ids(&free));
        prop_assert_eq!(plan, free);
    }
}
