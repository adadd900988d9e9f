//! The files of the program before, as they are: only directories, the factory's
//! URL and the ssh options differ, because this machine is none of theirs. Host
//! names stay; ssh's own configuration says where they lead.

use std::fs;
use std::path::{Path, PathBuf};

use talos_order::factory_stub::StubOptions;

use crate::common::sshd::{Lab, SshNode};
use crate::world::World;

/// What the orders come to with the factory stub's releases.
const ISO: &str = "talos-v1.12.1-nocloud-amd64-ce4c980550dd.iso";
const RAW: &str = "talos-v1.11.3-metal-amd64-secureboot-376567988ad3.raw";
const RAW_XZ: &str = "talos-v1.11.3-metal-amd64-secureboot-376567988ad3.raw.xz";

struct Legacy {
    first: SshNode,
    second: SshNode,
    world: World,
    _lab: Lab,
}

impl Legacy {
    fn new() -> Self {
        let (world, lab) = (World::new(StubOptions::default()), Lab::new());
        let (first, second) = (lab.node(), lab.node());
        let hosts: String = [("pve-01", &first), ("pve-02", &second)]
            .map(|(name, node)| {
                let SshNode { address, port, .. } = node;
                format!("Host {name}.example.net\n  HostName {address}\n  Port {port}\n")
            })
            .concat();
        let ssh_config = lab.path().join("ssh_config");
        fs::write(&ssh_config, hosts).unwrap();
        let mut ssh_opts = lab.ssh_opts();
        ssh_opts[1] = ssh_config.display().to_string();

        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/legacy");
        let config = fs::read_to_string(example.join("config.yaml")).unwrap();
        let config = replace(&config, "/var/cache/talos-sync", &world.cache());
        let config = replace(&config, "/var/lib/vz/template/iso", &first.root.join("iso"));
        let config = replace(&config, "-o BatchMode=yes", Path::new(&ssh_opts.join(" ")));
        let config = format!("{config}factory:\n  url: {}\n", world.factory.url());
        fs::write(world.at("config.yaml"), config).unwrap();
        let orders = fs::read_to_string(example.join("orders.yaml")).unwrap();
        let orders = replace(
            &orders,
            "/mnt/pve/shared/template/iso",
            &second.root.join("iso"),
        );
        fs::write(world.at("orders"), orders).unwrap();
        Self {
            world,
            _lab: lab,
            first,
            second,
        }
    }

    fn manifest(&self, order: &str) -> PathBuf {
        let name = format!("manifest-{order}.yaml");
        self.world.program.dir.join(name)
    }

    fn assert_delivered(&self) {
        let world = &self.world;
        world.assert_holds(&self.first.root.join("iso"), &[RAW, ISO]);
        world.assert_holds(&self.second.root.join("iso"), &[ISO]);
    }
}

fn replace(text: &str, old: &str, new: &Path) -> String {
    assert!(text.contains(old), "the example has {old}");
    text.replace(old, new.to_str().unwrap())
}

#[test]
fn they_run_as_before_and_the_second_run_finds_nothing_to_do() {
    let legacy = Legacy::new();
    let (world, program) = (&legacy.world, &legacy.world.program);

    // Neither the cache nor any directory on a node is there yet.
    let before = legacy.snapshot();
    let dry = program.run(&["--dry-run"]).expect(0).says(ISO).says(RAW);
    before.assert_same(&legacy.snapshot());
    assert!(!world.cache().exists());
    assert!(!world.factory.changed_since(0), "a dry run sent a POST");
    assert!(world.factory.images_since(0).is_empty());
    dry.says("3 to fetch")
        .says("3 to push")
        .says("  ./manifest-ORD-0001.yaml: ")
        .complains("another-product");

    program.run(&["--once"]).expect(0).says("Done: 3 fetched");
    legacy.assert_delivered();
    world.assert_sidecars();
    assert!(world.cache().join(RAW_XZ).exists());
    for order in ["ORD-0001", "20002"] {
        assert!(legacy.manifest(order).exists(), "{order}");
    }

    let (before, mark) = (legacy.snapshot(), world.factory.mark());
    program.run(&[]).expect(0).says("Plan: nothing to do");
    // The program remembers when it last asked for versions, and marks the
    // orders; images, manifests and nodes are as they were.
    before
        .without_memory()
        .assert_same(&legacy.snapshot().without_memory());
    assert!(world.factory.images_since(mark).is_empty());
    assert!(!world.factory.changed_since(mark));

    // After the first run a dry run is as quiet as before it.
    let (before, mark) = (legacy.snapshot(), world.factory.mark());
    let dry = program.run(&["--dry-run", "--detailed-exitcode"]).expect(0);
    dry.says("Plan: nothing to do");
    program
        .run(&["--dry-run", "--purge-cache"])
        .expect(0)
        .says("- prune");
    before.assert_same(&legacy.snapshot());
    assert!(!world.factory.changed_since(mark));

    let (nodes, mark) = (legacy.nodes(), world.factory.mark());
    program.run(&["--purge-cache"]).expect(0).says("3 fetched");
    assert_eq!(world.factory.images_since(mark).len(), 3);
    nodes.assert_same(&legacy.nodes());
    legacy.assert_delivered();
}

impl Legacy {
    fn snapshot(&self) -> crate::common::snapshot::Snapshot {
        let nodes = [&self.first.root, &self.second.root];
        let mut paths = vec![self.world.dir.path()];
        paths.extend(nodes.map(PathBuf::as_path));
        crate::common::snapshot::Snapshot::of(&paths)
    }

    fn nodes(&self) -> crate::common::snapshot::Snapshot {
        crate::common::snapshot::Snapshot::of(&[&self.first.root, &self.second.root])
    }
}
