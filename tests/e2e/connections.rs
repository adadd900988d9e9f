//! Connections to nodes: when they are opened, and who uses them.

use talos_order::factory_stub::{StubFault, StubRequest};

use crate::common::sshd::{Lab, kill};
use crate::common::{PATIENCE, wait_for};
use crate::world::{Config, World, reach};

const ISO: &str = "talos-v1.12.1-nocloud-amd64-376567988ad3.iso";

#[test]
fn nodes_are_connected_to_while_the_versions_are_asked_for() {
    let (world, lab) = (World::small(), Lab::new());
    let mut node = lab.node();
    world.configure(&Config {
        lab: Some(&lab),
        nodes: vec![("pve-01".to_owned(), reach(&node))],
        ..Config::default()
    });
    world.order_one("iso", "      version: {type: latest}\n");
    world.apply().expect(0);
    world.assert_holds(&node.root.join("iso"), &[ISO]);
    // With its connections.
    node.stop();
    node.start();
    let mark = world.factory.mark();
    let late = StubFault::Late(PATIENCE * 10);
    world.factory.inject("GET /versions", late);
    let mut run = world.program.start(&["apply"]);
    let asked = || {
        let mut asked = world.factory.requests().split_off(mark);
        asked.retain(|request| request.path == "/versions");
        asked
    };
    wait_for("both are asked", || {
        !asked().is_empty() && !node.sessions().is_empty()
    });
    let statuses = asked()
        .iter()
        .map(|request: &StubRequest| request.status)
        .collect::<Vec<_>>();
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(statuses, [0], "the factory has not answered");
}

#[test]
fn a_plan_uses_connections_that_are_open_and_leaves_none_behind() {
    let (world, lab) = (World::small(), Lab::new());
    let node = lab.node();
    world.configure(&Config {
        lab: Some(&lab),
        nodes: vec![("pve-01".to_owned(), reach(&node))],
        ..Config::default()
    });
    world.order_one("iso", "");
    world.program.run(&["plan"]).expect(0);
    wait_for("no connection is left", || node.sessions().is_empty());
    world.apply().expect(0);
    // Nobody can connect any more; who is connected stays so.
    let open = node.sessions();
    kill(node.pid().unwrap());
    let ran = world.program.run(&["plan"]);
    open.into_iter().for_each(kill);
    ran.expect(0).says("nothing to do");
}
