//! Early pushes: images that reach the nodes while they are still being downloaded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use talos_order::factory_stub::{StubFault, StubOptions};

use crate::common::program::kill;
use crate::common::sshd::{Lab, SshNode};
use crate::world::{Config, World, reach};

const RAW: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw";
const XZ: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw.xz";
const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two nodes with a real sshd, and a factory.
struct Stage {
    nodes: Vec<SshNode>,
    world: World,
    lab: Lab,
}

impl Stage {
    /// A factory that sends so many bytes in a second, or any number.
    fn new(rate: Option<u64>) -> Self {
        let lab = Lab::new();
        let stage = Self {
            nodes: (0..2).map(|_| lab.node()).collect(),
            world: World::new(StubOptions {
                rate,
                ..StubOptions::default()
            }),
            lab,
        };
        stage.configure("");
        stage
    }

    /// `more` is said of the second node.
    fn configure(&self, more: &str) {
        let nodes = self.nodes.iter().enumerate();
        let nodes = nodes.map(|(at, node)| {
            let more = if at == 1 { more } else { "" };
            (format!("pve-{at}"), format!("{}{more}", reach(node)))
        });
        self.world.configure(&Config {
            lab: Some(&self.lab),
            nodes: nodes.collect(),
            ..Config::default()
        });
    }

    fn dirs(&self) -> impl Iterator<Item = PathBuf> {
        let roots = self.nodes.iter();
        roots.flat_map(|node| ["iso", "import"].map(|dir| node.root.join(dir)))
    }

    /// What has a name of its own on the nodes.
    fn visible(&self) -> Vec<PathBuf> {
        self.dirs().flat_map(|dir| files(&dir, false)).collect()
    }

    /// The parts on the nodes, with how long they are.
    fn parts(&self) -> Vec<(PathBuf, u64)> {
        let parts = self.dirs().map(|dir| dir.join(".talos-order.parts"));
        let parts = parts.flat_map(|dir| files(&dir, true));
        parts
            .filter_map(|part| Some((part.clone(), fs::metadata(part).ok()?.len())))
            .collect()
    }

    fn is_cached(&self, name: &str) -> bool {
        self.world.cache().join(name).exists()
    }
}

/// The files of a directory: those that a user sees, or all of them.
fn files(dir: &Path, all: bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.path().is_file());
    let is_hidden = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with('.')
    };
    files
        .map(|entry| entry.path())
        .filter(|path| all || !is_hidden(path))
        .collect()
}

