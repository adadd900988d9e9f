//! A download that takes for ever, and everything else meanwhile.

use std::fs;

use talos_order::factory_stub::StubFault;

use crate::daemon::{Daemon, ON_CHANGE, condition, converged, reason};
use crate::world::{World, position};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const OLDER: &str = "talos-v1.11.2-nocloud-amd64-376567988ad3.iso";
const NEWER: &str = "talos-v1.12.0-nocloud-amd64-376567988ad3.iso";

/// An order of one image of a version.
fn of(id: &str, version: &str) -> String {
    let exact = format!("      version: {{type: exact, value: {version}}}\n");
    position(id, "iso", &exact)
}

#[test]
fn other_orders_do_not_wait_for_a_download_and_its_end_is_heard() {
    let mut world = World::small();
    let limits = "limits: {downloads: 1, retries: 20, connect: 5s}\n";
    world.configure_local(1, &format!("{ON_CHANGE}{limits}"));
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    let iso = world.at("node1/iso");
    world.assert_holds(&iso, &[ISO]);

    // It makes no progress in the middle of an image, with the only place for downloads.
    let mark = world.factory.mark();
    world.factory.inject("GET /blob/", StubFault::Stall(1000));
    world.order("slow.yaml", &of("slow", "v1.11.2"));
    daemon.wait("it has begun", || world.factory.bytes_since(mark) > 0);

    // What is in the cache is delivered meanwhile, and whoever asks is answered, more
    // than once.
    for _ in 0..2 {
        fs::write(iso.join(ISO), "damaged").unwrap();
        let status = daemon.reconcile();
        assert_eq!(
            condition(&status, "one", None)["state"],
            "Ready",
            "{status:#}"
        );
        assert_eq!(reason(&status, "slow", None), "Interrupted", "{status:#}");
        world.assert_holds(&iso, &[ISO]);
    }
    // Nothing is wrong with what was left behind.
    let log = daemon.log();
    assert!(
        log.contains(": left to the next run; fetch talos-v1.11.2-"),
        "{log}"
    );
    assert!(!log.contains("skipped"), "{log}");
    // Another image waits for its place, and nobody waits for it.
    world.order("newer.yaml", &of("newer", "v1.12.0"));
    daemon.until("it is known", |status| {
        condition(status, "newer", None)["state"] != "Ready" && status["running"].is_null()
    });
    assert_eq!(world.factory.images_since(mark).len(), 1);

    // The factory comes back, the download goes on, and its end requests a run.
    let options = world.options();
    world.factory.restart(options);
    daemon.until("all is in sync", converged);
    world.assert_holds(&iso, &[OLDER, ISO, NEWER]);
    daemon.stop();
}

#[test]
fn a_download_that_nobody_wants_any_more_ends() {
    let world = World::small();
    let limits = "limits: {downloads: 1, retries: 0, connect: 5s}\n";
    world.configure_local(1, &format!("{ON_CHANGE}{limits}"));
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    let mark = world.factory.mark();
    world.factory.inject("GET /blob/", StubFault::Stall(1000));
    world.order("slow.yaml", &of("slow", "v1.11.2"));
    daemon.wait("it has begun", || world.factory.bytes_since(mark) > 0);
    fs::remove_file(world.at("orders/slow.yaml")).unwrap();
    world.order("newer.yaml", &of("newer", "v1.12.0"));
    daemon.until("its place is free", converged);
    world.assert_holds(&world.at("node1/iso"), &[ISO, NEWER]);
    daemon.stop();
}
