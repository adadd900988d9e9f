//! A leader is killed in the middle of a delivery to a node with a real sshd, and the standby
//! finishes it.

use std::fs;

use talos_order::factory_stub::StubOptions;

use crate::common::program::{Program, kill};
use crate::common::seaweed::Seaweed;
use crate::common::sshd::{Lab, SshNode};
use crate::common::{part_on_node, wait_for};
use crate::controllers::{Running, waits_for};
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
    let mut leader = Running::start(&slow);
    let epoch = waits_for(&slow, "prague", "leader");
    let _standby = Running::start(&next);
    waits_for(&next, "prague", "standby");

    let dir = node.root.join("iso");
    let watch = Watch::start(std::slice::from_ref(&dir));
    world.order("one.yaml", &position("one", "iso", ""));
    let arrived = || part_on_node(&dir, ISO).map_or(0, |part| fs::metadata(part).unwrap().len());
    wait_for("a part is there", || arrived() > 300_000);
    kill(&mut leader.0);
    assert!(!dir.join(ISO).exists());

    assert_eq!(waits_for(&next, "prague", "leader"), epoch + 1);
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
