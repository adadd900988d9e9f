//! Several ssh nodes at once, some of them in trouble.

use std::fs;
use std::path::{Path, PathBuf};

use talos_order::factory_stub::StubOptions;

use crate::common::snapshot::Snapshot;
use crate::common::sshd::{Lab, SshNode};
use crate::common::write_program;
use crate::world::{Config, World, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const ISO_AGENT: &str = "talos-v1.11.3-nocloud-amd64-ce4c980550dd.iso";

/// What a delivery leaves free on a node, and a little more.
const SMALL_DISK_MIB: u32 = 72;

/// The nodes come before the lab, so that they end (and unmount) before their
/// directory is removed.
struct Cluster {
    nodes: Vec<SshNode>,
    world: World,
    _lab: Lab,
}

impl Cluster {
    fn new(count: usize) -> Self {
        let (world, lab) = (World::new(StubOptions::default()), Lab::new());
        let nodes: Vec<SshNode> = (0..count).map(|_| lab.node()).collect();
        let inventory = nodes.iter().enumerate();
        world.configure(&Config {
            lab: Some(&lab),
            nodes: inventory
                .map(|(at, node)| (format!("pve-{at}"), reach(node)))
                .collect(),
            ..Config::default()
        });
        Self {
            world,
            _lab: lab,
            nodes,
        }
    }

    fn dir(&self, node: usize) -> PathBuf {
        self.nodes[node].root.join("iso")
    }

    fn snapshot(&self) -> Snapshot {
        let roots: Vec<&Path> = self.nodes.iter().map(|node| node.root.as_path()).collect();
        Snapshot::of(&roots)
    }
}

/// Puts a program before the real ssh that writes down every file that is sent.
fn count_sent(world: &mut World) -> PathBuf {
    let (bin, log) = (world.at("bin"), world.at("sent"));
    fs::create_dir(&bin).unwrap();
    fs::write(&log, "").unwrap();
    let path = std::env::var("PATH").unwrap();
    let text = format!(
        "#!/bin/sh\ncase $* in *receive_pl=*) echo sent >>'{}' ;; esac\nPATH='{path}'\n\
         exec ssh \"$@\"\n",
        log.display()
    );
    write_program(&bin.join("ssh"), text.as_bytes());
    let path = format!("{}:{path}", bin.display());
    world.program.env.push(("PATH".to_owned(), path));
    log
}

fn starts(log: &Path) -> usize {
    fs::read_to_string(log).unwrap().lines().count()
}

/// Leaves no room in a node's directory. Where nothing can be mounted, a file in
/// the place of the directory has to do.
struct NoRoom {
    in_the_way: PathBuf,
    mounted: bool,
}

impl NoRoom {
    fn on(node: &mut SshNode) -> Self {
        let dir = node.root.join("iso");
        if !node.mount_small("iso", SMALL_DISK_MIB) {
            fs::remove_dir_all(&dir).unwrap();
            fs::write(&dir, "").unwrap();
            return Self {
                in_the_way: dir,
                mounted: false,
            };
        }
        let in_the_way = dir.join("vzdump.zst");
        let ballast = u64::from(SMALL_DISK_MIB - 2) << 20;
        let file = fs::File::create(&in_the_way).unwrap();
        rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, ballast).unwrap();
        Self {
            in_the_way,
            mounted: true,
        }
    }

    fn end(self) {
        fs::remove_file(self.in_the_way).unwrap();
    }
}

