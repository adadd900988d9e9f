//! Templates on nodes without a login: the cluster of the stub, reached with an API token.

use std::fs;
use std::time::Duration;

use talos_order::proxmox_stub::{PveStub, PveStubOptions, StubStorage, StubVm};
use tokio::runtime::Runtime;

use crate::world::{Config, World, position};

const TOKEN: &str = "talos-order@pve!ctl";
const SECRET: &str = "0a1b2c3d-0000-4000-8000-5ec2e75ec2e7";
const NODES: [&str; 2] = ["pve-01", "pve-02"];

struct Cluster {
    world: World,
    stub: PveStub,
    _runtime: Runtime,
}

impl Cluster {
    /// The token has what `pve-setup` grants for the orders, and nothing else.
    fn new() -> Self {
        let world = World::small();
        let runtime = Runtime::new().unwrap();
        let mut options = PveStubOptions::new(world.at("pve"));
        options.nodes = NODES.map(str::to_owned).into();
        options.unauthorized_delay = Duration::ZERO;
        let disks = StubStorage::for_disks("tank", "zfspool");
        options.storages.push(disks);
        let stub = runtime.block_on(PveStub::start(options)).unwrap();
        stub.add_token(TOKEN, SECRET);
        fs::write(world.at("token"), SECRET).unwrap();
        let more = format!(
            "prune: {{grace: 0s, keep_versions: 1, max_files: 9}}\nclusters:\n- name: lab\n  \
             endpoints: [\"{}\"]\n  token_id: {TOKEN}\n  token_file: {}\n  transport: api\n",
            stub.url("pve-01"),
            world.at("token").display()
        );
        let nodes = NODES.map(|name| (name.to_owned(), "cluster: lab, prune: true".to_owned()));
        world.configure(&Config {
            nodes: nodes.into(),
            more: &more,
            ..Config::default()
        });
        let cluster = Self {
            world,
            stub,
            _runtime: runtime,
        };
        cluster.order("v1.11.2");
        cluster.grant();
        cluster
    }

    fn order(&self, version: &str) {
        let more = format!(
            "      version: {{type: exact, value: {version}}}\n      push: {{enabled: true, \
             hosts: [{{group: all, storage: local}}]}}\n      template: \
             {{name: talos, target_storage: tank, tags: [talos, \"{{version}}\"]}}\n"
        );
        self.world.order("one.yaml", &position("one", "raw", &more));
    }

    /// Runs what `pve-setup` prints, as far as it grants something.
    fn grant(&self) {
        let script = self.world.program.run(&["pve-setup"]).expect(0).stdout;
        let role = |name: &str| {
            let start = format!("pveum role add {name} --privs \"");
            let line = script.lines().find_map(|line| line.strip_prefix(&start));
            line.and_then(|rest| rest.split('"').next())
                .unwrap()
                .to_owned()
        };
        let grants = script
            .lines()
            .filter_map(|line| line.strip_prefix("pveum acl modify "));
        let mut count = 0;
        for words in grants.map(|rest| rest.split(' ').collect::<Vec<&str>>()) {
            self.stub.grant(TOKEN, words[0], &role(words[2]));
            count += 1;
        }
        assert!(count > 5, "{script}");
    }

    /// Name and tags of every template, by VMID.
    fn templates(&self) -> Vec<(u32, String, String)> {
        let vms = self.stub.vmids().into_iter().filter_map(|id| {
            let vm = self.stub.vm(id)?;
            let value = |key: &str| vm.config.get(key).cloned().unwrap_or_default();
            vm.is_template().then(|| (id, value("name"), value("tags")))
        });
        vms.collect()
    }
}

fn template(id: u32, name: &str, tags: &str) -> (u32, String, String) {
    (id, name.to_owned(), tags.to_owned())
}

#[test]
fn a_storage_that_takes_no_disks_is_found_before_a_run() {
    let cluster = Cluster::new();
    let validate = || cluster.world.program.run(&["validate", "--online"]);
    let right = validate().expect(0);
    right
        .says("storage tank: takes disks of templates")
        .omits("with errors");
    let mut tank = StubStorage::for_disks("tank", "lvmthin");
    tank.content = ["rootdir".to_owned()].into();
    cluster.stub.set_storage(tank.clone());
    validate()
        .expect(1)
        .says("storage tank: it does not have the content type images")
        .says("1 cluster with errors");
    tank.disabled = true;
    cluster.stub.set_storage(tank);
    validate().expect(1).says("storage tank: it is disabled");
    let more = "      version: v1.11.2\n      push: {enabled: true, hosts: [{group: all, \
                storage: local}]}\n      template: {name: talos, target_storage: tanc}\n";
    let order = position("one", "raw", more);
    cluster.world.order("one.yaml", &order);
    let absent = validate().expect(1);
    absent.says("storage tanc: it does not exist, or the token may not see it; it sees");
}

