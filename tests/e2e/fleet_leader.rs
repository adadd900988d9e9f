//! Two controllers serve one site: one leads, the other takes over.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::program::{Program, Ran};
use crate::common::seaweed::Seaweed;
use crate::common::wait_for;
use crate::controllers::{Running, waits_for};
use crate::world::World;

/// The shortest time that a leadership may have, so that the tests wait for little.
const TTL: u64 = 10;

const FILES: [&str; 3] = [
    "talos-v1.11.3-nocloud-amd64-376567988ad3.iso",
    "talos-v1.11.3-metal-amd64-376567988ad3.iso",
    "talos-v1.11.3-openstack-amd64-376567988ad3.iso",
];

/// One store, one node, one factory, and two controllers.
struct Site {
    world: World,
    /// The section of the configuration.
    store: String,
}

/// A controller with files of its own.
struct Controller<'a> {
    site: &'a Site,
    name: &'static str,
    program: Program,
}

impl Site {
    /// `None` where no store is installed; `prefix` is of no other test.
    fn new(prefix: &str) -> Option<Self> {
        let store = Seaweed::shared()?;
        let world = World::small();
        let site = Self {
            store: store.section(prefix, world.dir.path()),
            world,
        };
        site.order("nocloud");
        Some(site)
    }

    /// Orders an image for a platform; the last one of a platform counts.
    fn order(&self, platform: &str) {
        self.world.order(
            &format!("{platform}.yaml"),
            &format!(
                "orderid: {platform}\npositions:\n  - name: one\n    platform: {platform}\n    \
                 image_format: iso\n    version: v1.11.3\n    push: {{enabled: true, hosts: \
                 [{{node: pve-1}}, {{node: pve-2}}]}}\n"
            ),
        );
    }

    fn controller(&self, name: &'static str) -> Controller<'_> {
        let home = self.world.at(name);
        fs::create_dir_all(&home).unwrap();
        let (root, home) = (self.world.dir.path().display(), home.display());
        let url = self.world.factory.url();
        let config = format!(
            "owner: prague\ndefaults:\n  cache_dir: {home}/cache\n  push: {{create: true}}\n\
             manifest: {{dir: {home}/manifests}}\nfactory: {{url: \"{url}\"}}\n\
             github: {{api_url: \"{url}\"}}\nlimits: {{retries: 0}}\n\
             reconcile: {{interval: 2s, debounce: 100ms, poll: 500ms}}\n\
             fleet: {{site: prague, ttl: {TTL}s}}\n{store}\
             sites:\n  - {{name: prague}}\n  - {{name: brno}}\n\
             nodes:\n  - {{name: pve-1, local: true, site: prague, iso_dir: {root}/node}}\n\
             \x20 - {{name: pve-2, local: true, site: brno, iso_dir: {root}/brno}}\n",
            store = self.store,
        );
        let file = self.world.at(name).join("config.yaml");
        fs::write(&file, config).unwrap();
        Controller {
            site: self,
            name,
            program: Program::with_files(&self.world.at(name), &file, &self.world.at("orders")),
        }
    }

    fn on_node(&self, file: &str) -> PathBuf {
        self.world.at("node").join(file)
    }
}

impl Controller<'_> {
    fn start(&self) -> Running {
        Running::start(&self.program)
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.program.run(args)
    }

    fn waits_for(&self, state: &str) -> u64 {
        waits_for(&self.program, "prague", state)
    }

    fn delivers(&self, file: &str) {
        let path = self.site.on_node(file);
        wait_for(&format!("{} delivers {file}", self.name), || path.exists());
    }
}

#[test]
fn a_site_has_one_leader_and_another_controller_takes_over() {
    let Some(site) = Site::new("leader/") else {
        return;
    };
    let (first, second) = (site.controller("first"), site.controller("second"));
    let mut a = first.start();
    let epoch = first.waits_for("leader");
    first.delivers(FILES[0]);
    let b = second.start();
    second.waits_for("standby");
    // A standby says so, and does nothing.
    let refused = second.run(&["apply", "--yes"]).expect(1);
    assert!(
        refused.stderr.contains("leads the site prague"),
        "{refused}"
    );
    let status = second.run(&["status"]);
    assert!(status.stdout.contains("prague: standby"), "{status}");
    let asked = second.run(&["reconcile"]).expect(1);
    assert!(asked.stderr.contains("standby"), "{asked}");
    // Beside the leader, a run works under its leadership.
    first.run(&["apply", "--yes"]).expect(0);
    assert_eq!(first.waits_for("leader"), epoch);

    // Killed.
    let killed = Instant::now();
    a.signal(Signal::KILL);
    a.wait();
    site.order("metal");
    assert_eq!(second.waits_for("leader"), epoch + 1);
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(TTL * 4 / 3 + 5), "{took:?}");
    second.delivers(FILES[1]);

    // Stopped for longer than its time, and continued.
    let mut a = first.start();
    first.waits_for("standby");
    b.signal(Signal::STOP);
    assert_eq!(first.waits_for("leader"), epoch + 2);
    site.order("openstack");
    first.delivers(FILES[2]);
    b.signal(Signal::CONT);
    second.waits_for("standby");

    // Asked to stop.
    let stopped = Instant::now();
    a.signal(Signal::TERM);
    a.wait();
    assert_eq!(second.waits_for("leader"), epoch + 3);
    let took = stopped.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
    // Nobody worked on the node of another site.
    assert!(!site.world.at("brno").exists());
    for file in FILES {
        let bytes = fs::read(site.on_node(file)).unwrap();
        assert_eq!(bytes, site.world.image(file), "{file}");
    }
}

#[test]
fn a_run_by_hand_leads_for_as_long_as_it_takes() {
    let Some(site) = Site::new("by-hand/") else {
        return;
    };
    let (first, second) = (site.controller("first"), site.controller("second"));
    first.run(&["apply", "--yes"]).expect(0);
    first.delivers(FILES[0]);
    // It was released, so nobody is waited for.
    let begun = Instant::now();
    second.run(&["run", "--once"]).expect(0);
    assert!(
        begun.elapsed() < Duration::from_secs(TTL),
        "{:?}",
        begun.elapsed()
    );
    // Looking needs no leadership.
    second.run(&["plan"]).expect(0);
}
