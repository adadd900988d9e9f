//! Clusters whose nodes nobody lists: the program asks for them.

mod following;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use talos_order::proxmox_stub::{PveFault, PveStub, PveStubOptions, StubCertificate};
use tokio::runtime::Runtime;

use crate::world::{Config, World};

const TOKEN: &str = "talos-order@pve!ctl";
const SECRET: &str = "0a1b2c3d-0000-4000-8000-5ec2e75ec2e7";
const NODES: [&str; 3] = ["pve-01", "pve-02", "pve-03"];
const NAME: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const GROUP: &str = "      push: {enabled: true, hosts: [{group: lab}]}\n";
/// What `pve-setup` gives with pruning.
const RIGHTS: [(&str, &str); 5] = [
    ("/storage/local", "Datastore.Audit"),
    ("/storage/local", "Datastore.AllocateTemplate"),
    ("/nodes", "Sys.AccessNetwork"),
    ("/storage/local", "Datastore.Allocate"),
    ("/vms", "VM.Audit"),
];

/// A cluster of three nodes, and a configuration that names none of them.
struct Fleet {
    world: World,
    stub: PveStub,
    runtime: Runtime,
}

impl Fleet {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut PveStubOptions)) -> Self {
        let world = World::small();
        let runtime = Runtime::new().unwrap();
        let stub = start(&runtime, world.at("pve"), &NODES, change);
        fs::write(world.at("token"), SECRET).unwrap();
        let fleet = Self {
            world,
            stub,
            runtime,
        };
        fleet.grant(|_| true);
        fleet.configure("");
        fleet.world.order_one("iso", GROUP);
        fleet
    }

    fn grant(&self, keep: impl Fn(&str) -> bool) {
        self.stub.revoke_all();
        for path in ["/storage/local", "/nodes", "/vms"] {
            let of_path = RIGHTS.iter().filter(|(at, name)| *at == path && keep(name));
            let names: Vec<&str> = of_path.map(|(_, name)| *name).collect();
            if !names.is_empty() {
                self.stub.grant(TOKEN, path, &names.join(" "));
            }
        }
    }

    fn cluster(&self, name: &str, stub: &PveStub) -> String {
        format!(
            "- name: {name}\n  endpoints: [\"{}\"]\n  token_id: {TOKEN}\n  token_file: {}\n  \
             transport: api\n",
            stub.url("pve-01"),
            self.world.at("token").display()
        )
    }

    fn configure(&self, more: &str) {
        let cluster = self.cluster("lab", &self.stub);
        self.world.configure(&Config {
            more: &format!("clusters:\n{cluster}{more}"),
            ..Config::default()
        });
    }

    fn off(&mut self, node: &str) {
        self.runtime.block_on(self.stub.power_off(node));
    }

    fn on(&mut self, node: &str) {
        self.runtime.block_on(self.stub.power_on(node)).unwrap();
    }

    fn has(&self) -> [bool; 3] {
        NODES.map(|node| {
            self.stub
                .directory(node, "local", "iso")
                .join(NAME)
                .exists()
        })
    }

    fn run(&self, args: &[&str]) -> crate::common::program::Ran {
        self.world.program.run(args)
    }
}

fn start(
    runtime: &Runtime,
    dir: PathBuf,
    nodes: &[&str],
    change: impl FnOnce(&mut PveStubOptions),
) -> PveStub {
    let mut options = PveStubOptions::new(dir);
    options.nodes = nodes.iter().map(|&node| node.to_owned()).collect();
    options.unauthorized_delay = Duration::ZERO;
    change(&mut options);
    let stub = runtime.block_on(PveStub::start(options)).unwrap();
    stub.add_token(TOKEN, SECRET);
    stub
}

