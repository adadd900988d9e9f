//! Rings, and operators who do not wait for them.

use std::fs;

use serde_json::Value;

use crate::common::snapshot::images;
use crate::daemon::{Daemon, ON_REQUEST, condition};
use crate::world::{Config, World, position};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const OLDER: &str = "talos-v1.11.2-nocloud-amd64-376567988ad3.iso";

/// An order that goes to `pve-1` first, then to `pve-2`, then to `pve-3`.
fn in_rings(version: &str) -> String {
    let version = format!("      version: {{type: exact, value: {version}}}\n");
    let rings = "  rollout:\n    rings:\n      - {name: near, sites: [near], soak: 1d}\n      \
                 - {name: far, sites: [far]}\n  positions:";
    position("one", "iso", &version).replace("  positions:", rings)
}

fn world() -> World {
    let world = World::small();
    let nodes = [", site: near", ", site: far", ""].into_iter().zip(1..);
    let nodes = nodes.map(|(site, number)| {
        let dir = world.at(&format!("node{number}"));
        let dir = dir.display();
        let reach = format!("local: true, iso_dir: {dir}/iso, import_dir: {dir}/import{site}");
        (format!("pve-{number}"), reach)
    });
    let more = format!("{ON_REQUEST}sites: [{{name: near}}, {{name: far}}]\n");
    world.configure(&Config {
        nodes: nodes.collect(),
        more: &more,
        ..Config::default()
    });
    world
}

/// What the nodes have.
fn held(world: &World) -> [Vec<String>; 3] {
    [1, 2, 3].map(|number| images(&world.at(&format!("node{number}/iso"))))
}

/// The states of the rings.
fn rings(status: &Value) -> Vec<&str> {
    let rings = status["rollouts"][0]["rings"].as_array();
    let rings = rings.into_iter().flatten();
    rings.map(|ring| ring["state"].as_str().unwrap()).collect()
}

#[test]
fn an_operator_promotes_pauses_and_stops_an_image_while_the_controller_runs() {
    let world = world();
    world.order("one.yaml", &in_rings("v1.11.3"));
    let daemon = Daemon::start(&world);
    assert_eq!(held(&world), [vec![ISO], vec![], vec![]]);
    let status = daemon.reconcile();
    assert_eq!(
        rings(&status),
        ["soaking", "waiting", "waiting"],
        "{status:#}"
    );
    let line = condition(&status, "one", None);
    assert_eq!(line["exact_reason"], "WaitsForRing", "{status:#}");
    let listed = daemon.beside(&["rollout"]).expect(0);
    listed.says("soaking").says("ring near soaks");
    daemon
        .beside(&["rollout", "show", "one"])
        .expect(0)
        .says("pve-2");
    let wrong = daemon.beside(&["rollout", "promote", "one", "--to", "fat"]);
    wrong.expect(1).complains("expected near, far");

    // To one ring and no further.
    let promote = daemon.beside(&["rollout", "promote", "one", "--to", "far"]);
    promote
        .expect(0)
        .says("promoted v1.11.3 of order one to ring far")
        .says("begins a run");
    daemon.wait("the second ring", || held(&world)[1] == [ISO]);
    daemon.until("the end of the run", |status| {
        status["running"].is_null() && rings(status)[1] != "waiting"
    });
    assert!(held(&world)[2].is_empty());

    // What is paused is seen at once, and somebody may want one ring nevertheless.
    daemon
        .beside(&["rollout", "pause", "one"])
        .expect(0)
        .says("are paused");
    assert_eq!(daemon.status()["rollouts"][0]["is_paused"], true);
    daemon.beside(&["rollout", "promote", "one"]).expect(0);
    daemon.wait("the last ring", || held(&world)[2] == [ISO]);
    daemon
        .beside(&["rollout", "resume", "--all"])
        .expect(0)
        .says("order one are resumed");

    // Another image begins anew; it is bad, and is not even repaired where it is.
    world.order("one.yaml", &in_rings("v1.11.2"));
    daemon.reconcile();
    assert_eq!(held(&world), [vec![OLDER, ISO], vec![ISO], vec![ISO]]);
    let stop = daemon.beside(&["rollout", "rollback", "one"]).expect(0);
    stop.says("stopped v1.11.2 of order one")
        .says("revert the commit");
    fs::remove_file(world.at("node1/iso").join(OLDER)).unwrap();
    let status = daemon.reconcile();
    assert_eq!(
        rings(&status),
        ["stopped", "stopped", "stopped"],
        "{status:#}"
    );
    assert_eq!(held(&world)[0], [ISO]);
    let resume = daemon.beside(&["rollout", "resume", "one"]).expect(0);
    resume.says("were not paused").says("is still stopped");
    daemon
        .beside(&["rollout", "promote", "one", "--to", "near"])
        .expect(0);
    daemon.wait("the first ring", || held(&world)[0] == [OLDER, ISO]);
    assert_eq!(held(&world)[1], [ISO]);

    let events = daemon.beside(&["events"]).expect(0);
    events
        .says("promote v1.11.3 of order one to all rings: by")
        .says("rollback v1.11.2 of order one: by");
    daemon.stop();
}

