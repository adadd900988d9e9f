//! What stays on nodes, and why: nothing goes on doubt.

use std::fs;

use crate::common::program::Program;
use crate::daemon::{Daemon, converged, held};
use crate::prunes::{NAMES, Pruning, order};
use crate::world::{Config, World, reach};

#[test]
fn what_virtual_machines_refer_to_stays() {
    let it = Pruning::new("");
    it.order(&[0, 1, 2, 3]);
    it.vm(
        101,
        &format!("name: web\nide2: local:iso/{},media=cdrom\n", NAMES[1]),
    );
    let snapshot = format!(
        "ide2: none,media=cdrom\n\n[before]\nide2: local:iso/{},media=cdrom\n",
        NAMES[2]
    );
    it.vm(102, &snapshot);
    let daemon = Daemon::start(&it.world);
    it.order(&[3]);
    daemon.reconcile();
    let status = daemon.reconcile();
    it.assert_has(&[1, 2, 3]);
    assert_eq!(held(&status, NAMES[1]), "in use by VM 101");
    assert_eq!(held(&status, NAMES[2]), "in use by VM 102");
    assert!(converged(&status), "nobody waits for it: {status:#}");

    it.vm(101, "name: web\n");
    daemon.reconcile();
    it.assert_has(&[2, 3]);
    it.vm(102, "ide2: none,media=cdrom\n");
    daemon.reconcile();
    it.assert_has(&[3]);
    daemon.stop();
}

#[test]
fn while_it_is_not_known_what_is_in_use_everything_stays() {
    let it = Pruning::new("");
    it.order(&[2, 3]);
    let daemon = Daemon::start(&it.world);
    it.order(&[3]);
    let aside = it.pve.root.join("aside");
    fs::rename(it.pve.root.join("pve"), &aside).unwrap();
    for _ in 0..3 {
        let status = daemon.reconcile();
        assert!(
            held(&status, NAMES[2]).contains("the VMs that use it are unknown"),
            "{status:#}"
        );
    }
    it.assert_has(&[2, 3]);
    fs::rename(&aside, it.pve.root.join("pve")).unwrap();
    daemon.reconcile();
    it.assert_has(&[3]);
    daemon.stop();
}

#[test]
fn what_another_controller_placed_stays() {
    let it = Pruning::new("");
    it.order(&[3]);
    let daemon = Daemon::start(&it.world);
    // Another one, with other orders for the same directory.
    let other = World::small();
    let more = format!(
        "owner: other\nprune: {{vm_configs: {}/pve, grace: 0s, keep_versions: 1}}\n",
        it.pve.root.display()
    );
    other.configure(&Config {
        lab: Some(&it.lab),
        nodes: vec![("pve-01".to_owned(), reach(&it.pve) + ", prune: true")],
        more: &more,
        ..Config::default()
    });
    other.order("one.yaml", &order("theirs", &[2]));
    let once = |program: &Program| program.run(&["run", "--once"]).expect(0);
    once(&other.program);
    it.assert_has(&[2, 3]);
    for _ in 0..3 {
        let status = daemon.reconcile();
        assert!(converged(&status), "{status:#}");
        once(&other.program);
    }
    it.assert_has(&[2, 3]);
    // Each removes its own, and only that.
    other.order("one.yaml", &order("theirs", &[1]));
    for _ in 0..3 {
        once(&other.program);
    }
    it.assert_has(&[1, 3]);
    daemon.stop();
}

#[test]
fn a_file_that_was_changed_stays() {
    let it = Pruning::new("");
    it.order(&[2, 3]);
    let daemon = Daemon::start(&it.world);
    it.order(&[3]);
    let path = it.pve.root.join("iso").join(NAMES[2]);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"mine");
    fs::write(&path, &bytes).unwrap();
    for _ in 0..3 {
        daemon.reconcile();
    }
    assert!(held(&daemon.status(), NAMES[2]).contains("changed since talos-order placed it"));
    assert_eq!(fs::read(&path).unwrap(), bytes);

    // The same size and times, so that only its digest tells: asked for before it goes.
    let times = fs::metadata(&path).unwrap().modified().unwrap();
    it.order(&[1, 3]);
    daemon.reconcile();
    let path = it.pve.root.join("iso").join(NAMES[1]);
    let stamp = fs::metadata(&path).unwrap().modified().unwrap();
    let mut rotten = fs::read(&path).unwrap();
    rotten[100] ^= 1;
    fs::write(&path, &rotten).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(stamp).unwrap();
    assert_ne!(times, stamp);
    it.order(&[3]);
    for _ in 0..3 {
        daemon.reconcile();
    }
    assert_eq!(fs::read(&path).unwrap(), rotten, "{:#}", daemon.status());
    daemon.stop();
}

#[test]
fn while_the_orders_are_in_doubt_everything_stays() {
    let it = Pruning::new("");
    it.order(&[3]);
    it.world.order("two.yaml", &order("two", &[2]));
    let daemon = Daemon::start(&it.world);
    it.assert_has(&[2, 3]);
    let orders = it.world.at("orders");
    let [one, two] = ["one.yaml", "two.yaml"].map(|name| orders.join(name));
    let texts = [&one, &two].map(|file| fs::read_to_string(file).unwrap());

    // Broken: what it wants is not known.
    fs::write(&two, "- orderid: two\n  positions: [").unwrap();
    for _ in 0..3 {
        let status = daemon.reconcile();
        assert_eq!(status["last_pass"]["verdict"], "stalled", "{status:#}");
        assert!(
            held(&status, NAMES[2]).contains("nothing is pruned"),
            "{status:#}"
        );
    }
    it.assert_has(&[2, 3]);
    daemon
        .beside(&["status"])
        .expect(1)
        .says("InvalidOrder")
        .says("two.yaml");

    // Empty, then not there at all.
    for file in [&one, &two] {
        fs::remove_file(file).unwrap();
    }
    for _ in 0..3 {
        let status = daemon.reconcile();
        for name in &NAMES[2..] {
            assert!(
                held(&status, name).contains("nothing is pruned"),
                "{status:#}"
            );
        }
    }
    fs::remove_dir_all(&orders).unwrap();
    for _ in 0..2 {
        daemon.beside(&["reconcile"]).expect(1);
    }
    it.assert_has(&[2, 3]);
    daemon.beside(&["status"]).expect(1);

    // One comes back; the other is really gone now, and its time begins anew.
    fs::create_dir_all(&orders).unwrap();
    fs::write(&one, &texts[0]).unwrap();
    daemon.reconcile();
    it.assert_has(&[2, 3]);
    daemon.reconcile();
    it.assert_has(&[3]);
    daemon.stop();
}
