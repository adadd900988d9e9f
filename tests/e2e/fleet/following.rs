//! What a cluster says is followed: of its storages, and by a controller that lives long.

use talos_order::proxmox_stub::StubStorage;

use crate::common::sshd::Lab;
use crate::world::reach;

use super::*;

/// Over ssh too the cluster says what its storages are; without an answer the node does.
#[test]
fn the_storages_of_a_node_over_ssh_are_those_of_its_cluster() {
    let fleet = Fleet::new();
    let lab = Lab::new();
    let node = lab.node();
    let path = node.root.join("vz");
    fs::create_dir_all(&path).unwrap();
    let storage = |active| StubStorage {
        active,
        ..StubStorage::new("local", "dir", path.to_str().unwrap())
    };
    fleet.stub.set_storage(storage(true));
    let reach = reach(&node);
    let (reach, _) = reach.split_once(", iso_dir").unwrap();
    let vms = node.root.join("etc/pve/nodes").display().to_string();
    let cluster = fleet.cluster("lab", &fleet.stub);
    fleet.world.configure(&Config {
        lab: Some(&lab),
        nodes: vec![(
            "pve-01".to_owned(),
            format!("{reach}, cluster: lab, transport: ssh, iso_storage: local, vm_configs: {vms}"),
        )],
        more: &format!("clusters:\n{cluster}"),
        ..Config::default()
    });
    fleet.world.apply().expect(0);
    fleet
        .world
        .assert_holds(&path.join("template/iso"), &[NAME]);
    fleet.stub.set_storage(storage(false));
    fleet
        .run(&["plan"])
        .expect(1)
        .says("the storage local is not active");
    // The token may not see it: the node is asked, which has no storage.cfg here.
    fleet.stub.set_storage(storage(true));
    fleet.grant(|name| name != "Datastore.Audit");
    fleet
        .run(&["plan"])
        .expect(1)
        .says("storages of the node are not known");
}

/// A controller that lives long follows what its cluster says, without a restart.
#[test]
fn a_controller_follows_its_cluster() {
    let mut fleet = Fleet::new();
    fleet.configure("reconcile: {interval: 1s, debounce: 100ms}\n");
    let mut controller = fleet.world.program.start(&["run"]);
    let has = |fleet: &Fleet, version: &str| {
        let name = NAME.replace("v1.11.3", version);
        NODES.map(|node| {
            fleet
                .stub
                .directory(node, "local", "iso")
                .join(&name)
                .exists()
        })
    };
    let said = |fleet: &Fleet, text: &str| fleet.run(&["status"]).to_string().contains(text);
    await_it("delivered", || has(&fleet, "v1.11.3") == [true; 3]);
    fleet.off("pve-03");
    await_it("offline", || said(&fleet, "offline in its cluster lab"));
    let version = "      version: {type: exact, value: v1.11.2}\n";
    fleet.world.order_one("iso", &format!("{GROUP}{version}"));
    await_it("the others", || {
        has(&fleet, "v1.11.2") == [true, true, false]
    });
    fleet.on("pve-03");
    await_it("the last one", || has(&fleet, "v1.11.2") == [true; 3]);
    fleet.grant(|name| name != "Sys.AccessNetwork");
    let version = version.replace("v1.11.2", "v1.10.7");
    fleet.world.order_one("iso", &format!("{GROUP}{version}"));
    await_it("the right", || {
        said(&fleet, "lacks Sys.AccessNetwork on /nodes")
    });
    assert_eq!(has(&fleet, "v1.10.7"), [false; 3]);
    fleet.grant(|_| true);
    await_it("granted", || has(&fleet, "v1.10.7") == [true; 3]);
    fleet.off("pve-01");
    await_it("silence", || said(&fleet, "those of its last answer"));
    fleet.on("pve-01");
    await_it("an answer", || !said(&fleet, "those of its last answer"));
    fleet.stub.leave("pve-02");
    await_it("gone", || !said(&fleet, "pve-02") && said(&fleet, "pve-03"));
    crate::common::program::kill(&mut controller);
}

fn await_it(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("not within a minute: {what}");
}
