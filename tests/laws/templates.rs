//! Laws of template VMs.

mod drawn;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use talos_order::facts::{
    NodeVms, Observed, StepId, StepKind, TemplateMark, TemplateState, VmConfig,
};
use talos_order::model::{Deletion, NodeId, VmId, VmIds};
use talos_order::plan::{Action, BlockedReason, Plan, Selection, Step, Why, plan};

use super::executor::{apply, apply_seen};
use super::machines::{look_for_clones, numbering, template_case, vmid};
use super::universe::{self, GRACE, wanted};
use super::{config, planned};

/// The configuration of a virtual machine that holds our mark.
fn own<'a>(observed: &'a Observed, node: &NodeId, vmid: VmId) -> Option<&'a VmConfig> {
    let Some(NodeVms::Known(vms)) = observed.vms.get(node) else {
        return None;
    };
    let config = vms.marked.get(&vmid)?;
    let (mark, _) = TemplateMark::find(config.description())?;
    let is_ours = mark.vmid == vmid && mark.owner == "us";
    let is_ours = is_ours && (config.is_template() || mark.state == TemplateState::New);
    is_ours.then_some(config)
}

fn state(config: &VmConfig, vmid: VmId) -> TemplateState {
    config.mark_of(vmid).expect("our mark").state
}

/// The steps on templates.
fn template_steps(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.steps.iter().filter(|step| {
        matches!(
            step.action,
            Action::CreateTemplate(_) | Action::SwitchTemplate(_) | Action::RemoveTemplate { .. }
        )
    })
}

