//! Nodes without a login: the cluster of the stub, reached with an API token.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use talos_order::proxmox_stub::{PveFault, PveStub, PveStubOptions, StubStorage, StubVm};
use tokio::runtime::Runtime;

use crate::world::{Config, World, position};

const TOKEN: &str = "talos-order@pve!ctl";
const SECRET: &str = "0a1b2c3d-0000-4000-8000-5ec2e75ec2e7";
const NODES: [&str; 3] = ["pve-01", "pve-02", "pve-03"];
const NAME: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const PUSH: &str = "      push: {enabled: true, hosts: [{group: all, storage: local}]}\n";

struct Cluster {
    world: World,
    stub: PveStub,
    nodes: Vec<String>,
    _runtime: Runtime,
}

impl Cluster {
    fn new() -> Self {
        Self::of(NODES.map(str::to_owned).into(), |_| {})
    }

    fn of(nodes: Vec<String>, change: impl FnOnce(&mut PveStubOptions)) -> Self {
        let world = World::small();
        let runtime = Runtime::new().unwrap();
        let mut options = PveStubOptions::new(world.at("pve"));
        options.nodes.clone_from(&nodes);
        options.unauthorized_delay = Duration::ZERO;
        change(&mut options);
        let stub = runtime.block_on(PveStub::start(options)).unwrap();
        stub.add_token(TOKEN, SECRET);
        fs::write(world.at("token"), SECRET).unwrap();
        let cluster = Self {
            world,
            stub,
            nodes,
            _runtime: runtime,
        };
        cluster.grant(|_| true);
        cluster.configure("");
        cluster.order(PUSH);
        cluster
    }

    fn grant(&self, keep: impl Fn(&str) -> bool) {
        self.stub.revoke_all();
        let local = [
            "Datastore.Audit",
            "Datastore.AllocateTemplate",
            "Datastore.Allocate",
        ];
        let kept: Vec<&str> = local.into_iter().filter(|name| keep(name)).collect();
        self.stub.grant(TOKEN, "/storage/local", &kept.join(" "));
        for (path, privilege) in [("/nodes", "Sys.AccessNetwork"), ("/vms", "VM.Audit")] {
            if keep(privilege) {
                self.stub.grant(TOKEN, path, privilege);
            }
        }
    }

    fn configure(&self, more: &str) {
        let more = format!(
            "clusters:\n- name: lab\n  endpoints: [\"{}\"]\n  token_id: {TOKEN}\n  token_file: \
             {}\n  transport: api\n{more}",
            self.stub.url("pve-01"),
            self.world.at("token").display()
        );
        let node = |name: &String| (name.clone(), "cluster: lab, prune: true".to_owned());
        self.world.configure(&Config {
            nodes: self.nodes.iter().map(node).collect(),
            more: &more,
            ..Config::default()
        });
    }

    fn order(&self, more: &str) {
        self.world.order_one("iso", more);
    }

    fn file(&self, node: &str) -> PathBuf {
        self.stub.directory(node, "local", "iso").join(NAME)
    }

    fn has(&self) -> [bool; 3] {
        NODES.map(|node| self.file(node).exists())
    }
}

#[test]
fn images_reach_nodes_without_a_login() {
    let cluster = Cluster::new();
    let program = &cluster.world.program;
    let plan = program.run(&["plan"]).expect(0);
    plan.says("loaded by the node from this machine");
    assert_eq!(cluster.has(), [false; 3]);
    cluster.world.apply().expect(0);
    let bytes = fs::read(cluster.file("pve-01")).unwrap();
    for node in NODES {
        assert_eq!(fs::read(cluster.file(node)).unwrap(), bytes, "{node}");
    }
    program.run(&["plan", "--detailed-exitcode"]).expect(0);
    cluster.world.apply().expect(0).says("nothing to do");
    program.run(&["status"]).expect(0).says("pve-02");

    // What somebody removed comes again.
    fs::remove_file(cluster.file("pve-02")).unwrap();
    program
        .run(&["plan", "--detailed-exitcode"])
        .expect(2)
        .says("pve-02");
    cluster.world.apply().expect(0);
    assert_eq!(cluster.has(), [true; 3]);
    assert_eq!(fs::read(cluster.file("pve-02")).unwrap(), bytes);
}

