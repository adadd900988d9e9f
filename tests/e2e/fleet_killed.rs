//! A leader is killed in the middle of a delivery to a node with a real sshd, and the standby
//! finishes it.

use std::fs;
use std::process::Child;

use serde_json::Value;
use talos_order::factory_stub::StubOptions;

use crate::common::program::{Program, kill};
use crate::common::seaweed::Seaweed;
use crate::common::sshd::{Lab, SshNode};
use crate::common::{part_on_node, wait_for};
use crate::watch::Watch;
use crate::world::{World, position, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

/// A controller of the site, with files of its own. `push` limits how fast it delivers.
fn controller(
    world: &World,
    (lab, node): (&Lab, &SshNode),
    store: &str,
    name: &str,
    push: &str,
) -> Program {
    let home = world.at(name);
    fs::create_dir_all(&home).unwrap();
    let (ssh, url) = (lab.ssh_opts().join(" "), world.factory.url());
    let config = format!(
        "owner: prague\ndefaults:\n  cache_dir: {home}/cache\n  push: {{create: true, \
         ssh_opts: \"{ssh}\"{push}}}\n\
         manifest: {{dir: {home}/manifests}}\nfactory: {{url: \"{url}\"}}\n\
         github: {{api_url: \"{url}\"}}\nlimits: {{retries: 0, connect: 20s}}\n\
         reconcile: {{interval: 2s, debounce: 100ms, poll: 500ms}}\n\
         fleet: {{site: prague, ttl: 10s}}\n{store}sites: [{{name: prague}}]\n\
         nodes:\n  - {{name: pve-1, labels: [all], site: prague, {reach}}}\n",
        home = home.display(),
        reach = reach(node),
    );
    let file = home.join("config.yaml");
    fs::write(&file, config).unwrap();
    Program::with_files(&home, &file, &world.at("orders"))
}

/// What a controller says of the site.
fn site(program: &Program) -> Value {
    let told = program.run(&["status", "-o", "json"]).stdout;
    let status: Value = serde_json::from_str(&told).unwrap_or_default();
    status["sites"]["prague"].clone()
}

/// Waits until a controller is this, and says under which epoch.
fn waits_for(program: &Program, state: &str) -> u64 {
    wait_for(&format!("a controller is {state}"), || {
        site(program)["state"] == state
    });
    site(program)["epoch"].as_u64().unwrap()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_standby_finishes_what_a_leader_was_killed_in() {
    let Some(store) = Seaweed::shared() else {
        return;
    };
    let lab = Lab::new();
    let node = lab.node();
    let world = World::new(StubOptions {
        disk_bytes: 64 << 20,
        ..StubOptions::default()
    });
    let store = store.section("killed/", world.dir.path());
    let at = (&lab, &node);
    let slow = controller(&world, at, &store, "slow", ", bandwidth_limit: 512KiB");
    let next = controller(&world, at, &store, "next", "");
    fs::create_dir(world.at("orders")).unwrap();
    let mut leader = Running(slow.start(&["run"]));
    let epoch = waits_for(&slow, "leader");
    let _standby = Running(next.start(&["run"]));
    waits_for(&next, "standby");

    let dir = node.root.join("iso");
    let watch = Watch::start(std::slice::from_ref(&dir));
    world.order("one.yaml", &position("one", "iso", ""));
    let arrived = || part_on_node(&dir, ISO).map_or(0, |part| fs::metadata(part).unwrap().len());
    wait_for("a part is there", || arrived() > 300_000);
    kill(&mut leader.0);
    assert!(!dir.join(ISO).exists());

    assert_eq!(waits_for(&next, "leader"), epoch + 1);
    wait_for("the standby finishes it", || dir.join(ISO).exists());
    watch.assert_only_whole_images(&world);
    world.assert_holds(&dir, &[ISO]);
    let epochs = fs::read_to_string(dir.join(".talos-order.epoch")).unwrap();
    let noted = format!("/prague:{}", epoch + 1);
    assert!(epochs.contains(&noted), "{epochs}");
    wait_for("nothing is left of the first one", || {
        part_on_node(&dir, ISO).is_none()
    });
}
