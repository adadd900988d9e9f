//! How long promotions last.

use super::*;
use crate::facts::{
    Promotion, Promotions, RolloutChange, RolloutInstruction, VersionKnowledge, VersionSource,
};
use crate::model::{ArtifactId, OrderId, PositionRef, Release};
use crate::plan::{PositionWant, Resolved, Unresolved};

fn web() -> OrderId {
    "web".parse().unwrap()
}

fn artifact(version: &str) -> ArtifactId {
    serde_json::from_value(serde_json::json!({
        "version": version, "platform": "nocloud", "arch": "amd64",
        "secureboot": false, "schematic": "0".repeat(64), "format": "iso",
    }))
    .expect("an artifact")
}

fn release(version: &str) -> Release {
    Release::of(&artifact(version))
}

fn want(version: &str) -> PositionWant {
    let download = artifact(version);
    PositionWant {
        position: PositionRef {
            order: web(),
            index: 0,
            name: "iso".to_owned(),
        },
        elsewhere: BTreeSet::new(),
        elsewhere_awaited: BTreeSet::new(),
        outcome: Ok(Resolved {
            version: download.version.clone(),
            version_source: VersionSource::Order,
            delivered: download.clone(),
            download,
            url: String::new(),
            unpacked: None,
            targets: Vec::new(),
            unplaced: Vec::new(),
            awaited: Vec::new(),
        }),
    }
}

/// A world with these versions in the order, all of it known.
fn world(versions: &[&str]) -> World {
    let mut world = World::new();
    world.nothing_planned();
    wants(&mut world, versions);
    world.look.observed.catalog.versions = VersionKnowledge::NotNeeded;
    world
}

fn wants(world: &mut World, versions: &[&str]) {
    world.look.desired.complete = true;
    world.look.desired.positions = versions.iter().map(|version| want(version)).collect();
}

fn promote(world: &mut World, version: &str, to: Promotion) {
    let said = world.memory.instructed.entry(web()).or_default();
    let promote = RolloutChange::Promote {
        releases: BTreeSet::from([release(version)]),
        to,
    };
    said.change(&promote, Timestamp::UNIX_EPOCH);
}

/// The versions whose promotions are over after a run.
fn over(world: &mut World, orders: &[&str]) -> Vec<String> {
    world.run(0);
    let orders = orders.iter().map(|name| name.parse().unwrap()).collect();
    let over: Promotions = promotions_over(&world.memory, &world.look, &orders);
    let releases = over.into_values().flat_map(BTreeMap::into_keys);
    releases.map(|release| release.to_string()).collect()
}

#[test]
fn a_promotion_is_over_when_the_order_wants_another_image() {
    let mut world = world(&["v1.11.3"]);
    promote(&mut world, "v1.11.3", Promotion::Everywhere);
    assert_eq!(over(&mut world, &["web"]), [""; 0]);
    assert_eq!(over(&mut world, &["web"]), [""; 0]);
    wants(&mut world, &["v1.12.0"]);
    let ended = [release("v1.11.3").to_string()];
    assert_eq!(over(&mut world, &["web"]), ended);
    // Until it is removed, each run finds it.
    assert_eq!(over(&mut world, &["web"]), ended);
    world.memory.instructed.clear();
    assert_eq!(over(&mut world, &["web"]), [""; 0]);
    assert!(world.memory.promotions_seen.is_empty());
}

#[test]
fn a_promotion_that_no_run_kept_to_is_over_as_well() {
    let mut world = world(&["v1.11.3"]);
    let releases = BTreeMap::from([(release("v1.11.3"), Default::default())]);
    world.memory.rollouts.insert(web(), releases);
    promote(&mut world, "v1.11.3", Promotion::Everywhere);
    wants(&mut world, &["v1.12.0"]);
    let ended = [release("v1.11.3").to_string()];
    assert_eq!(over(&mut world, &["web"]), ended);
}

#[test]
fn an_order_that_is_gone_ends_its_promotions() {
    let mut world = world(&["v1.11.3"]);
    promote(&mut world, "v1.11.3", Promotion::Everywhere);
    over(&mut world, &["web"]);
    wants(&mut world, &[]);
    // It is for nodes of another site alone: its leader knows.
    assert_eq!(over(&mut world, &["db", "web"]), [""; 0]);
    // All orders are gone, which may be a mistake.
    assert_eq!(over(&mut world, &[]), [""; 0]);
    assert_eq!(over(&mut world, &["db"]), [release("v1.11.3").to_string()]);
}

#[test]
fn whoever_does_not_know_the_image_yet_ends_no_promotion() {
    let mut world = world(&["v1.11.3"]);
    promote(&mut world, "v1.12.0", Promotion::Everywhere);
    assert_eq!(over(&mut world, &["web"]), [""; 0]);
    wants(&mut world, &["v1.12.0"]);
    assert_eq!(over(&mut world, &["web"]), [""; 0]);
    // It was given anew after this controller saw it wanted: that one is another.
    wants(&mut world, &["v1.11.3"]);
    world.memory.rollouts.clear();
    let ring = Promotion::UpTo("canary".parse().unwrap());
    promote(&mut world, "v1.12.0", ring);
    assert_eq!(over(&mut world, &["web"]), [""; 0]);
}

#[test]
fn in_doubt_a_promotion_lasts() {
    type Doubt = fn(&mut World);
    let doubts: [Doubt; 6] = [
        |world| world.look.desired.complete = false,
        |world| world.look.desired.doubt = Some("the git server does not answer".to_owned()),
        |world| {
            world.look.desired.partial.insert(web());
        },
        |world| {
            let failures = Vec::new();
            world.look.desired.positions[0].outcome = Err(Unresolved::VersionsUnknown { failures });
        },
        |world| world.memory.instruction_troubles = vec!["it cannot be read".to_owned()],
        |world| {
            let failures = vec!["no route".to_owned()];
            world.look.observed.catalog.versions = VersionKnowledge::Unknown { failures };
        },
    ];
    for doubt in doubts {
        let mut world = world(&["v1.11.3"]);
        promote(&mut world, "v1.11.3", Promotion::Everywhere);
        over(&mut world, &["web"]);
        wants(&mut world, &["v1.12.0"]);
        doubt(&mut world);
        assert_eq!(over(&mut world, &["web"]), [""; 0]);
        // It is remembered until the doubt is over.
        let seen = &world.memory.promotions_seen[&web()];
        assert!(seen.contains_key(&release("v1.11.3")));
    }
}

#[test]
fn a_stop_has_no_end() {
    let mut world = world(&["v1.11.3"]);
    let stopped = RolloutInstruction {
        stopped: BTreeSet::from([release("v1.11.3")]),
        ..RolloutInstruction::default()
    };
    world.memory.instructed.insert(web(), stopped.clone());
    over(&mut world, &["web"]);
    wants(&mut world, &["v1.12.0"]);
    assert_eq!(over(&mut world, &["web"]), [""; 0]);
    assert_eq!(world.memory.instructed[&web()], stopped);
}