#[test]
fn what_no_order_wants_goes_but_not_what_a_virtual_machine_uses() {
    let cluster = Cluster::new();
    cluster.configure("prune: {grace: 0s, keep_versions: 1, max_files: 9}\n");
    let second = position(
        "two",
        "iso",
        &format!("{PUSH}      version: {{type: exact, value: v1.11.2}}\n"),
    );
    cluster.world.order("two.yaml", &second);
    cluster.world.apply().expect(0);
    let old = NAME.replace("v1.11.3", "v1.11.2");
    let old_files = || NODES.map(|node| cluster.file(node).with_file_name(&old).exists());
    assert_eq!(old_files(), [true; 3]);
    fs::remove_file(cluster.world.at("orders/two.yaml")).unwrap();
    let drive = format!("local:iso/{old},media=cdrom");
    let mut vm = StubVm {
        id: 100,
        node: "pve-03".to_owned(),
        config: BTreeMap::from([("ide2".to_owned(), drive)]),
        ..StubVm::default()
    };
    cluster.stub.set_vm(vm.clone());
    // The pass that misses the order removes nothing yet.
    cluster.world.apply();
    // The machine may move to any node of the cluster.
    cluster.world.apply().says("in use by VM 100");
    assert_eq!(old_files(), [true; 3]);
    vm.config.clear();
    cluster.stub.set_vm(vm);
    let ran = cluster.world.apply().expect(0);
    assert_eq!(old_files(), [false; 3], "{ran}");
    assert_eq!(cluster.has(), [true; 3]);
}

#[test]
fn a_node_that_is_off_holds_up_no_other() {
    let cluster = Cluster::new();
    for _ in 0..40 {
        let text = "No route to host".to_owned();
        cluster
            .stub
            .inject("/nodes/pve-03/", PveFault::Status(595, text));
    }
    let ran = cluster.world.apply().expect(1);
    ran.says("pve-03").says("No route to host");
    assert_eq!(cluster.has(), [true, true, false]);
}

#[test]
fn a_missing_privilege_is_named() {
    let cluster = Cluster::new();
    for privilege in ["Sys.AccessNetwork", "Datastore.AllocateTemplate"] {
        cluster.grant(|name| name != privilege);
        let ran = cluster.world.apply().expect(1);
        assert!(ran.to_string().contains(privilege), "{privilege}: {ran}");
        assert_eq!(cluster.has(), [false; 3], "{privilege}");
    }
    cluster.grant(|name| !name.starts_with("Datastore."));
    let ran = cluster.world.program.run(&["plan"]).expect(1);
    assert!(ran.to_string().contains("Datastore.Audit"), "{ran}");
}

#[test]
fn a_shared_storage_gets_an_image_once() {
    let cluster = Cluster::new();
    let rights = "Datastore.Audit Datastore.AllocateTemplate";
    cluster.stub.grant(TOKEN, "/storage/nfs", rights);
    cluster.order(&PUSH.replace("local", "nfs"));
    cluster.world.apply().expect(0).says("1 pushed");
    let shared = cluster.stub.directory("pve-02", "nfs", "iso").join(NAME);
    assert!(shared.exists());
    let plan = ["plan", "--detailed-exitcode"];
    cluster.world.program.run(&plan).expect(0);
    assert_eq!(cluster.has(), [false; 3]);
}

#[test]
fn a_place_that_no_order_names_is_still_looked_at() {
    let cluster = Cluster::new();
    cluster.configure("prune: {grace: 0s, keep_versions: 1, max_files: 9}\n");
    cluster.world.apply().expect(0);
    cluster.order(&PUSH.replace("group: all", "node: pve-01"));
    cluster.world.apply();
    let ran = cluster.world.apply().expect(0);
    assert_eq!(cluster.has(), [true, false, false], "{ran}");
}

#[test]
fn images_are_uploaded_where_the_configuration_says_so() {
    let cluster = Cluster::new();
    cluster.configure("  upload: always\n");
    let ran = cluster.world.apply().expect(1);
    assert!(ran.to_string().contains("Sys.Audit"), "{ran}");
    for path in ["/", "/nodes"] {
        let rights = "Sys.Audit Sys.AccessNetwork";
        cluster.stub.grant(TOKEN, path, rights);
    }
    cluster.world.apply().expect(0);
    assert_eq!(cluster.has(), [true; 3]);
    let requests = cluster.stub.requests();
    assert!(requests.iter().all(|line| !line.contains("download-url")));
}

