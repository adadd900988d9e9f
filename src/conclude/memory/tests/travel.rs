//! What is remembered of how deliveries travelled.

use super::*;
use crate::model::{Method, Proof, Via};
use crate::plan::{Transport, TransportReason};

/// A push of an image to a node, streamed from here or sent on by another node.
fn push(name: &str, via: Option<&str>, needs: Vec<StepId>) -> Step {
    let artifact = serde_json::from_value(serde_json::json!({
        "version": "v1.11.2", "platform": "nocloud", "arch": "amd64",
        "secureboot": false, "schematic": "0".repeat(64), "format": "iso",
    }));
    let action = Action::Push {
        target: target(name),
        artifact: artifact.expect("an artifact"),
        cache_file: file(),
        file: file(),
        bytes: crate::plan::Size::Unknown,
        form: crate::model::StoredForm::Same,
        replace: true,
        deletion: None,
        transport: Transport {
            method: Method::Stream,
            because: TransportReason::DataOnly,
            wire_bytes: None,
            via: via.map(|relay| Via {
                node: node(relay),
                dir: "/iso".parse().unwrap(),
                file: file(),
                site: "far".parse().unwrap(),
            }),
            unrelayed: None,
            while_fetching: None,
            proof: Proof::Readback,
        },
    };
    Step {
        id: action.step_id(),
        action,
        why: Why::Missing,
        needs,
        wanted_by: Default::default(),
    }
}

fn sent(wire_bytes: u64, millis: u64) -> Outcome {
    let entry = serde_json::json!({
        "name": "a.iso", "size": 1, "mtime": 1, "inode": 1, "sha256": "0".repeat(64),
        "artifact": {
            "version": "v1.11.2", "platform": "nocloud", "arch": "amd64",
            "secureboot": false, "schematic": "0".repeat(64), "format": "iso",
        },
        "orders": [], "placed_at": at(0),
    });
    Outcome::Done {
        fact: Fact::Pushed {
            entry: Box::new(serde_json::from_value(entry).expect("an entry")),
            copied: true,
            wire_bytes: Some(wire_bytes),
            millis,
        },
    }
}

fn broken() -> Outcome {
    Outcome::Failed {
        failure: Failure {
            error: "it broke".to_owned(),
            hint: None,
            transient: true,
            kind: FailureKind::Other,
        },
    }
}

#[test]
fn links_are_measured_by_what_was_streamed_from_here() {
    let mut world = World::new();
    let speed = |world: &World| {
        let link = world.memory.links.get(&node("pve"));
        link.map(|link| link.bytes_per_second)
    };
    let run = |world: &mut World, via: Option<&str>, outcome: Outcome| {
        world.nothing_planned();
        let step = push("pve", via, Vec::new());
        world.outcomes.insert(step.id.clone(), outcome);
        world.look.plan.steps.push(step);
        world.run(1);
        speed(world)
    };
    assert_eq!(run(&mut world, None, sent(1 << 20, 100)), None);
    assert_eq!(run(&mut world, Some("other"), sent(8 << 20, 1000)), None);
    assert_eq!(run(&mut world, None, sent(8 << 20, 1000)), Some(8 << 20));
    assert_eq!(run(&mut world, None, sent(4 << 20, 1000)), Some(6 << 20));
    assert_eq!(run(&mut world, None, broken()), Some(6 << 20));
    world.memory.places.clear();
    world.nothing_planned().look.observed.nodes.clear();
    assert_eq!(world.run(2).links, BTreeMap::new());
}

#[test]
fn a_relay_that_fails_is_left_out_for_a_while() {
    let mut world = World::new();
    for name in ["far-1", "far-2"] {
        let place = world.memory.places[&node("pve")].clone();
        world.memory.places.insert(node(name), place);
    }
    let relay = push("pve", None, Vec::new());
    let served = push("far-1", Some("pve"), vec![relay.id.clone()]);
    let skipped = Outcome::Skipped {
        needs: relay.id.clone(),
    };
    world.outcomes.insert(relay.id.clone(), broken());
    world.outcomes.insert(served.id.clone(), skipped);
    let served = vec![relay, served];
    world.look.plan.steps = served;
    let detours = |memory: &Memory| {
        let detours = memory.detours.iter();
        let until = |detour: &RelayBackoff| detour.until.as_second();
        detours
            .map(|(node, detour)| (node.to_string(), until(detour)))
            .collect::<Vec<_>>()
    };
    assert_eq!(detours(world.run(10)), [("pve".to_owned(), 910)]);
    // What the relay did not reach is one neighbour; that one failed from here as
    // well says nothing of a relay.
    let (sent_on, direct) = (
        push("far-1", Some("pve"), Vec::new()),
        push("far-2", None, Vec::new()),
    );
    world.outcomes.clear();
    world.outcomes.insert(sent_on.id.clone(), broken());
    world.outcomes.insert(direct.id.clone(), broken());
    world.look.plan.steps = vec![sent_on, direct];
    let both = [("far-1".to_owned(), 1200), ("pve".to_owned(), 910)];
    assert_eq!(detours(world.run(300)), both);
    reset_back_off(&mut world.memory, &Scope::All);
    world.nothing_planned();
    assert_eq!(detours(world.run(1000)), both[..1]);
}
