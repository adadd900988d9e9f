//! Laws of what limits a run: the plan that it began with, and the orders and nodes that
//! were selected.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use talos_order::facts::StepId;
use talos_order::plan::{Action, BlockedReason, Plan, Selection};

use super::universe::case;
use super::{config, planned};

fn prunes(plan: &Plan) -> BTreeSet<StepId> {
    let ids = plan.steps.iter().map(|step| &step.id);
    ids.filter(|id| id.removes_from_node()).cloned().collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_further_look_prunes_nothing_that_the_first_plan_did_not(case in case(), seed in any::<u64>()) {
        let mut case = case;
        let all = prunes(&planned(&case, &case.observed));
        let mut random = fastrand::Rng::with_seed(seed);
        let shown: BTreeSet<StepId> = all.iter().filter(|_| random.bool()).cloned().collect();
        case.options.prunable = Some(shown.clone());
        let plan = planned(&case, &case.observed);
        prop_assert_eq!(&prunes(&plan), &shown);
        for id in all.difference(&shown) {
            let blocked = plan.blocked.iter().find(|blocked| blocked.id == *id);
            let blocked = blocked.ok_or_else(|| TestCaseError::fail(format!("{id:?} is lost")))?;
            prop_assert_eq!(&blocked.reason, &BlockedReason::NotPlanned);
            prop_assert!(!blocked.is_trouble() && !blocked.needs_operator());
        }
    }

    #[test]
    fn what_is_selected_is_part_of_the_whole_with_all_that_it_needs(
        case in case(),
        order in select(&[None, Some("*"), Some("*-0"), Some("*-1"), Some("*-2")][..]),
        node in select(&[None, Some("*1"), Some("*2"), Some("*3")][..]),
    ) {
        let mut case = case;
        case.options.purge = false;
        let all = planned(&case, &case.observed);
        let patterns = |text: Option<&str>| {
            text.into_iter().map(|text| text.parse().expect("a pattern")).collect()
        };
        let selection = Selection { orders: patterns(order), nodes: patterns(node) };
        case.options.selection = selection.clone();
        let part = planned(&case, &case.observed);
        if selection.is_all() {
            prop_assert_eq!(&part, &all);
            return Ok(());
        }
        let mut needed: BTreeSet<&StepId> = BTreeSet::new();
        for step in part.steps.iter().rev() {
            let by_order = order.is_none()
                || step.wanted_by.iter().any(|one| selection.has_order(one.order.as_str()));
            let on_node = step.id.node();
            let by_node = node.is_none()
                || on_node.as_ref().is_some_and(|node| selection.has_node(node.as_str()));
            // What another node of a shared storage delivers was selected by another name.
            let stands_for = part.shared.iter().any(|(own, other)| {
                let own = own.node();
                *other == step.id && own.is_some_and(|own| selection.has_node(own.as_str()))
            });
            prop_assert!(
                (by_order && by_node) || stands_for || needed.contains(&step.id),
                "{:?} was not selected", step.id
            );
            if let Action::PruneNode { .. } | Action::ClearPart { .. } = step.action {
                prop_assert!(order.is_none(), "{:?} prunes for an order", step.id);
            }
            let cleans = matches!(
                step.action,
                Action::PruneCache { .. } | Action::ClearPartial { .. } | Action::VerifyCache { .. }
            );
            prop_assert!(!cleans, "{:?} cleans the cache", step.id);
            needed.extend(&step.needs);
        }
        // Nothing is lost: what is not done is blocked, and what is blocked keeps its reason.
        let known: BTreeSet<&StepId> = part.steps.iter().map(|step| &step.id)
            .chain(part.blocked.iter().map(|blocked| &blocked.id)).collect();
        for step in &all.steps {
            prop_assert!(known.contains(&step.id), "{:?} is lost", step.id);
        }
        for blocked in &part.blocked {
            if blocked.is_not_selected() {
                prop_assert!(!blocked.is_trouble() && !blocked.needs_operator());
                let planned = all.steps.iter().any(|step| step.id == blocked.id);
                // Room that nobody else takes may make a blocked step possible.
                prop_assert!(blocked.as_if_selected().is_some() || planned
                    || all.blocked.iter().any(|other| other.id == blocked.id));
            }
        }
        prop_assert_eq!(&part.in_sync, &all.in_sync);
    }

    #[test]
    fn each_node_on_its_own_comes_to_every_delivery(case in case()) {
        let mut case = case;
        case.options.purge = false;
        let all = planned(&case, &case.observed);
        let deliveries = |plan: &Plan| -> BTreeSet<StepId> {
            let steps = plan.steps.iter();
            let pushes = steps.filter(|step| matches!(step.action, Action::Push { .. }));
            pushes.map(|step| step.id.clone()).collect()
        };
        let mut parts = BTreeSet::new();
        for node in case.observed.nodes.keys() {
            case.options.selection.nodes = vec![node.as_str().parse().expect("a pattern")];
            parts.extend(deliveries(&planned(&case, &case.observed)));
        }
        prop_assert!(parts.is_superset(&deliveries(&all)), "{:?} {:?}", parts, deliveries(&all));
    }
}