/// Looks at a run until something is so.
#[track_caller]
fn watch(run: &mut Child, what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        assert!(run.try_wait().unwrap().is_none(), "it ended before: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Each format that travels as a stream: on all nodes there is a part that grows before
/// the download is over, and no name before it was verified here.
#[test]
fn images_reach_the_nodes_while_they_come_and_have_no_name_before_they_are_verified() {
    for (format, name, dir) in [("raw.xz", RAW, "import"), ("iso", ISO, "iso")] {
        let stage = Stage::new(Some(100_000));
        stage.world.order_one(format, "");
        let plan = stage.world.program.run(&["plan"]).expect(0);
        plan.says(", early");
        let mut run = stage.world.program.start(&["apply"]);
        let mut sizes = std::collections::BTreeSet::new();
        watch(&mut run, "parts grow during the download", || {
            let is_cached = stage.is_cached(name);
            // In this order: what was not cached a moment ago may be visible by now.
            if !is_cached {
                let visible = stage.visible();
                assert!(visible.is_empty() || stage.is_cached(name), "{visible:?}");
                let parts = stage.parts();
                if parts.iter().filter(|(_, length)| *length > 0).count() == 2 {
                    sizes.insert(parts[0].1);
                }
            }
            assert!(!is_cached || sizes.len() > 1, "{format}: {sizes:?}");
            sizes.len() > 1
        });
        assert!(run.wait().unwrap().success());
        for node in &stage.nodes {
            stage.world.assert_holds(&node.root.join(dir), &[name]);
        }
        assert!(stage.parts().is_empty());
        stage.world.apply().expect(0).says("nothing to do");
    }
}

/// What is found out after the last byte, when all nodes have all data.
#[test]
fn a_download_that_turns_out_to_be_wrong_is_on_no_node() {
    let stage = Stage::new(None);
    let pin = format!("      sha256: \"{}\"\n", "ab".repeat(32));
    stage.world.order_one("raw.xz", &pin);
    let failed = stage.world.apply().expect(1);
    failed.complains("the order pins");
    assert!(stage.visible().is_empty());
    let pin = format!("      sha256: \"{}\"\n", stage.world.truth(XZ));
    stage.world.order_one("raw.xz", &pin);
    stage.world.apply().expect(0).says("2 pushed");
    for node in &stage.nodes {
        let dir = node.root.join("import");
        stage.world.assert_holds(&dir, &[RAW]);
    }
    assert!(stage.parts().is_empty());
}

/// A connection that ends in the middle is taken up again within the run, and one that
/// brings other bytes begins anew.
#[test]
fn a_download_that_breaks_off_or_starts_over_arrives_all_the_same() {
    for fault in [StubFault::Short(20_000), StubFault::WrongBytes] {
        let stage = Stage::new(None);
        stage.world.factory.inject(".raw.xz", fault.clone());
        stage.world.order_one("raw.xz", "");
        let run = stage.world.apply();
        if run.code != Some(0) {
            assert!(stage.visible().is_empty(), "{fault:?}");
            stage.world.apply().expect(0);
        }
        for node in &stage.nodes {
            let dir = node.root.join("import");
            stage.world.assert_holds(&dir, &[RAW]);
        }
        assert!(stage.parts().is_empty());
    }
}

/// Neither the download nor the other node waits for a slow one.
#[test]
fn a_slow_node_slows_nobody() {
    let stage = Stage::new(None);
    stage.configure(", bandwidth_limit: 4KiB");
    stage.world.order_one("iso", "");
    let mut run = stage.world.program.start(&["apply"]);
    let at = |node: usize| stage.nodes[node].root.join("iso").join(ISO);
    watch(&mut run, "the fast node has it", || at(0).exists());
    assert!(stage.is_cached(ISO));
    assert!(!at(1).exists());
    kill(&mut run);
    // Killed in the middle: the slow one gets the rest.
    stage.configure("");
    stage.world.apply().expect(0).says("1 pushed");
    stage
        .world
        .assert_holds(&stage.nodes[1].root.join("iso"), &[ISO]);
    assert!(stage.parts().is_empty());
}

/// Killed while the download is under way: what arrived stays hidden, and is built upon.
#[test]
fn a_run_that_is_killed_during_the_download_leaves_hidden_parts_only() {
    let stage = Stage::new(Some(100_000));
    stage.world.order_one("iso", "");
    let mut run = stage.world.program.start(&["apply"]);
    watch(&mut run, "a part grows", || {
        stage.parts().iter().any(|(_, length)| *length > 0)
    });
    kill(&mut run);
    assert!(stage.visible().is_empty());
    stage.world.apply().expect(0).says("2 pushed");
    for node in &stage.nodes {
        stage.world.assert_holds(&node.root.join("iso"), &[ISO]);
    }
    assert!(stage.parts().is_empty());
}

/// Three nodes of a site, of which the first is the relay.
#[test]
fn a_relay_sends_on_what_it_still_receives() {
    let lab = Lab::new();
    let nodes: Vec<SshNode> = (0..3).map(|_| lab.node()).collect();
    let world = World::new(StubOptions {
        rate: Some(100_000),
        ..StubOptions::default()
    });
    let named = nodes.iter().enumerate();
    let opts = lab.ssh_opts().join(" ");
    world.configure(&Config {
        lab: Some(&lab),
        nodes: named
            .map(|(at, node)| {
                let reach = reach(node);
                (format!("pve-{at}"), format!("{reach}, site: berlin"))
            })
            .collect(),
        more: &format!("sites: [{{name: berlin, relay: pve-0, ssh_opts: \"{opts}\"}}]\n"),
        ..Config::default()
    });
    let stage = Stage { nodes, world, lab };
    stage.world.order_one("iso", "");
    let plan = stage.world.program.run(&["plan", "-v"]).expect(0);
    plan.says("sent on by pve-0 within berlin during download");
    let mut run = stage.world.program.start(&["apply"]);
    watch(
        &mut run,
        "all three have a part during the download",
        || {
            let is_cached = stage.is_cached(ISO);
            let begun = stage
                .parts()
                .iter()
                .filter(|(_, length)| *length > 0)
                .count()
                == 3;
            assert!(begun || !is_cached);
            begun && !is_cached
        },
    );
    assert!(run.wait().unwrap().success());
    for node in &stage.nodes {
        stage.world.assert_holds(&node.root.join("iso"), &[ISO]);
    }
    assert!(stage.parts().is_empty());
    stage.world.apply().expect(0).says("nothing to do");
}
