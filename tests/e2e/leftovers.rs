//! What an interrupted delivery leaves on a node goes once nobody wants it.

use std::fs;

use talos_order::factory_stub::StubOptions;

use crate::common::program::kill;
use crate::common::sshd::Lab;
use crate::common::{part_on_node, wait_for};
use crate::world::{Config, World, position, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

#[test]
fn the_part_of_an_order_that_is_gone_is_cleared_after_its_grace() {
    let lab = Lab::new();
    let node = lab.node();
    let world = World::new(StubOptions {
        disk_bytes: 16 << 20,
        ..StubOptions::default()
    });
    let configure = |push: &str, grace: &str| {
        world.configure(&Config {
            lab: Some(&lab),
            push,
            nodes: vec![("pve-1".to_owned(), reach(&node))],
            more: &format!("prune: {{grace: {grace}}}\n"),
            ..Config::default()
        });
    };
    configure("bandwidth_limit: 256KiB", "7d");
    world.order_one("iso", "");
    let dir = node.root.join("iso");
    let part = || part_on_node(&dir, ISO);
    let mut run = world.program.start(&["apply"]);
    wait_for("a part is there", || {
        part().is_some_and(|part| fs::metadata(part).is_ok_and(|meta| meta.len() > 100_000))
    });
    kill(&mut run);

    // The order is another one now; the part is of nothing.
    configure("", "7d");
    let other = position("one", "iso", "").replace("v1.11.3", "v1.11.2");
    world.order("one.yaml", &other);
    world.apply().expect(0).says("1 pushed");
    assert!(part().is_some(), "it is in its grace");
    let held = world.program.run(&["plan", "-v"]).expect(0);
    held.says("prune part of ").says("kept until");

    configure("", "0s");
    let plan = world.program.run(&["plan", "-v"]).expect(0);
    plan.says(&format!(
        "prune     part of {ISO} from pve-1:{}",
        dir.display()
    ));
    assert!(part().is_some(), "a plan changes nothing");
    world.apply().expect(0).says("1 pruned");
    assert_eq!(part(), None);
    assert!(!dir.join(".talos-order.parts").exists());
    world.apply().expect(0).says("nothing to do");
}
