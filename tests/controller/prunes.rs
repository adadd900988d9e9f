//! What goes from nodes, and when.

use std::fs;

use crate::common::snapshot::images;
use crate::common::sshd::{Lab, SshNode};
use crate::daemon::{Daemon, ON_REQUEST, converged, held};
use crate::world::{Config, World, position, reach};

/// Every image of a version is one file; the newest is kept in each test.
pub const NAMES: [&str; 4] = [
    "talos-v1.11.0-nocloud-amd64-376567988ad3.iso",
    "talos-v1.11.1-nocloud-amd64-376567988ad3.iso",
    "talos-v1.11.2-nocloud-amd64-376567988ad3.iso",
    "talos-v1.11.3-nocloud-amd64-376567988ad3.iso",
];

/// A controller that prunes on one node over ssh, with runs on request only.
pub struct Pruning {
    pub world: World,
    pub lab: Lab,
    pub pve: SshNode,
}

impl Pruning {
    /// `prune` are more keys of that section, each with a comma before it.
    pub fn new(prune: &str) -> Self {
        let pruning = Self::anywhere();
        pruning.configure(prune);
        fs::create_dir_all(pruning.vm_configs()).unwrap();
        pruning
    }

    fn anywhere() -> Self {
        let lab = Lab::new();
        let pve = lab.node();
        Self {
            world: World::small(),
            lab,
            pve,
        }
    }

    pub fn configure(&self, prune: &str) {
        let root = self.pve.root.display();
        let more = format!(
            "{ON_REQUEST}owner: homelab\nprune: {{vm_configs: {root}/pve, grace: 0s, keep_versions: 1{prune}}}\n"
        );
        self.world.configure(&Config {
            lab: Some(&self.lab),
            nodes: vec![("pve-01".to_owned(), reach(&self.pve) + ", prune: true")],
            more: &more,
            ..Config::default()
        });
    }

    /// Orders these of the versions, in one order.
    pub fn order(&self, versions: &[usize]) {
        self.world.order("one.yaml", &order("one", versions));
    }

    /// Lets a virtual machine's configuration say something.
    pub fn vm(&self, id: u32, text: &str) {
        fs::write(self.vm_configs().join(format!("{id}.conf")), text).unwrap();
    }

    pub fn vm_configs(&self) -> std::path::PathBuf {
        self.pve.root.join("pve/pve-01/qemu-server")
    }

    /// Fails the test unless the node has just these of the versions.
    #[track_caller]
    pub fn assert_has(&self, versions: &[usize]) {
        let names: Vec<&str> = versions.iter().map(|index| NAMES[*index]).collect();
        self.world.assert_holds(&self.pve.root.join("iso"), &names);
    }
}

/// An order of these of the versions.
pub fn order(id: &str, versions: &[usize]) -> String {
    let positions = versions.iter().map(|patch| {
        format!(
            "    - name: patch-{patch}\n      image_format: iso\n      \
             version: {{type: exact, value: v1.11.{patch}}}\n      \
             push: {{enabled: true, hosts: [{{group: all}}]}}\n"
        )
    });
    let positions: String = positions.collect();
    format!("- orderid: {id}\n  positions:\n{positions}")
}

#[test]
fn what_no_order_wants_goes_but_not_in_the_run_that_first_misses_it() {
    let it = Pruning::new("");
    it.order(&[2, 3]);
    let daemon = Daemon::start(&it.world);
    it.assert_has(&[2, 3]);
    it.order(&[3]);
    let status = daemon.reconcile();
    assert!(
        held(&status, NAMES[2]).contains("no longer wanted"),
        "{status:#}"
    );
    assert!(converged(&status), "{status:#}");
    it.assert_has(&[2, 3]);
    let status = daemon.reconcile();
    assert_eq!(held(&status, NAMES[2]), "");
    assert_eq!(status["last_pass"]["removed"], 1, "{status:#}");
    it.assert_has(&[3]);
    daemon.stop();
}

#[test]
fn an_order_that_is_renamed_keeps_its_files() {
    let it = Pruning::new("");
    it.order(&[2, 3]);
    let daemon = Daemon::start(&it.world);
    let before = crate::common::snapshot::Snapshot::of(&[&it.pve.root.join("iso")]);
    it.world.order("one.yaml", &order("two", &[2, 3]));
    for _ in 0..3 {
        let status = daemon.reconcile();
        assert!(converged(&status), "{status:#}");
        assert_eq!(
            status["held"].as_array().map(Vec::len),
            Some(0),
            "{status:#}"
        );
    }
    before.assert_same(&crate::common::snapshot::Snapshot::of(&[&it
        .pve
        .root
        .join("iso")]));
    daemon.stop();
}

