//! Signals to a controller that works.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use rustix::process::Signal;
use talos_order::factory_stub::{StubFault, StubOptions};

use crate::common::part_on_node;
use crate::common::sshd::Lab;
use crate::daemon::{Daemon, ON_REQUEST, converged};
use crate::world::{Config, World, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const RAW: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw";

#[test]
fn a_hangup_reads_the_configuration_again_and_a_bad_one_is_refused() {
    let world = World::small();
    let served = format!("{ON_REQUEST}listen: 127.0.0.1:0\n");
    world.configure_local(1, &served);
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    let log = daemon.log();
    let page = log.split("status page at ").nth(1).expect("a page");
    let page = page.split_whitespace().next().unwrap();
    let page = || {
        let curl = Command::new("curl").args(["--silent", page]).output();
        String::from_utf8(curl.unwrap().stdout).unwrap()
    };
    let config = fs::read_to_string(world.at("config.yaml")).unwrap();

    fs::write(
        world.at("config.yaml"),
        config.replace("interval: 1d", "interval: never"),
    )
    .unwrap();
    daemon.signal(Signal::HUP);
    daemon.wait("it is refused", || {
        daemon.log().contains("configuration is invalid")
    });
    let log = daemon.log();
    assert!(log.contains("never") && log.contains("interval"), "{log}");
    daemon.wait("the page says so", || {
        let page = page();
        page.contains("<strong>Reload</strong> refused: ") && page.contains("stays in effect")
    });

    // The old one is in force; the verbs read their own, so it has to be right again.
    fs::write(world.at("config.yaml"), &config).unwrap();
    fs::remove_file(world.at("node1/iso").join(ISO)).unwrap();
    assert!(converged(&daemon.reconcile()));
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
    let status = daemon.status();
    let refused = status["refused_config"].as_str().unwrap_or_default();
    assert!(refused.contains("never"), "{status:#}");

    // A node more.
    world.configure_local(2, &served);
    daemon.signal(Signal::HUP);
    daemon.until("the new node is served", |status| {
        converged(status)
            && status["last_pass"]["cause"] == "reload"
            && status["next_pass"].is_string()
    });
    world.assert_holds(&world.at("node2/iso"), &[ISO]);
    assert!(daemon.status()["refused_config"].is_null());
    assert!(!page().contains("<strong>Reload</strong>"));
    daemon.stop();
}

#[test]
fn a_user_signal_wakes_it() {
    let world = World::small();
    world.configure_local(1, ON_REQUEST);
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    let path = world.at("node1/iso").join(ISO);
    fs::remove_file(&path).unwrap();
    daemon.signal(Signal::USR1);
    daemon.wait("it is there again", || path.exists());
    daemon.until("it says so", |status| {
        converged(status) && status["last_pass"]["trigger"] == "manual"
    });
    daemon.stop();
}

#[test]
fn asked_to_end_in_a_download_it_leaves_what_can_be_taken_up() {
    let world = World::small();
    world.configure_local(1, ON_REQUEST);
    world.order_one("iso", "");
    world
        .factory
        .inject("GET /blob/", StubFault::Stall(200_000));
    let mut daemon = Daemon::launch(&world);
    let part = world.cache().join(format!(".{ISO}.part"));
    let length = || fs::metadata(&part).map_or(0, |meta| meta.len());
    daemon.wait("bytes arrive", || length() >= 200_000);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().code(), Some(0), "{}", daemon.log());
    assert!(length() >= 200_000);
    world
        .program
        .run(&["status"])
        .expect(1)
        .says("Interrupted")
        .says("controller not running");

    let mark = world.factory.mark();
    let daemon = Daemon::start(&world);
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
    assert_eq!(
        world.factory.bytes_since(mark),
        world.image(ISO).len() as u64 - 200_000
    );
    daemon.stop();
}

#[test]
fn asked_to_end_in_a_delivery_it_leaves_what_can_be_taken_up() {
    let world = World::new(StubOptions::default());
    let lab = Lab::new();
    let pve = lab.node();
    let configure = |rsync| {
        world.configure(&Config {
            lab: Some(&lab),
            rsync,
            nodes: vec![("pve-01".to_owned(), reach(&pve))],
            more: ON_REQUEST,
            ..Config::default()
        });
    };
    configure("--bwlimit=1m");
    world.order_one("raw.xz", "");
    let mut daemon = Daemon::launch(&world);
    let import = pve.root.join("import");
    let part = || part_on_node(&import, RAW);
    let stored = || {
        let meta = part().and_then(|part| fs::metadata(part).ok());
        meta.map_or(0, |meta| meta.blocks() * 512)
    };
    daemon.wait("bytes arrive", || stored() >= 500_000);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().code(), Some(0), "{}", daemon.log());
    assert!(stored() >= 500_000, "the temporary is kept");
    assert!(!import.join(RAW).exists());

    configure("");
    let daemon = Daemon::start(&world);
    assert!(converged(&daemon.status()), "{:#}", daemon.status());
    world.assert_holds(&import, &[RAW]);
    assert!(part().is_none());
    daemon.stop();
}