/// Two calls for each storage of a node that images are on, and a few for the cluster.
#[test]
fn nothing_to_do_takes_few_requests() {
    const STORAGES: [&str; 5] = ["local", "fast", "slow", "nfs", "cifs"];
    let nodes: Vec<String> = (1..=20).map(|number| format!("pve-{number:02}")).collect();
    let cluster = Cluster::of(nodes, |options| {
        let storage = |name: &&str| StubStorage::new(name, "dir", &format!("/mnt/{name}"));
        options.storages = STORAGES.iter().map(storage).collect();
    });
    let rights = "Datastore.Audit Datastore.AllocateTemplate";
    for storage in STORAGES {
        let path = format!("/storage/{storage}");
        cluster.stub.grant(TOKEN, &path, rights);
    }
    let requests = |used: usize| {
        let places = STORAGES[..used].iter();
        let hosts: Vec<String> = places
            .map(|storage| format!("{{group: all, storage: {storage}}}"))
            .collect();
        cluster.order(&format!(
            "      push: {{enabled: true, hosts: [{}]}}\n",
            hosts.join(", ")
        ));
        cluster.world.apply().expect(0);
        let before = cluster.stub.requests().len();
        let begun = std::time::Instant::now();
        let plan = ["plan", "--detailed-exitcode"];
        cluster.world.program.run(&plan).expect(0);
        eprintln!("{used} storages: {:?}", begun.elapsed());
        let requests = cluster.stub.requests();
        let heads = requests[before..].iter();
        let is_look = |line: &&String| line.contains("/nodes/pve-");
        let looks = heads.clone().filter(is_look).count();
        (looks, heads.count() - looks)
    };
    let of_nodes = 20;
    for used in [1, 5] {
        // Its version, its nodes and its privileges before the orders are read; nodes, storages,
        // privileges and virtual machines for all nodes of the look.
        assert_eq!(requests(used), (2 * used * of_nodes, 7), "{used}");
    }
}

#[test]
fn nodes_load_from_the_factory_what_was_verified_here() {
    let cluster = Cluster::new();
    cluster.configure("  load_from: factory\n");
    let plan = cluster.world.program.run(&["plan"]).expect(0);
    plan.says("loaded by the node from the factory");
    cluster.world.apply().expect(0);
    assert_eq!(cluster.has(), [true; 3]);
    let asked = |path: &str| {
        let requests = cluster.stub.requests();
        requests.iter().filter(|line| line.contains(path)).count()
    };
    assert_eq!(asked("download-url"), 3);
    assert_eq!(asked("query-url-metadata"), 0);
    let got = || {
        let requests = cluster.world.factory.requests();
        let is_image = |path: &str| path.starts_with("/image/") && path.ends_with("amd64.iso");
        requests.iter().filter(|one| is_image(&one.path)).count()
    };
    // Once by this machine, and once by each node.
    assert_eq!(got(), 4);
    cluster
        .world
        .program
        .run(&["plan", "--detailed-exitcode"])
        .expect(0);

    // The factory builds the image anew: other bytes, and nothing falls back.
    cluster.world.factory.running().rebuild_images();
    fs::remove_file(cluster.file("pve-02")).unwrap();
    let ran = cluster.world.apply().expect(1);
    for text in [
        "the factory has other bytes for pve-02 than were verified here",
        "load_from: controller",
    ] {
        assert!(ran.to_string().contains(text), "{ran}");
    }
    assert_eq!(cluster.has(), [true, false, true]);
    assert_eq!(got(), 5);
    cluster.configure("");
    cluster.world.apply().expect(0);
    assert_eq!(cluster.has(), [true; 3]);
    assert_eq!(got(), 5);
}

/// What was delivered as it is stays; the next version comes in the other form.
#[test]
fn a_raw_image_that_is_there_is_not_sent_again_as_a_qcow2() {
    let cluster = Cluster::new();
    let push = PUSH.replace("enabled: true", "enabled: true, prefer_decompressed: true");
    cluster.configure("  import_format: raw\n");
    let first = format!("{push}      version: {{type: exact, value: v1.11.2}}\n");
    cluster.world.order_one("raw.xz", &first);
    cluster.world.apply().expect(0);
    let import = cluster.stub.directory("pve-01", "local", "import");
    let has = |version: &str, form: &str| {
        let name = NAME.replace("v1.11.3", version).replace(".iso", form);
        import.join(name).exists()
    };
    assert!(has("v1.11.2", ".raw"));
    cluster.configure("prune: {grace: 0s, keep_versions: 1, max_files: 9}\n");
    let plan = ["plan", "--detailed-exitcode"];
    cluster.world.program.run(&plan).expect(0);
    cluster.world.apply().expect(0).says("nothing to do");

    cluster.world.order_one("raw.xz", &push);
    cluster.world.apply().expect(0);
    assert!(has("v1.11.3", ".raw.qcow2") && !has("v1.11.3", ".raw"));
    // The pass that misses it removes nothing yet.
    cluster.world.apply().expect(0);
    assert!(!has("v1.11.2", ".raw"));
    cluster.world.program.run(&plan).expect(0);
}