#[test]
fn a_controller_that_forgot_everything_knows_what_is_its_own() {
    let it = Pruning::new("");
    it.order(&[2, 3]);
    Daemon::start(&it.world).stop();
    it.assert_has(&[2, 3]);
    // State and cache are one directory here; both are gone.
    fs::remove_dir_all(it.world.cache()).unwrap();
    it.order(&[3]);

    let daemon = Daemon::start(&it.world);
    it.assert_has(&[2, 3]);
    let status = daemon.status();
    assert!(
        held(&status, NAMES[2]).contains("no longer wanted"),
        "{status:#}"
    );
    assert_eq!(
        status["totals"]["pushed_bytes"], 0,
        "what is there is known: {status:#}"
    );
    daemon.reconcile();
    it.assert_has(&[3]);
    daemon.stop();
}

#[test]
fn an_order_may_say_that_its_files_stay() {
    let it = Pruning::new("");
    it.order(&[3]);
    let stay =
        order("two", &[1]).replace("  positions:", "  deletion_policy: orphan\n  positions:");
    it.world.order("two.yaml", &stay);
    let daemon = Daemon::start(&it.world);
    it.assert_has(&[1, 3]);
    fs::remove_file(it.world.at("orders/two.yaml")).unwrap();
    for _ in 0..3 {
        assert!(converged(&daemon.reconcile()));
    }
    it.assert_has(&[1, 3]);
    daemon.stop();
}

#[test]
fn more_than_the_budget_waits_for_an_operator() {
    let it = Pruning::new(", max_files: 2, max_percent: 0");
    it.order(&[0, 1, 2, 3]);
    let daemon = Daemon::start(&it.world);
    it.order(&[3]);
    daemon.reconcile();
    let status = daemon.reconcile();
    it.assert_has(&[0, 1, 2, 3]);
    assert_eq!(status["last_pass"]["verdict"], "stalled", "{status:#}");
    let ids: Vec<&str> = status["held"]
        .as_array()
        .unwrap()
        .iter()
        .map(|held| {
            held["approval"]
                .as_str()
                .expect("each names what to approve")
        })
        .collect();
    assert_eq!(ids.len(), 3, "{status:#}");
    assert!(ids.iter().all(|id| id == &ids[0]));
    daemon
        .beside(&["status"])
        .expect(1)
        .says("PruneBlocked")
        .says(ids[0]);
    daemon
        .beside(&["approve", "000000000000"])
        .expect(1)
        .complains(ids[0]);

    daemon.beside(&["approve", ids[0]]).expect(0).says(NAMES[0]);
    let status = daemon.reconcile();
    assert!(converged(&status), "{status:#}");
    it.assert_has(&[3]);
    assert_eq!(images(&it.pve.root.join("iso")).len(), 1);
    // The word was for that list only.
    it.order(&[0, 1, 2, 3]);
    daemon.reconcile();
    it.assert_has(&[0, 1, 2, 3]);
    it.order(&[3]);
    daemon.reconcile();
    assert_eq!(daemon.reconcile()["last_pass"]["verdict"], "stalled");
    it.assert_has(&[0, 1, 2, 3]);
    daemon.stop();
}

#[test]
fn a_version_that_is_replaced_goes_after_the_new_one_has_come() {
    let it = Pruning::new("");
    let line = |value: &str| {
        let version = format!("      version: {{type: exact, value: {value}}}\n");
        position("one", "iso", &version)
    };
    it.world.order("one.yaml", &line("v1.11.2"));
    let daemon = Daemon::start(&it.world);
    it.assert_has(&[2]);
    it.world.factory.inject(
        "GET /image/",
        talos_order::factory_stub::StubFault::status(500, "not now"),
    );
    it.world.order("one.yaml", &line("v1.11.3"));
    for _ in 0..2 {
        daemon.reconcile();
    }
    let status = daemon.reconcile();
    assert!(converged(&status), "{status:#}");
    it.assert_has(&[3]);
    daemon.stop();
}