#[test]
fn six_of_eight_nodes_get_it_and_the_next_run_does_only_what_is_missing() {
    let mut cluster = Cluster::new(8);
    let log = count_sent(&mut cluster.world);
    cluster.nodes[2].stop();
    let no_room = NoRoom::on(&mut cluster.nodes[5]);
    let (healthy, troubled) = ([0, 1, 3, 4, 6, 7], [2, 5]);
    let world = &cluster.world;
    world.order_one("iso", "");

    let ran = world.apply().expect(1).says("1 fetched").says("6 pushed");
    let ran = ran.says("pve-2 does not answer");
    if no_room.mounted {
        // Nobody knows the size of an image that was never fetched, so it is the node
        // that finds that no space, before anything is sent.
        ran.says("1 failed, 1 blocked")
            .complains("no space in pve-5");
    } else {
        ran.says("2 blocked");
    }
    for node in healthy {
        world.assert_holds(&cluster.dir(node), &[ISO]);
    }
    let manifest = world.manifest("one");
    let entry = &manifest["entries"][0];
    assert_eq!(entry["status"], "error");
    let pushed = entry["pushed"].as_array().unwrap();
    assert_eq!(pushed.len(), 8);
    for (at, push) in pushed.iter().enumerate() {
        assert_eq!(push["host"], format!("pve-{at}"));
        let status = if troubled.contains(&at) {
            "error"
        } else {
            "ok"
        };
        assert_eq!(push["status"], status, "{push}");
    }
    let says = |node: usize| pushed[node]["stderr"].as_str().unwrap();
    assert!(says(2).contains("refuses the connection"), "{}", says(2));
    if no_room.mounted {
        assert!(says(5).contains("no space"), "{}", says(5));
    }
    // The seventh is asked while the size of the image is not known yet.
    let asked = if no_room.mounted { 7 } else { 6 };
    assert_eq!(starts(&log), asked, "it was sent to the six that had room");

    // Nobody did anything: the next run knows as much, and sends nothing.
    let (mark, before) = (world.factory.mark(), cluster.snapshot());
    let ran = world.apply().expect(1).says("2 blocked");
    if no_room.mounted {
        // The image is in the cache, and so is its size.
        ran.says("has 2.0 MiB free");
    }
    assert!(world.factory.images_since(mark).is_empty());
    assert_eq!(starts(&log), asked);
    before.assert_same(&cluster.snapshot());

    // The node is up and the disk is freed: only these two get something.
    cluster.nodes[2].start();
    no_room.end();
    let world = &cluster.world;
    let before: Vec<Snapshot> = healthy.map(|n| Snapshot::of(&[&cluster.dir(n)])).into();
    world.apply().expect(0).omits("fetched").says("2 pushed");
    assert!(world.factory.images_since(mark).is_empty());
    assert_eq!(starts(&log), asked + 2);
    for (node, before) in healthy.into_iter().zip(before) {
        before.assert_same(&Snapshot::of(&[&cluster.dir(node)]));
    }
    for node in 0..8 {
        world.assert_holds(&cluster.dir(node), &[ISO]);
    }
    assert_eq!(world.manifest("one")["entries"][0]["status"], "ok");

    let (mark, before) = (world.factory.mark(), cluster.snapshot());
    world
        .apply()
        .expect(0)
        .says("nothing to do")
        .omits("written");
    assert!(world.factory.images_since(mark).is_empty());
    assert_eq!(
        starts(&log),
        asked + 2,
        "nothing is sent where all is there"
    );
    before.assert_same(&cluster.snapshot());
}

#[test]
fn one_version_with_different_extensions_is_two_files_on_every_node() {
    let cluster = Cluster::new(3);
    let world = &cluster.world;
    let agent = "      customization: {systemExtensions: [siderolabs/qemu-guest-agent]}\n";
    world.order("plain.yaml", &crate::world::position("plain", "iso", ""));
    world.order("agent.yaml", &crate::world::position("agent", "iso", agent));
    world.apply().expect(0).says("2 fetched").says("6 pushed");
    world.assert_holds(&world.cache(), &[ISO, ISO_AGENT]);
    world.assert_sidecars();
    for node in 0..3 {
        world.assert_holds(&cluster.dir(node), &[ISO, ISO_AGENT]);
    }
    assert_ne!(world.truth(ISO), world.truth(ISO_AGENT));
    for (order, name) in [("plain", ISO), ("agent", ISO_AGENT)] {
        let manifest = world.manifest(order);
        let download = &manifest["entries"][0]["download"];
        assert_eq!(download["sha256"], world.truth(name).to_string());
    }
}
