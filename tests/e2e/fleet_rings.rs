//! A rollout over two sites: the ring of the second one waits for what the leaders of the first
//! one report, also while that site has none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;
use talos_order::factory_stub::StubOptions;

use crate::common::part_on_node;
use crate::common::program::Program;
use crate::common::seaweed::Seaweed;
use crate::common::sshd::{Lab, SshNode};
use crate::controllers::{Objects, Running, eventually, status, waits_for};
use crate::world::{World, position, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const REPORT: &str = "v1/sites/brno/report.json";

/// Two nodes in brno, one of them over ssh, and one in prague, whose ring is the second one.
struct Sites {
    world: World,
    lab: Lab,
    node: SshNode,
    store: String,
}

impl Sites {
    /// With what they have in the store, below a prefix.
    fn over(prefix: &str) -> Option<(Self, Objects)> {
        let seaweed = Seaweed::shared()?;
        let lab = Lab::new();
        let node = lab.node();
        let world = World::new(StubOptions {
            disk_bytes: 64 << 20,
            ..StubOptions::default()
        });
        let sites = Self {
            store: seaweed.section(prefix, world.dir.path()),
            world,
            lab,
            node,
        };
        Some((sites, Objects::of(seaweed.bucket(prefix))))
    }

    /// A controller of a site, with files of its own. `push` limits how fast it delivers.
    fn controller(&self, site: &str, name: &str, push: &str) -> Program {
        let (world, home) = (&self.world, self.world.at(name));
        fs::create_dir_all(&home).unwrap();
        let config = format!(
            "owner: fleet\ndefaults:\n  cache_dir: {home}/cache\n  \
             push: {{create: true, ssh_opts: \"{ssh}\"{push}}}\n  rollout:\n    rings:\n      \
             - {{name: first, sites: [brno], soak: 1s}}\n      \
             - {{name: second, sites: [prague]}}\n\
             manifest: {{dir: {home}/manifests}}\nfactory: {{url: \"{url}\"}}\n\
             github: {{api_url: \"{url}\"}}\nlimits: {{retries: 0, connect: 20s}}\n\
             reconcile: {{interval: 1s, debounce: 100ms, poll: 500ms}}\n\
             fleet: {{site: {site}, ttl: 10s}}\n{store}\
             sites: [{{name: brno}}, {{name: prague}}]\nnodes:\n  \
             - {{name: brno-1, labels: [all], site: brno, local: true, iso_dir: {root}/brno}}\n  \
             - {{name: brno-2, labels: [all], site: brno, {reach}}}\n  \
             - {{name: prague-1, labels: [all], site: prague, local: true, \
             iso_dir: {root}/prague}}\n",
            home = home.display(),
            ssh = self.lab.ssh_opts().join(" "),
            url = world.factory.url(),
            store = self.store,
            root = world.dir.path().display(),
            reach = reach(&self.node),
        );
        let file = home.join("config.yaml");
        fs::write(&file, config).unwrap();
        Program::with_files(&home, &file, &world.at("orders"))
    }
}

/// When a file got its name.
fn came(path: &Path) -> (i64, i64) {
    let meta = fs::metadata(path).unwrap();
    (meta.ctime(), meta.ctime_nsec())
}

#[test]
fn a_ring_waits_for_the_next_leader_of_the_site_before_it() {
    let Some((sites, store)) = Sites::over("two-rings/") else {
        return;
    };
    let slow = sites.controller("brno", "slow", ", bandwidth_limit: 512KiB");
    let next = sites.controller("brno", "next", "");
    let prague = sites.controller("prague", "prague", "");
    let mut running = vec![Running::start(&slow), Running::start(&prague)];
    let epoch = waits_for(&slow, "brno", "leader");
    running.push(Running::start(&next));
    waits_for(&next, "brno", "standby");
    waits_for(&prague, "prague", "leader");

    // A run that leaves the first ring out of sync, and reports that.
    slow.run(&["suspend", "node", "brno-2"]).expect(0);
    sites.world.order("one.yaml", &position("one", "iso", ""));
    let there = sites.world.at("prague").join(ISO);
    let waits = |why: &str| {
        let plan = prague.run(&["plan"]).expect(0);
        let words: Vec<&str> = plan.stdout.split_whitespace().collect();
        let rings = words.join(" ");
        let line = format!("ring second: waits: ring first {why}");
        !there.exists() && rings.contains(&line) && rings.contains("site brno")
    };
    eventually("the second ring waits for a node", || {
        waits("is out of sync on brno-2 in site brno")
    });
    // One in the middle of the ring, which is killed.
    slow.run(&["resume", "node", "brno-2"]).expect(0);
    let (local, far) = (
        sites.world.at("brno").join(ISO),
        sites.node.root.join("iso"),
    );
    let arrived = || part_on_node(&far, ISO).map_or(0, |part| fs::metadata(part).unwrap().len());
    eventually("an image is on its way", || arrived() > 300_000);
    drop(running.remove(0));
    assert!(local.exists() && !far.join(ISO).exists());
    eventually("the second ring still waits", || waits(""));
    assert!(!there.exists());

    assert_eq!(waits_for(&next, "brno", "leader"), epoch + 1);
    eventually("the second ring has it", || there.exists());
    let report = store.json(REPORT);
    assert_eq!(report["epoch"], epoch + 1, "{report}");
    let far = far.join(ISO);
    assert!(came(&far) < came(&there), "the second ring was first");
    assert!(came(&local) < came(&far));
    for path in [&local, &far, &there] {
        let bytes = fs::read(path).unwrap();
        assert!(bytes == sites.world.image(ISO), "{}", path.display());
    }
    eventually("all rings are done", || {
        let plan = prague.run(&["plan", "--detailed-exitcode"]);
        plan.code == Some(0) && !plan.stdout.contains("Rollout for")
    });
}

/// An operator at one site stops what the leader of another one is delivering.
#[test]
fn a_rollback_at_another_site_ends_a_push_and_begins_no_step() {
    let Some((sites, _)) = Sites::over("rollback-elsewhere/") else {
        return;
    };
    // A minute and a half for the push: a leader asks the store every 30 s.
    let brno = sites.controller("brno", "brno", ", bandwidth_limit: 24KiB");
    let prague = sites.controller("prague", "prague", "");
    let leads = Running::start(&brno);
    waits_for(&brno, "brno", "leader");
    sites.world.order("one.yaml", &position("one", "iso", ""));
    let far = sites.node.root.join("iso");
    let part = || part_on_node(&far, ISO).map_or(0, |part| fs::metadata(part).unwrap().len());
    eventually("an image is on its way", || part() > 100_000);

    // No controller of the other site runs: it is the store that knows.
    let listed = prague.run(&["rollout", "rollback", "one"]).expect(0);
    listed.says("stopped v1.11.3 of order one");
    let state = || status(&brno)["rollouts"][0]["rings"][0]["state"].clone();
    eventually("the run has ended", || state() == "stopped");
    let (left, runs) = (part(), brno.run(&["history", "-o", "json"]).json());
    assert!(left > 0 && !far.join(ISO).exists(), "{runs:#}");
    let runs = runs.as_array().cloned().unwrap_or_default();
    let ends = runs.iter().flat_map(|run| run["steps"].as_array().unwrap());
    let push = ends.filter(|step| step["step"].as_str().unwrap().starts_with("push/brno-2"));
    let ends: Vec<&Value> = push.map(|step| &step["end"]).collect();
    assert_eq!(ends, ["cancelled"], "{runs:#?}");
    assert!(!sites.world.at("prague").join(ISO).exists());
    assert_eq!(part(), left, "nothing is sent any more");
    drop(leads);
}
