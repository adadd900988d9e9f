//! Connections that a controller keeps open: over a reload, and when it is killed.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::Signal;
use talos_order::factory_stub::StubOptions;

use crate::common::part_on_node;
use crate::common::sshd::{Lab, SshNode};
use crate::daemon::{Daemon, converged};
use crate::world::{Config, World, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

/// A run is done when it is requested, and connections stay open until the next one.
const KEPT: &str = "reconcile: {interval: 1h, jitter: 0, debounce: 10m, poll: 1h}\n";

fn configure(world: &World, lab: &Lab, node: &SshNode, push: &str) {
    world.configure(&Config {
        lab: Some(lab),
        push,
        nodes: vec![("pve-01".to_owned(), reach(node))],
        more: KEPT,
        ..Config::default()
    });
}

/// The processes of the connections to a node.
fn open(node: &SshNode) -> BTreeSet<u32> {
    node.sessions().into_iter().collect()
}

/// Waits until nothing runs on a node but its connections, and returns those.
fn idle(daemon: &Daemon, node: &SshNode) -> BTreeSet<u32> {
    let runs_nothing = |pid: &u32| {
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.starts_with("sshd")
    };
    let mut found = BTreeSet::new();
    daemon.wait("a connection is open and idle", || {
        found = open(node);
        !found.is_empty() && found.iter().all(runs_nothing)
    });
    found
}

#[test]
fn a_reload_ends_the_connections_that_were_kept_and_the_next_run_opens_its_own() {
    let (world, lab) = (World::small(), Lab::new());
    let node = lab.node();
    configure(&world, &lab, &node, "");
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    let mut before = idle(&daemon, &node);
    daemon.reconcile();
    assert_eq!(idle(&daemon, &node), before, "runs share a connection");

    let config = fs::read_to_string(world.at("config.yaml")).unwrap();
    let other = config.replace("ssh_opts: \"", "ssh_opts: \"-o NumberOfPasswordPrompts=1 ");
    assert_ne!(other, config);
    // The same options, and others.
    for text in [&config, &other] {
        fs::write(world.at("config.yaml"), text).unwrap();
        fs::remove_file(node.root.join("iso").join(ISO)).unwrap();
        let runs = daemon.runs().len();
        daemon.signal(Signal::HUP);
        daemon.until("its run is over", |status| {
            converged(status) && status["next_pass"].is_string() && daemon.runs().len() > runs
        });
        world.assert_holds(&node.root.join("iso"), &[ISO]);
        daemon.wait("those of before end", || open(&node).is_disjoint(&before));
        before = idle(&daemon, &node);
    }
    daemon.stop();
    crate::common::wait_for("none is left", || node.sessions().is_empty());
}

#[test]
fn the_next_controller_uses_the_connections_of_one_that_was_killed() {
    let (world, lab) = (World::small(), Lab::new());
    let node = lab.node();
    configure(&world, &lab, &node, "");
    world.order_one("iso", "");
    let mut daemon = Daemon::start(&world);
    let before = idle(&daemon, &node);
    daemon.signal(Signal::KILL);
    daemon.ended();

    fs::remove_file(node.root.join("iso").join(ISO)).unwrap();
    let daemon = Daemon::start(&world);
    world.assert_holds(&node.root.join("iso"), &[ISO]);
    assert_eq!(idle(&daemon, &node), before);
    daemon.stop();
    crate::common::wait_for("none is left", || node.sessions().is_empty());
}

#[test]
fn what_a_killed_controller_was_sending_does_not_disturb_the_next_one() {
    let world = World::new(StubOptions::default());
    let lab = Lab::new();
    let node = lab.node();
    let iso = node.root.join("iso");
    for method in ["stream", "rsync"] {
        let limited = format!("method: {method}\n    bandwidth_limit: 100KiB");
        configure(&world, &lab, &node, &limited);
        world.order_one("iso", "");
        let mut daemon = Daemon::launch(&world);
        let length = || {
            let part = part_on_node(&iso, ISO);
            part.map_or(0, |part| fs::metadata(part).map_or(0, |meta| meta.len()))
        };
        daemon.wait("bytes arrive", || length() > 100_000);
        daemon.signal(Signal::KILL);
        daemon.ended();
        assert!(!node.sessions().is_empty());

        configure(&world, &lab, &node, &format!("method: {method}"));
        let daemon = Daemon::start(&world);
        assert!(converged(&daemon.status()), "{:#}", daemon.status());
        world.assert_holds(&iso, &[ISO]);
        assert!(part_on_node(&iso, ISO).is_none());
        daemon.stop();
        crate::common::wait_for("none is left", || node.sessions().is_empty());
        fs::remove_file(iso.join(ISO)).unwrap();
    }
}
