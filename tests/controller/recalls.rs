//! Operators who say something else of a rollout while a run delivers it.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;
use talos_order::factory_stub::StubOptions;

use crate::common::part_on_node;
use crate::common::snapshot::images;
use crate::common::sshd::{Lab, SshNode};
use crate::daemon::{Daemon, ON_CHANGE};
use crate::world::{Config, World, position, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

/// The same from a factory that adds its owner to every schematic.
const OWNED_ISO: &str = "talos-v1.11.3-nocloud-amd64-4db83fd11221.iso";

/// As slow as a remote site: the push of the image below takes minutes.
const SLOW: &str = ", bandwidth_limit: 256KiB";

/// A node, and two of a site that receives one image at a time.
struct Site {
    world: World,
    lab: Lab,
    nodes: Vec<SshNode>,
    iso: &'static str,
}

impl Site {
    fn new() -> Self {
        let site = Self::with(StubOptions::default(), ISO);
        // The image is in the cache, so the pushes wait for each other and for nothing else.
        let cached = position("cached", "iso", "      push: {enabled: false}\n");
        site.world.order("cached.yaml", &cached);
        site.world.apply().expect(0);
        site
    }

    fn with(options: StubOptions, iso: &'static str) -> Self {
        let lab = Lab::new();
        let site = Self {
            world: World::new(StubOptions {
                disk_bytes: 64 << 20,
                ..options
            }),
            nodes: (0..3).map(|_| lab.node()).collect(),
            lab,
            iso,
        };
        site.configure(SLOW);
        site
    }

    fn configure(&self, rate: &str) {
        let nodes = self.nodes.iter().zip(1..).map(|(node, number)| {
            let site = if number == 1 { "near" } else { "far" };
            let reach = format!("{}, site: {site}{rate}", reach(node));
            (format!("pve-{number}"), reach)
        });
        self.world.configure(&Config {
            lab: Some(&self.lab),
            nodes: nodes.collect(),
            more: &format!("{ON_CHANGE}sites: [{{name: near}}, {{name: far, at_once: 1}}]\n"),
            ..Config::default()
        });
    }

    /// Orders the image for all nodes, in these rings.
    fn order(&self, rings: &str) {
        let rings = format!("  rollout:\n    rings: [{rings}]\n  positions:");
        let order = position("one", "iso", "").replace("  positions:", &rings);
        self.world.order("one.yaml", &order);
    }

    fn dirs(&self) -> Vec<PathBuf> {
        let nodes = self.nodes.iter();
        nodes.map(|node| node.root.join("iso")).collect()
    }

    /// The bytes that have arrived where a push has begun.
    fn arrived(&self) -> u64 {
        let dirs = self.dirs();
        let parts = dirs.iter().filter_map(|dir| part_on_node(dir, self.iso));
        parts
            .map(|part| fs::metadata(part).map_or(0, |meta| meta.len()))
            .sum()
    }

    /// How many nodes have the image, and how many have a part of it.
    fn holding(&self) -> (usize, usize) {
        let dirs = self.dirs();
        let whole = dirs
            .iter()
            .filter(|dir| dir.is_dir() && images(dir) == [self.iso]);
        let parts = dirs
            .iter()
            .filter(|dir| part_on_node(dir, self.iso).is_some());
        (whole.count(), parts.count())
    }
}

fn ring(status: &Value) -> &str {
    status["rollouts"][0]["rings"][0]["state"]
        .as_str()
        .unwrap_or_default()
}

#[test]
fn a_rollback_ends_the_push_that_is_running_and_no_other_begins() {
    let site = Site::new();
    let world = &site.world;
    let daemon = Daemon::start(world);
    site.order("{name: every, labels: [all]}");
    daemon.wait("bytes arrive", || site.arrived() > 100_000);
    assert_eq!(ring(&daemon.status()), "open", "{:#}", daemon.status());

    let stop = daemon.beside(&["rollout", "rollback", "one"]).expect(0);
    stop.says("stopped v1.11.3 of order one")
        .says("begins no further step");
    let status = daemon.until("the run with it is over", |status| {
        status["running"].is_null() && ring(status) == "stopped"
    });
    let (whole, parts) = site.holding();
    assert_eq!(whole, 0, "{status:#}");
    assert!(
        (1..=2).contains(&parts),
        "one at a time in the site: {parts}"
    );
    daemon.beside(&["status"]).expect(1).says("stopped");
    let runs = daemon.runs();
    let ends = runs.iter().flat_map(|run| run["steps"].as_array().unwrap());
    let pushes = ends.filter(|step| step["step"].as_str().unwrap().starts_with("push/"));
    let ends: Vec<&Value> = pushes.map(|step| &step["end"]).collect();
    assert_eq!(ends, ["cancelled"; 3], "{}", daemon.log());

    // What has arrived is not sent again.
    site.configure("");
    daemon.signal(Signal::HUP);
    daemon.until("the new configuration is read", |_| {
        daemon.log().contains("configuration reloaded")
    });
    daemon.beside(&["rollout", "promote", "one"]).expect(0);
    daemon.wait("all nodes have it", || site.holding() == (3, 0));
    for dir in site.dirs() {
        world.assert_holds(&dir, &[ISO]);
    }
    daemon.stop();
}

#[test]
fn a_run_by_hand_ends_when_its_image_is_stopped_and_says_so() {
    let site = Site::new();
    let world = &site.world;
    site.configure("");
    site.order("{name: first, sites: [near]}, {name: second, sites: [far], manual: true}");
    world.apply().expect(0);
    assert_eq!(site.holding(), (1, 0));
    site.configure(SLOW);
    world.program.run(&["rollout", "promote", "one"]).expect(0);
    let apply = world.program.start_heard(&["apply"]);
    let begin = std::time::Instant::now();
    while site.arrived() < 100_000 {
        assert!(begin.elapsed().as_secs() < 60, "nothing arrives");
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    let stop = world.program.run(&["rollout", "rollback", "one"]).expect(0);
    stop.says("stopped v1.11.3 of order one")
        .says("or the one in progress");
    let ended = apply.wait_with_output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert_eq!(ended.status.code(), Some(1), "{stdout}\n{stderr}");
    assert!(
        stderr.contains("Rollouts of order one have a new instruction; no further step begins"),
        "{stderr}"
    );
    assert!(stdout.contains("run again to continue"), "{stdout}");
    assert_eq!(site.holding(), (1, 1));
    world.program.run(&["status"]).expect(1);

    // No run has seen the stop yet, and what had begun is over nevertheless.
    let promote = ["rollout", "promote", "one", "--to", "first"];
    world.program.run(&promote).expect(0);
    site.configure("");
    world.apply().expect(0).says("ring second waits");
    assert_eq!(site.holding(), (1, 1));

    world.program.run(&["rollout", "rollback", "one"]).expect(0);
    let again = world.apply().expect(0);
    again.says("an operator stopped the image");
    assert_eq!(site.holding(), (1, 1));
}

/// The factory gives another id than the computed one, so the run plans again, and what it
/// pushes then is in no plan before.
#[test]
fn a_rollback_ends_what_a_run_has_planned_again() {
    let factory = StubOptions {
        owner: Some("example".to_owned()),
        ..StubOptions::default()
    };
    let site = Site::with(factory, OWNED_ISO);
    let world = &site.world;
    world.order("empty.yaml", "- orderid: empty\n  positions: []\n");
    let daemon = Daemon::start(world);
    site.order("{name: every, labels: [all]}");
    daemon.wait("bytes arrive", || site.arrived() > 100_000);
    assert!(daemon.log().contains("planned again"), "{}", daemon.log());
    let runs = daemon.runs().len();

    let stop = daemon.beside(&["rollout", "rollback", "one"]).expect(0);
    stop.says("stopped v1.11.3 of order one");
    daemon.until("the run with it is over", |status| {
        status["running"].is_null() && ring(status) == "stopped"
    });
    let (whole, parts) = site.holding();
    assert_eq!(whole, 0, "{}", daemon.log());
    assert!((1..=3).contains(&parts), "{parts}");
    let runs = daemon.runs().split_off(runs);
    let ends = runs.iter().flat_map(|run| run["steps"].as_array().unwrap());
    let pushes = ends.filter(|step| step["step"].as_str().unwrap().starts_with("push/"));
    let ends: Vec<&Value> = pushes.map(|step| &step["end"]).collect();
    assert_eq!(ends, ["cancelled"; 3], "{}", daemon.log());
    daemon.stop();
}