#[test]
fn templates_follow_their_version_without_a_login() {
    let cluster = Cluster::new();
    let program = &cluster.world.program;
    program.run(&["validate", "--online"]).expect(0);
    program.run(&["plan"]).expect(0).says("template");
    cluster.world.apply().expect(0);
    let first = [
        template(9000, "talos", "talos;v1.11.2"),
        template(9001, "talos", "talos;v1.11.2"),
    ];
    assert_eq!(cluster.templates(), first);
    // At once, when what the nodes told of their guests is old.
    program.run(&["plan", "--detailed-exitcode"]).expect(0);
    cluster.world.apply().expect(0).says("nothing to do");
    cluster.stub.refresh_statistics();
    cluster.world.apply().expect(0).says("nothing to do");

    program.run(&["diff"]).expect(0);
    cluster.order("v1.11.3");
    program
        .run(&["diff"])
        .expect(2)
        .says("--- pve-01:templates (actual)")
        .says("-VM 9000  talos  v1.11.2  talos;v1.11.2")
        .says("+VM 9002 (new)  talos  v1.11.3  talos;v1.11.3");
    cluster.world.apply().expect(0);
    let templates = cluster.templates();
    let of = |name: &str| {
        let found = templates
            .iter()
            .filter(|(_, found, _)| found.starts_with(name));
        found.map(|(_, _, tags)| tags.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(
        of("talos-retired-"),
        ["talos-order-retired"; 2],
        "{templates:?}"
    );
    let current = templates.iter().filter(|(_, name, _)| name == "talos");
    assert!(current.clone().all(|(_, _, tags)| tags == "talos;v1.11.3"));
    assert_eq!(current.count(), 2, "{templates:?}");
    // The image of the old ones goes.
    cluster.world.apply().expect(0);
    cluster.world.apply().expect(0).says("nothing to do");

    // A third one: of those that were replaced, one stays, but for what a clone needs.
    cluster.stub.set_vm(StubVm {
        id: 100,
        node: "pve-01".to_owned(),
        config: [(
            "scsi0".to_owned(),
            "tank:base-9000-disk-1/vm-100-disk-0".to_owned(),
        )]
        .into(),
        ..StubVm::default()
    });
    cluster.order("v1.11.1");
    cluster.world.apply().expect(0);
    // Nobody looks for the clones of what was not selected, and that is no trouble.
    program
        .run(&["apply", "--yes", "--node", "pve-02"])
        .expect(0)
        .says("1 template pruned");
    program
        .run(&["status"])
        .expect(0)
        .says("steps not selected")
        .omits("linked clones");
    let ran = cluster.world.apply();
    let left: Vec<u32> = cluster
        .templates()
        .into_iter()
        .map(|(id, _, _)| id)
        .collect();
    assert!(
        left.contains(&9000) && !left.contains(&9001),
        "{left:?}\n{ran}"
    );
    ran.says("VM 100");
    cluster.stub.remove_vm(100);
    cluster.world.apply().expect(0);
    assert_eq!(cluster.templates().len(), 4, "{:?}", cluster.templates());
    let disks = cluster.stub.disks();
    assert!(
        disks.iter().all(|disk| !disk.volid.contains("-9000-")),
        "{disks:?}"
    );
}

#[test]
fn a_template_of_somebody_else_is_in_the_way_and_stays() {
    let cluster = Cluster::new();
    let foreign = StubVm {
        id: 100,
        node: "pve-01".to_owned(),
        config: [
            ("name", "talos"),
            ("template", "1"),
            ("description", "mine"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        ..StubVm::default()
    };
    cluster.stub.set_vm(foreign.clone());
    let ran = cluster.world.apply().says("VM 100 has the name talos");
    let config = cluster.stub.vm(100).unwrap().config;
    assert_eq!(config, foreign.config);
    let diff = cluster.world.program.run(&["diff"]).expect(2);
    diff.says("+VM unknown  talos  v1.11.2  talos;v1.11.2");
    // What cannot be seen is not taken for what is wanted.
    cluster.stub.revoke_all();
    cluster
        .stub
        .grant(TOKEN, "/storage/local", "Datastore.Audit");
    let diff = cluster.world.program.run(&["diff"]).expect(1);
    diff.complains("virtual machines may be hidden");
    // The other node has its own.
    assert_eq!(cluster.templates().len(), 2, "{ran}");
}
