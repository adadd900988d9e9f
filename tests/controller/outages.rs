//! Nodes and upstreams that do not answer.

use std::fs;

use serde_json::Value;

use crate::common::snapshot::Snapshot;
use crate::common::sshd::Lab;
use crate::daemon::{Daemon, FAST, ON_REQUEST, condition, converged, reason};
use crate::world::{Config, World, position, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const OLDER: &str = "talos-v1.11.2-nocloud-amd64-376567988ad3.iso";

#[test]
fn a_node_that_is_down_costs_the_others_nothing_and_catches_up() {
    let world = World::small();
    let lab = Lab::new();
    let (up, mut down) = (lab.node(), lab.node());
    world.configure(&Config {
        lab: Some(&lab),
        nodes: vec![
            ("pve-01".to_owned(), reach(&up)),
            ("pve-02".to_owned(), reach(&down)),
        ],
        more: FAST,
        ..Config::default()
    });
    world.order_one("iso", "      version: {type: exact, value: v1.11.2}\n");
    let daemon = Daemon::start(&world);
    let isos = [&up, &down].map(|node| node.root.join("iso"));
    world.assert_holds(&isos[1], &[OLDER]);

    down.stop();
    world.order_one("iso", "");
    daemon.wait("the other one is served", || isos[0].join(ISO).exists());
    let status = daemon.until("the silence is told", |status| {
        condition(status, "one", Some("pve-01"))["state"] == "Ready"
            && reason(status, "one", Some("pve-02")) == "TargetUnreachable"
    });
    assert_eq!(reason(&status, "one", None), "TargetUnreachable");
    let circuit = &status["circuits"]["pve-02"];
    assert!(circuit["failures"].as_u64() >= Some(1), "{status:#}");
    daemon
        .beside(&["status"])
        .expect(1)
        .says("UNREACHABLE NODE")
        .says("pve-02");

    // While the circuit is open nobody knocks, whatever runs there are.
    let before = status["circuits"]["pve-02"]["failures"].clone();
    let runs = daemon.runs().len();
    let status = daemon.until("two more runs", |_| daemon.runs().len() >= runs + 2);
    assert_eq!(status["circuits"]["pve-02"]["failures"], before);

    // It is back, and whoever knows that says so.
    down.start();
    daemon.beside(&["reconcile", "--node", "pve-02"]).expect(0);
    world.assert_holds(&isos[1], &[OLDER, ISO]);
    let status = daemon.until("all is well", converged);
    assert_eq!(status["circuits"], Value::Object(Default::default()));
    daemon.stop();
}

#[test]
fn with_both_upstreams_down_it_keeps_what_it_has_and_says_so() {
    let mut world = World::small();
    world.configure_local(1, ON_REQUEST);
    let latest = "      version: {type: latest-in-minor, minor: v1.11}\n";
    world.order_one("iso", latest);
    let daemon = Daemon::start(&world);
    let iso = world.at("node1/iso");
    world.assert_holds(&iso, &[ISO]);

    world.factory.stop();
    let kept = Snapshot::of(&[&iso]);
    let status = daemon.reconcile();
    let notes = status["notes"].to_string();
    assert!(notes.contains("using the versions"), "{status:#}");
    assert!(
        converged(&status),
        "what is there is what is wanted: {status:#}"
    );
    kept.assert_same(&Snapshot::of(&[&iso]));
    daemon.beside(&["status"]).expect(0).says("Note");

    // What it never had it cannot have now, and the rest is not touched.
    let other = position(
        "other",
        "iso",
        "      version: {type: exact, value: v1.11.2}\n",
    );
    world.order("other.yaml", &other);
    // Damage is healed from the cache.
    fs::write(iso.join(ISO), "cut").unwrap();
    let status = daemon.reconcile();
    assert_eq!(
        reason(&status, "other", None),
        "UpstreamUnavailable",
        "{status:#}"
    );
    assert_eq!(
        condition(&status, "one", None)["state"],
        "Ready",
        "{status:#}"
    );
    world.assert_holds(&iso, &[ISO]);

    let options = world.options();
    world.factory.restart(options);
    let status = daemon.reconcile();
    assert!(converged(&status), "{status:#}");
    world.assert_holds(&iso, &[OLDER, ISO]);
    assert_eq!(
        status["notes"].as_array().map(Vec::len),
        Some(0),
        "{status:#}"
    );
    daemon.stop();
}