#[test]
fn instructions_that_cannot_be_read_begin_no_ring_and_end_no_stop() {
    let world = world();
    world.order("one.yaml", &in_rings("v1.11.3"));
    world.apply().expect(0);
    world.program.run(&["rollout", "rollback", "one"]).expect(0);
    world.apply();
    fs::remove_file(world.at("node1/iso").join(ISO)).unwrap();
    let file = world.cache().join(".talos-order/rollouts.json");
    fs::write(&file, "{\"version\": 2, \"orders\": {}}").unwrap();
    let ran = world.apply();
    ran.complains("every rollout counts as paused");
    assert_eq!(held(&world), [vec![], vec![], Vec::<String>::new()]);
    let promote = world.program.run(&["rollout", "promote", "one"]);
    promote.expect(1).complains("rollout resume --all");
    world
        .program
        .run(&["status"])
        .says("rollouts.json cannot be read");

    let resumed = world.program.run(&["rollout", "resume", "--all"]);
    resumed.expect(0).complains("are kept as");
    world.apply();
    assert!(held(&world)[0].is_empty(), "it is stopped still");
    world
        .program
        .run(&["rollout", "promote", "one", "--to", "near"])
        .expect(0);
    world.apply().expect(0);
    assert_eq!(held(&world), [vec![ISO.to_owned()], vec![], vec![]]);
}

#[test]
fn a_promotion_ends_when_the_order_wants_another_image_and_a_stop_does_not() {
    let world = world();
    let instructions = || {
        let shown = world.program.run(&["rollout", "list", "-o", "json"]);
        shown.expect(0).json()["instructions"].clone()
    };
    let orders = |version: &str| {
        world.order("one.yaml", &in_rings(version));
        world.apply().expect(0);
    };
    orders("v1.11.3");
    let promote = ["rollout", "promote", "one"];
    world.program.run(&promote).expect(0);
    assert!(instructions()["one"]["promoted"].is_object());
    // The order changes before a run has kept to it.
    orders("v1.11.2");
    assert!(instructions()["one"]["promoted"].is_null());
    orders("v1.11.3");
    assert_eq!(held(&world), [vec![OLDER, ISO], vec![], vec![]]);

    world.program.run(&promote).expect(0);
    world.apply().expect(0);
    assert_eq!(held(&world)[1..], [[ISO], [ISO]]);
    assert!(instructions()["one"]["promoted"].is_object());
    world.program.run(&["rollout", "rollback", "one"]).expect(0);
    orders("v1.11.2");
    orders("v1.11.3");
    fs::remove_file(world.at("node1/iso").join(ISO)).unwrap();
    world.apply().expect(0);
    assert_eq!(held(&world)[0], [OLDER], "it is stopped still");
}

/// Nobody but the instructions themselves knows of a stop that no run has seen.
#[test]
fn rings_begin_anew_after_a_rollback_and_a_promotion_between_two_runs() {
    let world = world();
    world.order("one.yaml", &in_rings("v1.11.3"));
    let rollout = |args: &[&str]| {
        let args = [&["rollout"], args].concat();
        world.program.run(&args).expect(0);
    };
    world.apply().expect(0);
    rollout(&["promote", "one"]);
    world.apply().expect(0);
    assert_eq!(held(&world), [[ISO], [ISO], [ISO]]);

    rollout(&["rollback", "one"]);
    rollout(&["promote", "one", "--to", "near"]);
    let lost = [1, 2, 3].map(|node| world.at(&format!("node{node}/iso")).join(ISO));
    for file in &lost {
        fs::remove_file(file).unwrap();
    }
    // The first ring is repaired, and the others begin when it has soaked.
    world.apply().expect(0).says("ring near");
    assert_eq!(held(&world), [vec![ISO.to_owned()], vec![], vec![]]);
    rollout(&["promote", "one", "--to", "far"]);
    world.apply().expect(0);
    assert_eq!(held(&world)[1], [ISO]);
    // What has begun since stays so.
    fs::remove_file(&lost[1]).unwrap();
    world.apply().expect(0);
    assert_eq!(held(&world)[1..], [vec![ISO.to_owned()], vec![]]);
}
