//! Laws that every plan obeys, whatever is wanted and whatever is there.
//!
//! Orders and worlds are drawn at random from a small universe, so that clashes
//! are frequent: few versions, few schematics, few nodes. A toy executor applies
//! a plan to the world it was made for.

mod executor;
mod limits;
#[path = "../support/machine.rs"]
mod machine;
mod machines;
mod machines_executor;
mod removals;
mod rings;
mod rings_over_time;
mod templates;
mod universe;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use executor::apply;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use talos_order::facts::{NodeState, Observed, StepId};
use talos_order::model::{Method, PushTarget};
use talos_order::plan::{Action, Plan, Why, plan};
use universe::{Case, case, wanted};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 256,
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x0007_a105),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn planned(case: &Case, observed: &Observed) -> Plan {
    let desired = wanted(&case.orders, observed);
    plan(&desired, observed, &case.policy, &case.options)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn after_a_full_execution_there_is_nothing_to_do(case in case()) {
        let mut case = case;
        // What does not fit into a run is read back in the next.
        if let Some(verify) = &mut case.options.verify {
            verify.budget_bytes = u64::MAX;
        }
        let first = planned(&case, &case.observed);
        let after = apply(&first, &case.observed);
        case.options.purge = false;
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
                    matches!(state, NodeState::Listed { .. }),
                    "{} is planned although its node is {state:?}", step.id.text()
                );
            }
        }
    }

    #[test]
    fn no_step_touches_a_directory_whose_storage_is_not_there(case in case()) {
        for step in planned(&case, &case.observed).steps {
            let (Action::Push { target, .. }
            | Action::PruneNode { target, .. }
            | Action::VerifyNode { target, .. }) = &step.action
            else {
                continue;
            };
            let NodeState::Listed { dirs, .. } = &case.observed.nodes[&target.node] else {
                continue;
            };
            if let Some(dir) = dirs.get(&target.dir) {
                prop_assert!(
                    dir.root.is_none() && !dir.is_silent && dir.exists,
                    "{} is planned although {} is {dir:?}", step.id.text(), target.dir
                );
            }
        }
    }

    #[test]
    fn a_relay_answers_and_has_the_image_or_gets_it_before(case in case()) {
        let plan = planned(&case, &case.observed);
        let mut seen: BTreeSet<&StepId> = BTreeSet::new();
        for step in &plan.steps {
            let Action::Push { target, artifact, cache_file, transport, .. } = &step.action else {
                continue;
            };
            seen.insert(&step.id);
            let Some(via) = &transport.via else { continue };
            let NodeState::Listed { dirs, tools, .. } = &case.observed.nodes[&via.node] else {
                return Err(TestCaseError::fail("the relay does not answer"));
            };
            prop_assert!(tools.contains("perl") && transport.method == Method::Stream);
            let network = &case.policy.transport.network;
            prop_assert_eq!(network.relay_of(&target.node), Some((&via.node, &via.site)));
            let target = PushTarget { node: via.node.clone(), dir: via.dir.clone() };
            let source = StepId::push(&target, &via.file);
            if step.needs.contains(&source) {
                prop_assert!(seen.contains(&source), "{} comes before its source", step.id.text());
                continue;
            }
            prop_assert!(plan.in_sync.contains(&source), "{source:?} is not there");
            let entry = &dirs[&via.dir].record[&via.file];
            prop_assert_eq!(&entry.artifact, artifact);
            let desired = wanted(&case.orders, &case.observed);
            // What is promised to the neighbour is what the relay has.
            let expected = match step.needs.is_empty() {
                true => Some(case.observed.cache.files[cache_file].meta.sha256),
                false => desired.artifacts[artifact].pinned,
            };
            prop_assert_eq!(Some(entry.sha256), expected);
        }
    }

    #[test]
    fn what_is_sent_with_a_basis_finds_it_there_and_whole(case in case()) {
        for step in planned(&case, &case.observed).steps {
            let Action::Push { target, file, transport, .. } = &step.action else { continue };
            let Method::Rsync { basis: Some(basis) } = &transport.method else { continue };
            let NodeState::Listed { dirs, .. } = &case.observed.nodes[&target.node] else {
                return Err(TestCaseError::fail("its node does not answer"));
            };
            let entry = &dirs[&target.dir].record[basis];
            prop_assert!(basis != file && entry.owner == "us");
            prop_assert!(entry.describes(&dirs[&target.dir].files[basis.as_str()]));
        }
    }

    #[test]
    fn needs_point_backwards_and_identities_are_unique(case in case()) {
        let plan = planned(&case, &case.observed);
        let mut seen: BTreeSet<&StepId> = BTreeSet::new();
        for step in &plan.steps {
            for need in &step.needs {
                prop_assert!(seen.contains(need), "{} needs {need:?}, which comes later", step.id.text());
            }
            prop_assert!(seen.insert(&step.id), "{} is planned twice", step.id.text());
            prop_assert_eq!(&step.id, &step.action.step_id());
        }
    }

    #[test]
    fn a_schematic_is_registered_only_for_a_download(case in case()) {
        let plan = planned(&case, &case.observed);
        for step in &plan.steps {
            if matches!(step.action, Action::Register { .. }) {
                let needed = plan.steps.iter().any(|other| other.needs.contains(&step.id));
                prop_assert!(needed, "{} is for nothing", step.id.text());
            }
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
                | Action::ClearPart { .. }
                | Action::VerifyNode { .. }
                | Action::VerifyCache { .. }
                | Action::CreateTemplate(_)
                | Action::SwitchTemplate(_)
                | Action::RemoveTemplate { .. } => Vec::new(),
            };
            for file in written {
                prop_assert!(!case.observed.cache.foreign.contains(file), "{} writes {file}", step.id.text());
            }
        }
    }

    #[test]
    fn what_is_suspended_or_failed_a_moment_ago_is_left_alone(case in case()) {
        let memory = &case.observed.memory;
        for step in planned(&case, &case.observed).steps {
            prop_assert!(!memory.suspended.all);
            if let Some(backoff) = memory.backoff.get(&step.id) {
                prop_assert!(backoff.until <= case.observed.now, "{} backs off", step.id.text());
            }
            if let Action::Push { target, .. }
            | Action::PruneNode { target, .. }
            | Action::ClearPart { target, .. } = &step.action
            {
                prop_assert!(!memory.suspended.nodes.contains(&target.node));
            }
            let suspended = |order| memory.suspended.orders.contains(order);
            prop_assert!(
                step.wanted_by.is_empty() || !step.wanted_by.iter().all(|want| suspended(&want.order))
            );
        }
    }

    #[test]
    fn every_wanted_place_is_a_step_or_blocked_or_in_sync_exactly_once(case in case()) {
        let desired = wanted(&case.orders, &case.observed);
        let plan = plan(&desired, &case.observed, &case.policy, &case.options);
        for (target, files) in &desired.placed {
            for file in files.keys() {
                let id = StepId::push(target, file);
                let count = plan.steps.iter().filter(|step| step.id == id).count()
                    + plan.blocked.iter().filter(|blocked| blocked.id == id).count()
                    + plan.in_sync.iter().filter(|other| **other == id).count()
                    + usize::from(plan.shared.contains_key(&id));
                prop_assert_eq!(count, 1, "{:?} is accounted for {} times", id, count);
            }
        }
    }

    #[test]
    fn two_images_never_share_a_path(case in case()) {
        let desired = wanted(&case.orders, &case.observed);
        let mut files = BTreeSet::new();
        for want in desired.artifacts.values() {
            prop_assert!(files.insert(&want.file), "{} holds two images", want.file);
        }
    }
}

