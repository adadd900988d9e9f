//! What is remembered of templates.

use super::*;
use crate::facts::{NodeVms, TemplateMark, VmConfig, VmInventory};
use crate::model::{PositionRef, Template, TemplateName, VmId};
use crate::plan::{TemplateBlock, TemplatePlace, WantedTemplate};

fn vmid() -> VmId {
    9000_u32.try_into().unwrap()
}

fn removal() -> StepId {
    StepId::remove_template(&node("pve"), vmid())
}

fn name() -> TemplateName {
    "talos".parse().unwrap()
}

/// The node answers, with a template of ours or without.
fn machines(world: &mut World, with_template: bool) {
    let artifact = serde_json::json!({
        "version": "v1.11.2", "platform": "nocloud", "arch": "amd64",
        "secureboot": false, "schematic": "0".repeat(64), "format": "raw",
    });
    let mark = serde_json::json!({
        "owner": "us", "vmid": 9000, "template": "talos", "orders": [], "artifact": artifact,
        "sha256": "0".repeat(64), "state": "retired", "made_at": at(0),
    });
    let mark: TemplateMark = serde_json::from_value(mark).unwrap();
    let values = [("description".to_owned(), mark.notes())];
    let mut vms = VmInventory::default();
    if with_template {
        vms.marked.insert(vmid(), VmConfig(values.into()));
    }
    let known = NodeVms::Known(vms);
    world.look.observed.vms.insert(node("pve"), known);
}

fn wanted(world: &mut World, wanted: bool) {
    let templates = &mut world.look.desired.templates;
    templates.clear();
    if !wanted {
        return;
    }
    let place = TemplatePlace {
        name: name(),
        of: "pve".to_owned(),
    };
    let artifact = serde_json::from_value(serde_json::json!({
        "version": "v1.11.2", "platform": "nocloud", "arch": "amd64",
        "secureboot": false, "schematic": "0".repeat(64), "format": "raw",
    }));
    let position = PositionRef {
        order: "lab".parse().unwrap(),
        index: 0,
        name: "worker".to_owned(),
    };
    let template = WantedTemplate {
        template: Template {
            name: name(),
            ids: Default::default(),
            on: None,
            storage: "local-lvm".parse().unwrap(),
            tags: BTreeSet::new(),
            hardware: Default::default(),
            keep: None,
            max_at_once: 1,
        },
        artifact: artifact.unwrap(),
        nodes: BTreeMap::from([(node("pve"), (target("pve"), file()))]),
        deletion: None,
        wanted_by: crate::plan::WantedBy::one(position),
    };
    templates.insert(place, template);
}

#[test]
fn a_clock_starts_for_a_template_only_once_no_order_wants_its_name() {
    let mut world = World::new();
    machines(&mut world, true);
    world.memory.templates.insert(
        node("pve"),
        Node {
            id: node("pve"),
            reach: Reach::Local,
        },
    );
    let since = |memory: &Memory| memory.unwanted_since.get(&removal()).copied();
    // Beyond what is kept, and in use: it has no time of grace to begin.
    wanted(&mut world, true);
    let in_use = || BlockedReason::InUse {
        vms: BTreeSet::from([101]),
    };
    assert_eq!(since(world.blocked(&removal(), in_use()).run(10)), None);
    let locked = BlockedReason::Template {
        why: TemplateBlock::Protected { vmid: vmid() },
    };
    assert_eq!(since(world.blocked(&removal(), locked).run(20)), None);
    wanted(&mut world, false);
    let memory = world.blocked(&removal(), grace()).run(30);
    assert_eq!(since(memory), Some(at(30)));
    // Silence resets nothing, and orders in doubt neither.
    let silent = NodeVms::Unknown { why: String::new() };
    world.look.observed.vms.insert(node("pve"), silent);
    assert_eq!(since(world.nothing_planned().run(40)), Some(at(30)));
    machines(&mut world, true);
    let memory = world.blocked(&removal(), blocked()).run(50);
    assert_eq!(since(memory), Some(at(30)));
    // Wanted again, and not once more.
    wanted(&mut world, true);
    assert_eq!(since(world.nothing_planned().run(60)), None);
    wanted(&mut world, false);
    let memory = world.blocked(&removal(), grace()).run(70);
    assert_eq!(since(memory), Some(at(70)));
    // Gone, by whomever.
    machines(&mut world, false);
    let memory = world.nothing_planned().run(80);
    assert_eq!(since(memory), None);
    assert_eq!(memory.templates.keys().next(), None);
}

#[test]
fn a_node_is_remembered_as_long_as_a_template_of_ours_may_be_there() {
    let mut world = World::new();
    let spec = Node {
        id: node("pve"),
        reach: Reach::Local,
    };
    world.look.desired.nodes.insert(node("pve"), spec);
    let knows = |memory: &Memory| memory.templates.contains_key(&node("pve"));
    assert!(!knows(world.nothing_planned().run(10)));
    wanted(&mut world, true);
    assert!(knows(world.nothing_planned().run(20)));
    // Not wanted, and nobody could look.
    wanted(&mut world, false);
    assert!(knows(world.nothing_planned().run(30)));
    machines(&mut world, true);
    assert!(knows(world.nothing_planned().run(40)));
    let action = Action::RemoveTemplate {
        node: node("pve"),
        vmid: vmid(),
        name: "talos-retired-9000".to_owned(),
        mark: String::new(),
    };
    world.nothing_planned().step(action.clone(), failed());
    assert!(knows(world.run(50)));
    let done = Outcome::Done {
        fact: Fact::TemplateRemoved,
    };
    world.nothing_planned().step(action, done);
    assert!(!knows(world.run(60)));
}

#[test]
fn a_creation_that_fails_waits_and_so_does_a_switch() {
    let mut world = World::new();
    let (create, switch) = (
        StepId::create_template(&node("pve"), &name()),
        StepId::switch_template(&node("pve"), &name()),
    );
    for id in [&create, &switch] {
        let action = Action::SwitchTemplate(Box::new(crate::plan::SwitchTemplate {
            node: node("pve"),
            name: name(),
            vmid: vmid(),
            tags: Vec::new(),
            notes: None,
            deletion: None,
            retired: Vec::new(),
        }));
        world.nothing_planned().step(action, failed());
        world.look.plan.steps[0].id = id.clone();
        world.outcomes = BTreeMap::from([(id.clone(), failed())]);
        let memory = world.run(10);
        assert_eq!(memory.backoff[id].failures, 1);
        assert_eq!(world.run(20).backoff[id].failures, 2);
        // An operator who asks for the node tries again.
        let mut memory = world.memory.clone();
        reset_back_off(&mut memory, &Scope::Node(node("pve")));
        assert!(memory.backoff.is_empty());
        world.nothing_planned().run(30);
        assert!(world.memory.backoff.is_empty());
    }
}
