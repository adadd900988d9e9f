//! Laws of what limits a run: the plan that it began with, and the orders and nodes that
//! were selected.

use std::collections::BTreeSet;

use proptest::prelude::*;
use talos_order::facts::StepId;
use talos_order::plan::{BlockedReason, Plan};

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
            let held = plan.held.iter().find(|held| held.id == *id);
            let held = held.ok_or_else(|| TestCaseError::fail(format!("{id} is lost")))?;
            prop_assert_eq!(&held.reason, &BlockedReason::NotPlanned);
            prop_assert!(!held.is_trouble() && !held.needs_person());
        }
    }
}