/// A law that nothing puts to the test proves nothing: in the worlds drawn here
/// everything that the laws speak of happens often.
#[test]
fn the_universe_holds_what_the_laws_speak_of() {
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..4096 {
        let case = case().new_tree(&mut runner).expect("a case").current();
        let plan = planned(&case, &case.observed);
        let kind = |value: serde_json::Value, key: &str| value[key].as_str().map(str::to_owned);
        for step in &plan.steps {
            let action = serde_json::to_value(&step.action).expect("an action");
            if let Action::Push { transport, .. } = &step.action {
                let transport = serde_json::to_value(transport).expect("a transport");
                let words = [
                    kind(transport["method"].clone(), "kind"),
                    kind(transport["because"].clone(), "reason"),
                    kind(transport["unrelayed"].clone(), "why"),
                    transport["via"].as_object().map(|_| "via".to_owned()),
                    transport["method"]["basis"]
                        .as_str()
                        .map(|_| "basis".to_owned()),
                ];
                for word in words.into_iter().flatten() {
                    *seen.entry(format!("transport {word}")).or_default() += 1;
                }
            }
            if matches!(step.why, Why::Orphaned { .. }) {
                *seen.entry("orphaned".to_owned()).or_default() += 1;
            }
            *seen
                .entry(kind(action, "kind").expect("a kind"))
                .or_default() += 1;
        }
        for blocked in &plan.blocked {
            let reason = serde_json::to_value(&blocked.reason).expect("a reason");
            *seen
                .entry(kind(reason, "reason").expect("a reason"))
                .or_default() += 1;
        }
    }
    for expected in [
        "register",
        "fetch",
        "unpack",
        "push",
        "prune-cache",
        "orphaned",
        "clear-partial",
        "prune-node",
        "clear-part",
        "verify-node",
        "verify-cache",
        "node-unreachable",
        "not-mounted",
        "dir-silent",
        "dir-missing",
        "unresolved",
        "prune-blocked",
        "foreign-file",
        "source-held",
        "no-space",
        "suspended",
        "in-grace",
        "in-use",
        "use-unknown",
        "record-unread",
        "not-ours",
        "changed",
        "over-budget",
        "transport stream",
        "transport rsync",
        "transport asked",
        "transport no-perl",
        "transport options-set",
        "transport data-only",
        "transport slow-link",
        "transport basis",
        "transport via",
        "transport not-wanted",
        "transport unreachable",
        "transport held",
        "transport shared",
        "transport other-bytes",
        "transport failed",
    ] {
        let count = seen.get(expected).copied().unwrap_or(0);
        assert!(count >= 1, "{expected} happened {count} times in {seen:#?}");
    }
}
