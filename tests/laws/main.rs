//! Laws that every plan obeys, whatever is wanted and whatever is there.
//!
//! Orders and worlds are drawn at random from a small universe, so that clashes
//! are frequent: few versions, few schematics, few nodes. A toy executor applies
//! a plan to the world it was made for.

mod universe;

use std::collections::BTreeSet;

use proptest::prelude::*;
use talos_order::plan::{Action, Observed, Plan, StepId, plan, push_step_id, resolve};
use universe::{Case, apply, case, naming};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 400,
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x0007_a105),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn planned(case: &Case, observed: &Observed) -> Plan {
    let desired = resolve(&case.orders, &observed.catalog, &naming());
    plan(&desired, observed, &case.policy)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn after_a_full_execution_there_is_nothing_to_do(case in case()) {
        let mut case = case;
        let first = planned(&case, &case.observed);
        let after = apply(&first, &case.observed);
        case.policy.purge = false;
        let second = planned(&case, &after);
        prop_assert!(second.steps.is_empty(), "left over: {:#?}", second.steps);
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(case in case(), seed in any::<u64>()) {
        let mut shuffled = case.clone();
        universe::shuffle(&mut shuffled.orders.orders, seed);
        prop_assert_eq!(planned(&case, &case.observed), planned(&shuffled, &case.observed));
    }

    #[test]
    fn no_step_touches_an_unreachable_node(case in case()) {
        for step in planned(&case, &case.observed).steps {
            if let Action::Push { target, .. } = &step.action {
                let state = &case.observed.nodes[&target.node];
                prop_assert!(
                    matches!(state, talos_order::plan::NodeState::Listed { .. }),
                    "{} is planned although its node is {state:?}", step.id
                );
            }
        }
    }

    #[test]
    fn nothing_wanted_is_removed_except_by_a_purge(case in case()) {
        prop_assume!(!case.policy.purge);
        let desired = resolve(&case.orders, &case.observed.catalog, &naming());
        let wanted: BTreeSet<_> = desired.artifacts.values().map(|want| &want.file).collect();
        for step in plan(&desired, &case.observed, &case.policy).steps {
            if let Action::PruneCache { file, .. } | Action::ClearPartial { file, .. } = &step.action {
                prop_assert!(!wanted.contains(file), "{} is wanted", step.id);
            }
        }
    }

    #[test]
    fn nothing_is_removed_while_something_is_unknown(case in case()) {
        prop_assume!(!case.policy.purge);
        let desired = resolve(&case.orders, &case.observed.catalog, &naming());
        let doubt = !desired.complete
            || desired.positions.is_empty()
            || desired.positions.iter().any(|want| want.outcome.is_err());
        prop_assume!(doubt);
        for step in plan(&desired, &case.observed, &case.policy).steps {
            prop_assert!(
                !matches!(step.action, Action::PruneCache { .. } | Action::ClearPartial { .. }),
                "{} removes on doubt", step.id
            );
        }
    }

    #[test]
    fn the_newest_versions_of_a_family_stay(case in case()) {
        prop_assume!(!case.policy.purge);
        let after = apply(&planned(&case, &case.observed), &case.observed);
        let Some(keep) = case.policy.retention.keep_versions else { return Ok(()) };
        let desired = resolve(&case.orders, &case.observed.catalog, &naming());
        for before in case.observed.cache.files.values() {
            let family = before.meta.artifact.family();
            if !desired.artifacts.keys().any(|wanted| wanted.family() == family) {
                continue;
            }
            let newer = after.cache.files.values()
                .filter(|file| file.meta.artifact.family() == family)
                .filter(|file| file.meta.artifact.version > before.meta.artifact.version)
                .count();
            let gone = !after.cache.files.values()
                .any(|file| file.meta.artifact == before.meta.artifact);
            prop_assert!(!gone || newer >= keep as usize || desired.artifacts.contains_key(&before.meta.artifact),
                "{:?} is gone with only {newer} newer left", before.meta.artifact);
        }
    }

    #[test]
    fn needs_point_backwards_and_identities_are_unique(case in case()) {
        let plan = planned(&case, &case.observed);
        let mut seen: BTreeSet<&StepId> = BTreeSet::new();
        for step in &plan.steps {
            for need in &step.needs {
                prop_assert!(seen.contains(need), "{} needs {need}, which comes later", step.id);
            }
            prop_assert!(seen.insert(&step.id), "{} is planned twice", step.id);
            prop_assert_eq!(&step.id, &step.action.step_id());
        }
    }

    #[test]
    fn a_file_that_we_did_not_write_is_never_touched(case in case()) {
        for step in planned(&case, &case.observed).steps {
            let written: Vec<&str> = match &step.action {
                Action::Fetch { file, unpack, .. } => {
                    let raw = unpack.as_ref().map(|(_, raw)| raw.as_str());
                    std::iter::once(file.as_str()).chain(raw).collect()
                }
                Action::Unpack { file, .. }
                | Action::PruneCache { file, .. }
                | Action::ClearPartial { file, .. } => vec![file.as_str()],
                Action::Push { .. }
                | Action::Register { .. }
                | Action::PruneNode { .. }
                | Action::VerifyNode { .. }
                | Action::VerifyCache { .. } => Vec::new(),
            };
            for file in written {
                prop_assert!(!case.observed.cache.foreign.contains(file), "{} writes {file}", step.id);
            }
        }
    }

    #[test]
    fn every_wanted_place_is_a_step_or_held_or_in_sync_exactly_once(case in case()) {
        let desired = resolve(&case.orders, &case.observed.catalog, &naming());
        let plan = plan(&desired, &case.observed, &case.policy);
        for (target, files) in &desired.placed {
            for file in files.keys() {
                let id = push_step_id(target, file);
                let count = plan.steps.iter().filter(|step| step.id == id).count()
                    + plan.held.iter().filter(|held| held.id == id).count()
                    + plan.in_sync.iter().filter(|other| **other == id).count();
                prop_assert_eq!(count, 1, "{} is accounted for {} times", id, count);
            }
        }
    }

    #[test]
    fn two_images_never_share_a_path(case in case()) {
        let desired = resolve(&case.orders, &case.observed.catalog, &naming());
        let mut files = BTreeSet::new();
        for want in desired.artifacts.values() {
            prop_assert!(files.insert(&want.file), "{} holds two images", want.file);
        }
    }
}