/// A cluster has the node that answers, at least.
#[test]
fn an_empty_list_of_nodes_is_no_answer() {
    let fleet = Fleet::new();
    fleet.world.apply().expect(0);
    let empty = PveFault::Body(200, r#"{"data":[]}"#.to_owned());
    fleet.stub.inject("GET /api2/json/nodes", empty);
    let ran = fleet.world.apply().expect(0);
    ran.says("its nodes are those of its last answer");
    fleet.world.apply().expect(0).says("nothing to do");
}

#[test]
fn a_fresh_token_reaches_in_sync_without_a_list_of_nodes() {
    let fleet = Fleet::new();
    fleet.stub.revoke_all();
    let setup = fleet.run(&["pve-setup"]).expect(0);
    setup
        .says("acl modify /storage/local --roles TalosOrder ")
        .omits("TalosOrderDiscover");
    fleet.grant(|name| name != "VM.Audit" && name != "Datastore.Allocate");
    let offline = fleet.run(&["validate"]).expect(0);
    offline.complains("group lab is known only to the cluster lab");
    fleet
        .run(&["validate", "--online"])
        .expect(0)
        .says("node pve-03: online");
    fleet.world.apply().expect(0);
    assert_eq!(fleet.has(), [true; 3]);
    fleet.run(&["plan", "--detailed-exitcode"]).expect(0);
    fleet.run(&["status"]).expect(0).says("pve-03");
    fleet
        .run(&["status", "--node", "pve-03"])
        .expect(0)
        .omits("pve-02");
    fleet.run(&["get", "nodes"]).expect(0).says("lab/pve-02");
    let requests = fleet.stub.requests();
    let asked = requests
        .iter()
        .filter(|line| line.contains("/access/permissions?"));
    assert!(asked.count() > 0, "validate asks by path");
    let before = fleet.stub.requests().len();
    fleet.run(&["plan"]).expect(0);
    let requests = fleet.stub.requests().split_off(before);
    let asked = requests
        .iter()
        .filter(|line| line.ends_with("/access/permissions"));
    assert_eq!(asked.count(), 1, "{requests:?}");
    // All nodes of a look share what their cluster tells.
    let asked = requests.iter().filter(|line| line.ends_with("/storage"));
    assert_eq!(asked.count(), 1, "{requests:?}");
}

#[test]
fn an_unknown_name_is_an_error_as_soon_as_the_cluster_is_asked() {
    let fleet = Fleet::new();
    let order = |host: &str| {
        let push = GROUP.replace("group: lab", host);
        fleet.world.order_one("iso", &push);
    };
    order("node: pve-09");
    let offline = fleet.run(&["validate", "-o", "json"]).expect(0).json();
    assert_eq!(offline["awaited"][0]["name"], "node pve-09");
    assert_eq!(offline["awaited"][0]["clusters"][0], "lab");
    let online = fleet.run(&["validate", "--online"]).expect(1);
    online.complains("node \"pve-09\" is not known; known: pve-01, pve-02, pve-03");
    fleet
        .run(&["plan"])
        .expect(1)
        .complains("node \"pve-09\" is not known");
    // What nothing but a label can be is wrong at once.
    order("group: lba");
    fleet
        .run(&["validate"])
        .expect(1)
        .complains("did you mean `lab`?");
    order("node: pve-02");
    fleet.world.apply().expect(0);
    assert_eq!(fleet.has(), [false, true, false]);
    fleet.run(&["plan", "--node", "pve-02"]).expect(0);
}

#[test]
fn a_node_that_is_off_is_wanted_there() {
    let mut fleet = Fleet::new();
    fleet.off("pve-03");
    let ran = fleet.world.apply().expect(1);
    ran.says("pve-03").says("offline in its cluster lab");
    assert_eq!(fleet.has(), [true, true, false]);
    fleet
        .run(&["status"])
        .expect(1)
        .says("offline in its cluster lab");
    fleet
        .run(&["validate", "--online"])
        .expect(0)
        .says("node pve-03: offline in its cluster");
    fleet.on("pve-03");
    fleet.world.apply().expect(0);
    assert_eq!(fleet.has(), [true; 3]);
}

#[test]
fn a_cluster_that_is_silent_keeps_the_nodes_of_its_last_answer() {
    let mut fleet = Fleet::new();
    fleet.off("pve-01");
    let never = fleet.run(&["plan"]).expect(1);
    never.says("group lab is not known: cluster lab could not be asked");
    fleet
        .run(&["validate", "--online"])
        .expect(1)
        .complains("which could not be asked");
    fleet.on("pve-01");
    fleet.configure("prune: {grace: 0s, keep_versions: 1}\n");
    fleet.world.apply().expect(0);
    fleet.off("pve-01");
    let plan = fleet.run(&["plan"]).expect(1);
    plan.says("its nodes are those of its last answer, and nothing is pruned")
        .says("3 nodes (pve-01…03)");
    fleet.world.apply().expect(1);
    fleet
        .run(&["status"])
        .expect(1)
        .says("those of its last answer");
    fleet.on("pve-01");
    fleet.world.apply().expect(0).says("nothing to do");
    assert_eq!(fleet.has(), [true; 3]);
}

#[test]
fn a_node_that_left_is_forgotten() {
    let fleet = Fleet::new();
    fleet.world.apply().expect(0);
    fleet.stub.leave("pve-03");
    fleet.world.apply().expect(0);
    fleet.run(&["status"]).expect(0).omits("pve-03");
    assert_eq!(fleet.has(), [true; 3], "nothing is removed there");
    // Whoever named it is told.
    fleet
        .world
        .order_one("iso", &GROUP.replace("group: lab", "node: pve-03"));
    fleet
        .run(&["plan"])
        .expect(1)
        .complains("node \"pve-03\" is not known; known: pve-01, pve-02");
}

#[test]
fn nodes_of_two_clusters_with_one_name_are_an_error_that_names_both() {
    let fleet = Fleet::new();
    let other = start(
        &fleet.runtime,
        fleet.world.at("other"),
        &["pve-01", "pve-07"],
        |_| {},
    );
    let rights = "Datastore.Audit Datastore.AllocateTemplate";
    other.grant(TOKEN, "/storage/local", rights);
    other.grant(TOKEN, "/nodes", "Sys.AccessNetwork");
    fleet.configure(&fleet.cluster("barn", &other));
    let plan = fleet.run(&["plan"]).expect(1);
    plan.complains("pve-01 is a node of the clusters barn and lab")
        .complains("pve_name: pve-01");
    fleet
        .world
        .order_one("iso", &GROUP.replace("group: lab", "node: pve-07"));
    fleet.world.apply().expect(0);
    assert!(
        other
            .directory("pve-07", "local", "iso")
            .join(NAME)
            .exists()
    );
}

#[test]
fn each_missing_privilege_is_named_everywhere() {
    let fleet = Fleet::new();
    fleet.configure("prune: {grace: 0s}\n");
    let config = fs::read_to_string(fleet.world.at("config.yaml")).unwrap();
    let config = config.replace("defaults:\n", "defaults:\n  prune: true\n");
    fs::write(fleet.world.at("config.yaml"), config).unwrap();
    for (path, privilege) in RIGHTS {
        fleet.grant(|name| name != privilege);
        let online = fleet.run(&["validate", "--online"]).expect(1);
        online.says(&format!("missing on {path}: {privilege}"));
        let command = format!("pveum acl modify {path} --roles ");
        // Only what has to be delivered is blocked, and there is nothing to prune.
        let blocks = !["VM.Audit", "Datastore.Allocate"].contains(&privilege);
        let plan = fleet.run(&["plan", "-v"]).expect(i32::from(blocks));
        plan.says(&format!("lacks {privilege} on {path} (role TalosOrder"))
            .says(&command);
        fleet.world.apply();
        let status = fleet.run(&["status"]);
        status
            .says(&format!("lacks {privilege} on {path} (role TalosOrder"))
            .says(&command);
        assert_eq!(fleet.has(), [!blocks; 3], "{privilege}");
    }
    // What is not needed is not asked for.
    fleet.grant(|name| name.starts_with("Datastore.A") || name == "Sys.AccessNetwork");
    let config = fs::read_to_string(fleet.world.at("config.yaml")).unwrap();
    let config = config.replace("  prune: true\n", "");
    fs::write(fleet.world.at("config.yaml"), config).unwrap();
    fleet
        .run(&["validate", "--online"])
        .expect(0)
        .says("it has all privileges");
    fleet.run(&["plan"]).expect(0).omits("lacks");
}

#[test]
fn a_certificate_that_ends_is_told() {
    let fleet = Fleet::with(|options| {
        let soon = StubCertificate {
            fingerprint: ["0A"; 32].join(":"),
            not_after: jiff::Timestamp::now().as_second() + 12 * 86_400 + 3600,
            names: Vec::new(),
            is_custom: false,
        };
        options.certificates.insert("pve-02".to_owned(), soon);
    });
    let said = "the certificate of pve-02 expires in 12 days";
    fleet.run(&["plan"]).expect(0).says(said);
    fleet.world.apply().expect(0);
    fleet.run(&["status"]).expect(0).says(said);
    let online = fleet.run(&["validate", "--online"]).expect(0);
    online.says("node pve-02: online, certificate is valid for 12 days");
}

#[test]
fn an_old_version_gets_no_disk_images() {
    let fleet = Fleet::with(|options| "8.3.5".clone_into(&mut options.version));
    fleet.world.order_one("qcow2", GROUP);
    let said = "Proxmox VE 8.3.5 on pve-01 takes no disk images through the API";
    fleet.run(&["plan", "-v"]).expect(1).says(said);
    let online = fleet.run(&["validate", "--online"]).expect(1);
    online.says("storage local: Proxmox VE 8.3.5 takes no disk images");
    fleet.world.order_one("iso", GROUP);
    fleet.world.apply().expect(0);
}
