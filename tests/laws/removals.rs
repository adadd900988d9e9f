//! What may be removed: from the cache, and from nodes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use talos_order::facts::{NodeState, References, StepId, StepKind};
use talos_order::model::{ArtifactId, Deletion, NodeId};
use talos_order::plan::{Action, BlockedReason, Plan, SharedStorages, Why, missed, plan};

use crate::executor::apply;
use crate::universe::{self, Case, NODES, case, wanted};
use crate::{config, planned};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_wanted_is_removed_except_by_a_purge(case in case()) {
        prop_assume!(!case.options.purge);
        let desired = wanted(&case.orders, &case.observed);
        let wanted: BTreeSet<_> = desired.artifacts.values().map(|want| &want.file).collect();
        for step in plan(&desired, &case.observed, &case.policy, &case.options).steps {
            if let Action::PruneCache { file, .. } | Action::ClearPartial { file, .. } = &step.action {
                prop_assert!(!wanted.contains(file), "{} is wanted", step.id.text());
            }
        }
    }

    /// What a controller delivers to one site is in the same cache as what it delivers to
    /// another one that it does not lead now.
    #[test]
    fn nothing_goes_from_the_cache_that_is_wanted_for_other_nodes(case in case(), share in 0_usize..4) {
        prop_assume!(!case.options.purge);
        let mut desired = wanted(&case.orders, &case.observed);
        let cached = case.observed.cache.files.iter();
        let kept = cached.filter(|(file, _)| file.as_str().len() % 4 <= share);
        desired.images_elsewhere.files = kept
            .map(|(file, cached)| (cached.meta.artifact.clone(), file.clone()))
            .collect();
        let families: BTreeSet<_> = desired.images_elsewhere.files.keys().map(ArtifactId::family).collect();
        let missed = missed(&desired, &case.observed);
        for (artifact, file) in &desired.images_elsewhere.files {
            prop_assert!(!missed.contains_key(&StepId::prune_cache(file)), "{artifact:?}");
        }
        for step in plan(&desired, &case.observed, &case.policy, &case.options).steps {
            if let Action::PruneCache { file, .. } = &step.action {
                let artifact = &case.observed.cache.files[file].meta.artifact;
                prop_assert!(!desired.images_elsewhere.files.contains_key(artifact), "{:?}", step.id);
                let is_orphan = matches!(step.why, Why::Orphaned { .. });
                prop_assert!(!is_orphan || !families.contains(&artifact.family()));
            }
        }
        desired.images_elsewhere.doubt = Some("an order could not be resolved".to_owned());
        for step in plan(&desired, &case.observed, &case.policy, &case.options).steps {
            let removes = matches!(
                step.action,
                Action::PruneCache { .. } | Action::ClearPartial { .. }
            );
            prop_assert!(!removes, "{} removes on doubt", step.id.text());
        }
    }

    #[test]
    fn nothing_is_removed_while_something_is_unknown(case in case()) {
        prop_assume!(!case.options.purge);
        let desired = wanted(&case.orders, &case.observed);
        let doubt = !desired.complete
            || desired.positions.is_empty()
            || desired.positions.iter().any(|want| want.outcome.is_err());
        prop_assume!(doubt);
        for step in plan(&desired, &case.observed, &case.policy, &case.options).steps {
            prop_assert!(
                !matches!(
                    step.action,
                    Action::PruneCache { .. } | Action::ClearPartial { .. } | Action::ClearPart { .. }
                ),
                "{} removes on doubt", step.id.text()
            );
        }
    }

    #[test]
    fn an_orphan_goes_after_its_grace_by_the_record_and_by_the_memory(case in case()) {
        let now = case.observed.now;
        for step in planned(&case, &case.observed).steps {
            let (Action::PruneCache { file, .. }, Why::Orphaned { .. }) = (&step.action, &step.why)
            else {
                continue;
            };
            let first = case.observed.memory.unwanted_since.get(&step.id).copied();
            let first = first.ok_or_else(|| TestCaseError::fail("it is missed in this run"))?;
            let last = case.observed.cache.files[file].meta.last_wanted;
            for since in [first, last] {
                let age = now.as_second() - since.as_second();
                prop_assert!(age >= universe::ORPHAN_GRACE, "{} is in its grace", step.id.text());
            }
        }
    }

    #[test]
    fn what_is_missed_is_remembered_from_the_first_run_on(case in case()) {
        let desired = wanted(&case.orders, &case.observed);
        let families: BTreeSet<_> = desired.artifacts.keys().map(ArtifactId::family).collect();
        let doubt = !desired.complete
            || desired.positions.is_empty()
            || desired.positions.iter().any(|want| want.outcome.is_err());
        let found = missed(&desired, &case.observed);
        for (file, cached) in &case.observed.cache.files {
            let id = StepId::prune_cache(file);
            let before = case.observed.memory.unwanted_since.get(&id).copied();
            let expected = match families.contains(&cached.meta.artifact.family()) {
                true => None,
                false => before.or((!doubt).then_some(case.observed.now)),
            };
            prop_assert_eq!(found.get(&id).copied(), expected, "{:?}", id);
        }
        prop_assert!(found.len() <= case.observed.cache.files.len());
    }

    #[test]
    fn the_newest_versions_of_a_family_stay(case in case()) {
        prop_assume!(!case.options.purge);
        let after = apply(&planned(&case, &case.observed), &case.observed);
        let Some(keep) = case.policy.retention.keep_versions else { return Ok(()) };
        let desired = wanted(&case.orders, &case.observed);
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
    fn a_file_goes_from_a_node_only_if_everything_speaks_for_it(case in case()) {
        let desired = wanted(&case.orders, &case.observed);
        let plan = plan(&desired, &case.observed, &case.policy, &case.options);
        let mut gone: BTreeMap<&NodeId, usize> = BTreeMap::new();
        for step in &plan.steps {
            let Action::PruneNode { target, file, .. } = &step.action else { continue };
            *gone.entry(&target.node).or_default() += 1;
            let NodeState::Listed { dirs, references, .. } = &case.observed.nodes[&target.node] else {
                return Err(TestCaseError::fail("its node does not answer"));
            };
            let dir = &dirs[&target.dir];
            prop_assert_eq!(&dir.unread, &None);
            let entry = &dir.record[file];
            prop_assert_eq!(&entry.owner, "us");
            prop_assert!(entry.describes(&dir.files[file.as_str()]), "{} was changed", step.id.text());
            prop_assert!(entry.deletion != Some(Deletion::Orphan), "{} is to stay", step.id.text());
            prop_assert!(
                case.policy.prune.default || entry.deletion == Some(Deletion::Delete),
                "nobody said that {} goes", step.id.text()
            );
            let References::Known(used) = references else {
                return Err(TestCaseError::fail("its use is not known"));
            };
            prop_assert!(!used.contains_key(file.as_str()), "{} is in use", step.id.text());
            prop_assert!(desired.complete && desired.positions.iter().all(|want| want.outcome.is_ok()));
            prop_assert!(!desired.positions.is_empty());
            let missed = case.observed.memory.unwanted_since[&step.id];
            let age = case.observed.now.as_second() - missed.as_second();
            prop_assert!(age >= universe::GRACE, "{} is in its grace", step.id.text());
            let wanted = desired.placed.iter().any(|(other, files)| {
                let storages = &case.policy.shared.of_nodes;
                let storage = storages.get(&target.node);
                let same = other.node == target.node
                    || storage.is_some() && storages.get(&other.node) == storage;
                same && other.dir == target.dir && files.contains_key(file)
            });
            prop_assert!(!wanted, "{} is wanted", step.id.text());
        }
        for (node, count) in gone {
            let NodeState::Listed { dirs, .. } = &case.observed.nodes[node] else { unreachable!() };
            let placed: usize = dirs.values().map(|dir| dir.record.len()).sum();
            let coming = plan.steps.iter()
                .filter(|step| matches!(&step.action, Action::Push { target, .. } if &target.node == node))
                .count();
            let limit = case.policy.prune.max_files.max((placed + coming) / 5);
            prop_assert!(count <= limit, "{count} files go from {node}, {limit} may");
        }
    }

    /// A controller of a site with nothing to deliver removes what one of all nodes would,
    /// once an operator has agreed to all of it.
    #[test]
    fn from_a_site_that_no_order_is_for_goes_what_goes_without_sites(case in case(), site in select(&NODES[..])) {
        let mut case = case;
        case.policy.shared = SharedStorages::default();
        case.observed.memory.approved.clear();
        let site: NodeId = site.parse().expect("a node");
        for order in &mut case.orders.orders {
            for position in &mut order.positions {
                position.targets.retain(|target| target.node != site);
            }
            order.positions.retain(|position| !position.targets.is_empty());
        }
        let everything = wanted(&case.orders, &case.observed);
        prop_assume!(everything.positions.iter().all(|want| want.outcome.is_ok()));
        let removed = |plan: Plan| {
            let ids = plan.steps.into_iter().map(|step| step.id).filter(StepId::removes_from_node);
            ids.filter(|id| id.node().as_ref() == Some(&site)).collect::<BTreeSet<StepId>>()
        };
        let agreed = |case: &Case| {
            let mut observed = case.observed.clone();
            for blocked in planned(case, &observed).blocked {
                if let BlockedReason::OverBudget { approval, .. } = blocked.reason {
                    observed.memory.approved.insert(approval);
                }
            }
            removed(planned(case, &observed))
        };
        let of_all = agreed(&case);
        case.orders = case.orders.covering(|node| *node == site, |_| false);
        case.observed.nodes.retain(|node, _| *node == site);
        // What interrupted deliveries left is no image.
        let unasked = removed(planned(&case, &case.observed));
        prop_assert!(unasked.iter().all(|id| id.kind() == Some(StepKind::ClearPart)), "{unasked:?}");
        prop_assert_eq!(agreed(&case), of_all);
    }

    #[test]
    fn a_part_goes_from_a_node_only_if_nobody_waits_for_it(case in case()) {
        let desired = wanted(&case.orders, &case.observed);
        let plan = plan(&desired, &case.observed, &case.policy, &case.options);
        for step in &plan.steps {
            let Action::ClearPart { target, part, .. } = &step.action else { continue };
            let NodeState::Listed { dirs, .. } = &case.observed.nodes[&target.node] else {
                return Err(TestCaseError::fail("its node does not answer"));
            };
            let idle = dirs[&target.dir].parts[part].idle_seconds;
            prop_assert!(idle >= universe::GRACE.unsigned_abs(), "{} was written to", step.id.text());
            let missed = case.observed.memory.unwanted_since[&step.id];
            let age = case.observed.now.as_second() - missed.as_second();
            prop_assert!(age >= universe::GRACE, "{} is in its grace", step.id.text());
            prop_assert!(desired.complete && desired.positions.iter().all(|want| want.outcome.is_ok()));
            let push = StepId::push(target, part.file());
            let waits = plan.steps.iter().any(|step| step.id == push)
                || plan.blocked.iter().any(|blocked| blocked.id == push);
            prop_assert!(!waits, "{} is to be completed", step.id.text());
        }
    }
}
