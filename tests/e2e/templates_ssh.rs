//! Template VMs from order to node, over a real ssh, with a stand-in for `qm`.

use std::fs;

use crate::common::pve::Pve;
use crate::common::sshd::Lab;
use crate::common::{wait_for, write_program};
use crate::world::{Config, World, reach};

const TEMPLATE: &str = "      template:\n        name: talos-worker\n        \
     target_storage: local-lvm\n        tags: [talos, \"{version}\"]\n        \
     hardware: {cloud_init: true}\n";

fn order(world: &World, version: &str) {
    let more = format!("      version: {{type: exact, value: {version}}}\n{TEMPLATE}");
    world.order_one("raw", &more);
}

fn line<'a>(conf: &'a str, key: &str) -> &'a str {
    let found = conf.lines().find_map(|line| line.strip_prefix(key));
    found.unwrap_or_else(|| panic!("no {key} in {conf}"))
}

#[test]
fn a_template_follows_its_order() {
    let world = World::small();
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let configs = pve.nodes_dir().display().to_string();
    let reach = format!("{}, vm_configs: {configs}", reach(&pve.ssh));
    world.configure(&Config {
        lab: Some(&lab),
        nodes: vec![("pve-01".to_owned(), reach)],
        ..Config::default()
    });
    pve.machine_here(9000, "name: talos-worker\n");
    order(&world, "v1.11.3");
    let plan = world.program.run(&["plan"]);
    plan.says("VM 9000 has the name talos-worker and is not managed here");
    world.apply().expect(1);
    assert_eq!(pve.conf(9000).as_deref(), Some("name: talos-worker\n"));

    pve.remove_here(9000);
    world.apply().expect(0);
    let conf = pve.conf(9000).expect("a template");
    assert_eq!(line(&conf, "name: "), "talos-worker");
    assert_eq!(line(&conf, "tags: "), "talos;v1.11.3");
    assert_eq!(line(&conf, "template: "), "1");
    world.apply().expect(0);
    assert_eq!(
        pve.conf(9000).as_deref(),
        Some(&*conf),
        "there is nothing to do"
    );

    // The controller is ended in the middle of the next one, and the node goes on.
    order(&world, "v1.12.0");
    let gate = pve.gate("import");
    let mut killed = world.program.command(&["apply"]).spawn().unwrap();
    gate.reached();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let new = pve
        .conf(9001)
        .expect("it has the mark before it has a disk");
    assert_eq!(line(&new, "name: "), "talos-worker-new");
    gate.open();

    wait_for("the node has come to an end", || !pve.is_busy());

    // Whether it was complete by then or not: the next runs bring it to where it belongs.
    world.apply();
    world.apply().expect(0);
    let vms: Vec<String> = (9000..9010).filter_map(|vmid| pve.conf(vmid)).collect();
    let named = |name: &str| -> Vec<&String> {
        let named = vms.iter().filter(|conf| line(conf, "name: ") == name);
        named.collect()
    };
    let current = named("talos-worker");
    assert_eq!(current.len(), 1, "{vms:?}");
    assert_eq!(line(current[0], "tags: "), "talos;v1.12.0");
    let retired = named("talos-worker-retired-9000");
    assert_eq!(line(retired[0], "tags: "), "talos-order-retired");
    assert_eq!(vms.len(), 2, "{vms:?}");
}

/// What `pve-setup` prints is run by a real shell over a real ssh; `pveum` writes down what
/// it is told.
#[test]
fn a_token_is_set_up_on_a_node() {
    let world = World::small();
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let told = pve.root.join("pveum.log");
    let pveum = format!(
        "#!/bin/sh\necho \"$*\" >> {}\ncase $* in *'token add'*) echo the-secret;; *refused*) \
         echo 'no such role' >&2; exit 2;; esac\n",
        told.display()
    );
    write_program(&pve.root.join("bin/pveum"), pveum.as_bytes());
    world.configure(&Config {
        lab: Some(&lab),
        nodes: vec![("pve-01".to_owned(), reach(&pve.ssh))],
        ..Config::default()
    });
    let setup = [
        "pve-setup",
        "--storage",
        "local",
        "--user",
        "talos-order@pve",
    ];
    let printed = world.program.run(&setup).expect(0);
    assert!(!told.exists(), "printing runs nothing");
    let ran = world
        .program
        .run(&[&setup[..], &["--apply", "pve-01"]].concat());
    assert_eq!(ran.expect(0).stdout.trim(), "the-secret");
    let calls = fs::read_to_string(&told).unwrap();
    let commands = printed
        .stdout
        .lines()
        .filter(|line| line.starts_with("pveum "));
    assert_eq!(calls.lines().count(), commands.count(), "{calls}");
    assert!(
        calls.contains("acl modify /storage/local --roles TalosOrder"),
        "{calls}"
    );

    // A later line fails: the secret is shown all the same, and why it ended.
    let user = ["--user", "refused@pve", "--apply", "pve-01"];
    let ran = world.program.run(&[&setup[..3], &user].concat()).expect(1);
    ran.complains("the commands failed on pve-01: no such role");
}