/// The nodes on which something has to be done, or is done, for each name.
fn concerned(plan: &Plan) -> BTreeSet<StepId> {
    let steps = plan.steps.iter().map(|step| &step.id);
    let blocked = plan.blocked.iter().map(|blocked| &blocked.id);
    steps.chain(blocked).chain(&plan.in_sync).cloned().collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn templates_come_to_rest(case in template_case()) {
        let mut case = case;
        case.options.purge = false;
        case.options.verify = None;
        for _ in 0..4 {
            let plan = planned(&case, &case.observed);
            case.observed = apply(&plan, &case.observed);
            look_for_clones(&mut case.observed.vms, 0);
        }
        let left = planned(&case, &case.observed);
        prop_assert!(left.steps.is_empty(), "left over: {:#?}", left.steps);
    }

    #[test]
    fn only_what_has_our_mark_is_touched(case in template_case()) {
        let plan = planned(&case, &case.observed);
        let mut removed: BTreeSet<(&NodeId, VmId)> = BTreeSet::new();
        for step in template_steps(&plan) {
            let node = step.action.node().expect("a node");
            let Some(NodeVms::Known(vms)) = case.observed.vms.get(node) else {
                return Err(TestCaseError::fail("its machines are not known"));
            };
            match &step.action {
                Action::CreateTemplate(create) => {
                    let is_free = !vms.taken.contains_key(&create.vmid);
                    let given = removed.iter().find(|(_, vmid)| *vmid == create.vmid);
                    let given = given.is_some_and(|(node, vmid)| {
                        step.needs.contains(&StepId::remove_template(node, *vmid))
                    });
                    prop_assert!(is_free || given, "{} is taken", create.vmid);
                }
                Action::SwitchTemplate(switch) => {
                    let made = StepId::create_template(node, &switch.name);
                    if !step.needs.contains(&made) {
                        prop_assert!(own(&case.observed, node, switch.vmid).is_some());
                    }
                    for retired in &switch.retired {
                        let config = own(&case.observed, &retired.node, retired.vmid);
                        prop_assert!(config.is_some_and(VmConfig::is_template));
                        prop_assert!(retired.vmid != switch.vmid);
                    }
                }
                Action::RemoveTemplate { vmid, .. } => {
                    let config = own(&case.observed, node, *vmid);
                    prop_assert!(config.is_some(), "{vmid} is not ours");
                    removed.insert((node, *vmid));
                }
                _ => unreachable!("steps on templates"),
            }
        }
    }

    #[test]
    fn a_template_goes_only_if_everything_speaks_for_it(case in template_case()) {
        let desired = wanted(&case.orders, &case.observed);
        let plan = plan(&desired, &case.observed, &case.policy, &case.options);
        let doubt = !desired.complete
            || desired.positions.is_empty()
            || desired.positions.iter().any(|want| want.outcome.is_err());
        let retired: BTreeSet<VmId> = plan.steps.iter().filter_map(|step| match &step.action {
            Action::SwitchTemplate(switch) => Some(switch.retired.iter().map(|one| one.vmid)),
            _ => None,
        }).flatten().collect();
        for step in template_steps(&plan) {
            let Action::RemoveTemplate { node, vmid, .. } = &step.action else { continue };
            let config = own(&case.observed, node, *vmid).expect("ours");
            let mark = config.mark_of(*vmid).expect("our mark");
            prop_assert!(!config.is_protected() && config.lock().is_none());
            if config.is_template() {
                let Some(NodeVms::Known(vms)) = case.observed.vms.get(node) else { unreachable!() };
                let clones = vms.clones.as_ref().and_then(|clones| clones.get(vmid));
                prop_assert!(clones.is_some_and(BTreeSet::is_empty), "{vmid} may have clones");
            }
            match &step.why {
                Why::Replaced => {
                    let taker = plan.steps.iter().any(|other| other.needs.contains(&step.id));
                    prop_assert!(taker, "{vmid} goes for nothing");
                }
                Why::Unfinished => prop_assert_eq!(mark.state, TemplateState::New),
                Why::BeyondRetired { .. } => {
                    prop_assert_eq!(mark.state, TemplateState::Retired);
                    prop_assert!(!doubt);
                }
                Why::NotWanted { .. } => {
                    prop_assert!(!doubt && mark.deletion != Some(Deletion::Orphan));
                    prop_assert!(case.policy.prune.default || mark.deletion == Some(Deletion::Delete));
                    let missed = case.observed.memory.unwanted_since[&step.id];
                    let age = case.observed.now.as_second() - missed.as_second();
                    prop_assert!(age >= GRACE, "{vmid} is in its grace");
                    let wanted = desired.templates.iter().any(|(place, wanted)| {
                        place.name == mark.template && wanted.nodes.contains_key(node)
                    });
                    prop_assert!(!wanted, "{vmid} is wanted");
                }
                why => prop_assert!(false, "{vmid} goes because of {why:?}"),
            }
            if step.why != Why::Replaced {
                prop_assert!(!retired.contains(vmid), "{vmid} goes in the run that retires it");
            }
        }
    }

    #[test]
    fn there_is_no_moment_without_a_template_of_the_name(case in template_case()) {
        let desired = wanted(&case.orders, &case.observed);
        let plan = plan(&desired, &case.observed, &case.policy, &case.options);
        // Where a number is given away, there is.
        let found = |world: &Observed| -> BTreeSet<String> {
            let places = desired.templates.iter();
            let places = places.filter(|(_, wanted)| !matches!(wanted.template.ids, VmIds::Fixed(_)));
            let has = |nodes: &BTreeSet<&NodeId>, name: &str| nodes.iter().any(|node| {
                let Some(NodeVms::Known(vms)) = world.vms.get(*node) else { return false };
                vms.marked.iter().any(|(vmid, config)| {
                    config.name() == name && own(world, node, *vmid).is_some_and(VmConfig::is_template)
                })
            });
            places.filter(|(place, wanted)| has(&wanted.nodes.keys().collect(), place.name.as_str()))
                .map(|(place, _)| format!("{place:?}")).collect()
        };
        let before = found(&case.observed);
        let mut missing = BTreeSet::new();
        apply_seen(&plan, &case.observed, &mut |world| {
            let now = found(world);
            missing.extend(before.difference(&now).cloned());
        });
        prop_assert!(missing.is_empty(), "{missing:?} {:#?}", template_steps(&plan).collect::<Vec<_>>());
    }

    #[test]
    fn two_new_templates_never_have_one_number(case in template_case()) {
        let mut given = BTreeSet::new();
        for step in planned(&case, &case.observed).steps {
            let Action::CreateTemplate(create) = &step.action else { continue };
            let Some(NodeVms::Known(vms)) = case.observed.vms.get(&create.node) else {
                return Err(TestCaseError::fail("its machines are not known"));
            };
            let of = numbering(&create.node, vms);
            prop_assert!(given.insert((of, create.vmid)), "{} is given twice", create.vmid);
        }
    }

    #[test]
    fn every_wanted_template_is_a_step_or_blocked_or_in_sync_on_one_node(case in template_case()) {
        let desired = wanted(&case.orders, &case.observed);
        let plan = plan(&desired, &case.observed, &case.policy, &case.options);
        let ids = concerned(&plan);
        for (place, wanted) in &desired.templates {
            let nodes = wanted.nodes.keys().filter(|node| {
                ids.contains(&StepId::create_template(node, &place.name))
                    || ids.contains(&StepId::switch_template(node, &place.name))
            });
            prop_assert_eq!(nodes.count(), 1, "{:?}", place);
        }
    }

    #[test]
    fn a_failure_stops_the_rest_of_a_rollout(
        case in template_case(),
        in_place in any::<bool>(),
        at in any::<prop::sample::Index>(),
    ) {
        let mut case = case;
        let positions = case.orders.orders.iter_mut().flat_map(|order| &mut order.positions);
        for template in positions.filter_map(|position| position.template.as_deref_mut()) {
            if in_place {
                template.ids = VmIds::Fixed(vmid(9000));
                template.max_at_once = 1;
                template.hardware.memory = 1024;
            }
        }
        look_for_clones(&mut case.observed.vms, 0);
        let desired = wanted(&case.orders, &case.observed);
        let plan = plan(&desired, &case.observed, &case.policy, &case.options);
        let creations: Vec<&Step> = plan.steps.iter()
            .filter(|step| matches!(step.action, Action::CreateTemplate(_))).collect();
        if creations.is_empty() {
            return Ok(());
        }
        let failing = creations[at.index(creations.len())];
        let name = failing.id.template().expect("its name");
        let mut failed: BTreeSet<&StepId> = BTreeSet::from([&failing.id]);
        let mut later = BTreeSet::new();
        let mut has_failed = false;
        for step in &plan.steps {
            has_failed |= step.id == failing.id;
            if step.needs.iter().any(|need| failed.contains(need)) {
                failed.insert(&step.id);
            } else if has_failed && step.id != failing.id {
                // What gives its number away goes for one creation.
                let replaces = step.why == Why::Replaced
                    && creations.iter().any(|other| {
                        other.needs.contains(&step.id) && other.id.template().as_ref() == Some(&name)
                    });
                if step.id.template().as_ref() == Some(&name) || replaces {
                    later.insert(step.id.node());
                }
            }
        }
        let places = desired.templates.iter().filter(|(place, _)| place.name == name);
        let at_once = places.map(|(_, wanted)| wanted.template.max_at_once).max().unwrap_or(1);
        prop_assert!(later.len() < at_once as usize, "{later:?} after {:?}", failing.id);
    }

    #[test]
    fn templates_of_a_selection_are_part_of_the_whole(
        case in template_case(),
        order in select(&[None, Some("*-0"), Some("*-1")][..]),
        node in select(&[None, Some("*1"), Some("*2")][..]),
    ) {
        let mut case = case;
        case.options.purge = false;
        let all = concerned(&planned(&case, &case.observed));
        let patterns = |text: Option<&str>| {
            text.into_iter().map(|text| text.parse().expect("a pattern")).collect()
        };
        let selection = Selection { orders: patterns(order), nodes: patterns(node) };
        case.options.selection = selection.clone();
        let part = planned(&case, &case.observed);
        let needed: BTreeSet<&StepId> = part.steps.iter().flat_map(|step| &step.needs).collect();
        for step in template_steps(&part) {
            // One that goes for another was told of together with it.
            prop_assert!(all.contains(&step.id) || step.why == Why::Replaced, "{:?}", step.id);
            if step.why == Why::Replaced {
                prop_assert!(needed.contains(&step.id), "{:?} goes for nothing", step.id);
            }
            if !needed.contains(&step.id) {
                let at = step.id.node().expect("a node");
                prop_assert!(selection.has_node(at.as_str()), "{:?}", step.id);
            }
            if step.id.kind() == Some(StepKind::CreateTemplate) {
                let mut orders = step.wanted_by.iter().map(|one| one.order.as_str());
                prop_assert!(orders.any(|order| selection.has_order(order)), "{:?}", step.id);
                let at = step.id.node().expect("a node");
                prop_assert!(selection.has_node(at.as_str()), "{:?} is dragged", step.id);
            }
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter_for_templates(case in template_case(), seed in any::<u64>()) {
        let mut shuffled = case.clone();
        universe::shuffle(&mut shuffled.orders.orders, seed);
        prop_assert_eq!(planned(&case, &case.observed), planned(&shuffled, &case.observed));
    }

    #[test]
    fn steps_on_templates_stand_behind_what_they_need(case in template_case()) {
        let plan = planned(&case, &case.observed);
        let mut seen: BTreeSet<&StepId> = BTreeSet::new();
        for step in &plan.steps {
            for need in &step.needs {
                prop_assert!(seen.contains(need), "{:?} needs {need:?}, which comes later", step.id);
            }
            prop_assert!(seen.insert(&step.id), "{:?} is planned twice", step.id);
            prop_assert!(!plan.blocked.iter().any(|blocked| blocked.id == step.id), "{:?}", step.id);
            prop_assert_eq!(&step.id, &step.action.step_id());
            let nodes = step.action.node().into_iter();
            let memory = &case.observed.memory;
            for node in nodes {
                prop_assert!(!memory.suspended.nodes.contains(node), "{:?}", step.id);
            }
            if let Action::SwitchTemplate(switch) = &step.action {
                let mut retired = switch.retired.iter();
                prop_assert!(!retired.any(|one| memory.suspended.nodes.contains(&one.node)));
            }
        }
    }

    #[test]
    fn a_further_look_removes_no_template_that_the_first_plan_did_not(case in template_case()) {
        let mut case = case;
        case.options.prunable = Some(BTreeSet::new());
        for step in template_steps(&planned(&case, &case.observed)) {
            prop_assert!(!step.id.removes_from_node(), "{:?}", step.id);
        }
    }

    #[test]
    fn templates_of_a_switch_have_one_name(case in template_case()) {
        for step in template_steps(&planned(&case, &case.observed)) {
            let Action::SwitchTemplate(switch) = &step.action else { continue };
            for one in &switch.retired {
                let config = own(&case.observed, &one.node, one.vmid).expect("ours");
                let mark = config.mark_of(one.vmid).expect("our mark");
                prop_assert_eq!(&mark.template, &switch.name);
                prop_assert_eq!(state(config, one.vmid), TemplateState::Current);
            }
        }
    }
}
