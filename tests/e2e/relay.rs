//! A site whose relay gets an image once and sends it on to its neighbours.

use std::fs;

use talos_order::factory_stub::StubOptions;

use crate::common::sshd::{Lab, SshNode};
use crate::world::{Config, World, reach};

const RAW: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw";

/// Three nodes that are near each other.
struct Site {
    nodes: Vec<SshNode>,
    world: World,
    lab: Lab,
}

impl Site {
    fn new() -> Self {
        let lab = Lab::new();
        Self {
            nodes: (0..3).map(|_| lab.node()).collect(),
            world: World::new(StubOptions::default()),
            lab,
        }
    }

    /// The relay is pve-0, which reaches its neighbours with these options.
    fn configure(&self, ssh_opts: &str) {
        let nodes = self.nodes.iter().enumerate();
        self.world.configure(&Config {
            lab: Some(&self.lab),
            nodes: nodes
                .map(|(at, node)| {
                    (
                        format!("pve-{at}"),
                        format!("{}, site: berlin", reach(node)),
                    )
                })
                .collect(),
            more: &format!("sites: [{{name: berlin, relay: pve-0, ssh_opts: \"{ssh_opts}\"}}]\n"),
            ..Config::default()
        });
    }

    fn assert_everywhere(&self) {
        for node in &self.nodes {
            self.world.assert_holds(&node.root.join("import"), &[RAW]);
        }
    }
}

#[test]
fn an_image_goes_to_the_relay_and_from_there_to_its_neighbours() {
    let site = Site::new();
    site.configure(&site.lab.ssh_opts().join(" "));
    site.world.order_one("raw.xz", "");
    let plan = site.world.program.run(&["plan"]).expect(0);
    plan.says("sent on by pve-0");
    site.world.apply().expect(0).says("3 pushed");
    site.assert_everywhere();
    site.world.apply().expect(0).says("nothing to do");

    // One that lost it gets it from its neighbour again, and from no cache.
    fs::remove_file(site.nodes[2].root.join("import").join(RAW)).unwrap();
    let plan = site.world.program.run(&["plan"]).expect(0);
    plan.says("sent on by pve-0");
    site.world.apply().expect(0).says("1 pushed");
    site.assert_everywhere();
}

#[test]
fn a_relay_that_cannot_reach_its_neighbours_starves_nobody() {
    let site = Site::new();
    // Without the lab's key and known hosts nobody is let in.
    site.configure("-F /dev/null -o BatchMode=yes -o UserKnownHostsFile=/dev/null");
    site.world.order_one("raw.xz", "");
    let failed = site.world.apply().expect(1);
    failed.says("1 pushed").says("2 failed");
    // Known from then on: they are served from here.
    site.world.apply().expect(0).says("2 pushed");
    site.assert_everywhere();
}

#[test]
fn neighbours_of_a_relay_that_is_down_are_served_directly() {
    let mut site = Site::new();
    site.configure(&site.lab.ssh_opts().join(" "));
    site.world.order_one("raw.xz", "");
    site.nodes[0].stop();
    site.world.apply().expect(1).says("2 pushed");
    site.nodes[0].start();
    site.world.apply().expect(0).says("1 pushed");
    site.assert_everywhere();
}
