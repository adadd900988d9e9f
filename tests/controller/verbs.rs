//! People who steer the controller while it runs.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use talos_order::factory_stub::{StubFault, StubOptions};

use crate::common::snapshot::images;
use crate::daemon::{Daemon, ON_CHANGE, ON_REQUEST, condition, converged, reason};
use crate::world::{World, position};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const OLDER: &str = "talos-v1.11.2-nocloud-amd64-376567988ad3.iso";

/// An order of the older version.
fn older(id: &str) -> String {
    position(id, "iso", "      version: {type: exact, value: v1.11.2}\n")
}

#[test]
fn reconcile_waits_for_the_result_and_shows_it() {
    let world = World::small();
    world.configure_local(2, ON_REQUEST);
    let nobody = world.program.run(&["reconcile"]).expect(1);
    nobody.complains("no controller");
    world
        .program
        .run(&["status"])
        .expect(1)
        .complains("no status in");

    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    daemon.beside(&["status"]).expect(0);
    let path = world.at("node1/iso").join(ISO);
    fs::remove_file(&path).unwrap();
    daemon.beside(&["status"]).expect(0);
    daemon.beside(&["reconcile"]).expect(0).says("Ready");
    assert!(path.exists(), "it has waited");
    daemon.beside(&["reconcile", "--timeout", "0s"]).expect(1);

    // What does not concern the order or the node does not decide.
    world.order(
        "bad.yaml",
        "- orderid: bad\n  positions: [{version: {type: newest}}]\n",
    );
    daemon.beside(&["reconcile"]).expect(1).says("InvalidOrder");
    daemon
        .beside(&["reconcile", "--order", "one"])
        .expect(0)
        .omits("bad");
    daemon
        .beside(&["reconcile", "--order", "bad"])
        .expect(1)
        .says("bad");
    daemon
        .beside(&["reconcile", "--node", "pve-2"])
        .expect(0)
        .says("pve-2");
    daemon.beside(&["reconcile", "--node", "pve-9"]).expect(1);
    daemon.beside(&["status"]).expect(1).says("InvalidOrder");
    daemon.stop();
    world
        .program
        .run(&["status"])
        .expect(1)
        .says("controller not running");
}

#[test]
fn whoever_asks_is_not_made_to_wait_for_old_failures() {
    let world = World::small();
    world.configure_local(1, ON_REQUEST);
    let daemon = Daemon::start(&world);
    for _ in 0..2 {
        world
            .factory
            .inject("GET /image/", StubFault::status(404, "no such image"));
    }
    world.order_one("iso", "");
    let status = daemon.reconcile();
    assert_eq!(reason(&status, "one", None), "NoSuchVersion", "{status:#}");
    let failed = daemon.runs().last().unwrap().clone();
    let told = failed["steps"].to_string();
    assert!(told.contains("no such image"), "{failed:#}");
    // The second try was refused as well; the third comes through, without a wait.
    daemon.reconcile();
    assert!(converged(&daemon.reconcile()));
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
    daemon.stop();
}

#[test]
fn what_is_suspended_is_left_alone_and_said_to_be() {
    let world = World::small();
    world.configure_local(2, ON_REQUEST);
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    let isos = ["node1/iso", "node2/iso"].map(|name| world.at(name));

    daemon
        .beside(&["suspend", "order", "two"])
        .expect(0)
        .complains("had no order two");
    daemon.beside(&["suspend", "node", "pve-1"]).expect(0);
    world.order("two.yaml", &older("two"));
    fs::remove_file(isos[0].join(ISO)).unwrap();
    fs::remove_file(isos[1].join(ISO)).unwrap();
    let status = daemon.reconcile();
    assert_eq!(
        reason(&status, "one", Some("pve-1")),
        "Suspended",
        "{status:#}"
    );
    assert_eq!(condition(&status, "one", Some("pve-2"))["state"], "Ready");
    assert_eq!(reason(&status, "two", None), "Suspended");
    assert_eq!(
        (images(&isos[0]), images(&isos[1])),
        (vec![], vec![ISO.to_owned()])
    );
    daemon
        .beside(&["status"])
        .expect(0)
        .says("order two, node pve-1");

    daemon.beside(&["resume", "node", "pve-1"]).expect(0);
    let status = daemon.reconcile();
    assert_eq!(
        condition(&status, "one", None)["state"],
        "Ready",
        "{status:#}"
    );
    world.assert_holds(&isos[0], &[ISO]);
    daemon.beside(&["suspend", "--all"]).expect(0);
    fs::remove_file(isos[0].join(ISO)).unwrap();
    daemon.reconcile();
    assert_eq!(images(&isos[0]), Vec::<String>::new());
    daemon.beside(&["resume", "--all"]).expect(0);
    assert!(converged(&daemon.reconcile()));
    world.assert_holds(&isos[0], &[OLDER, ISO]);

    // The order itself can say so.
    let said = position("one", "iso", "").replace("  positions:", "  suspend: true\n  positions:");
    world.order("one.yaml", &said);
    fs::remove_file(isos[0].join(ISO)).unwrap();
    assert_eq!(reason(&daemon.reconcile(), "one", None), "Suspended");
    world.assert_holds(&isos[0], &[OLDER]);
    daemon.stop();
}

#[test]
fn once_is_one_run_and_its_exit_code_says_how_it_went() {
    let mut world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    world.program.run(&["run", "--once"]).expect(0);
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
    world.program.run(&["status"]).expect(0);
    let runs = world.program.run(&["history", "-o", "json"]).json();
    assert_eq!(runs.as_array().map(Vec::len), Some(1));

    world.order(
        "bad.yaml",
        "- orderid: bad\n  positions: [{version: {type: newest}}]\n",
    );
    world
        .program
        .run(&["run", "--once"])
        .expect(1)
        .complains("newest");
    fs::remove_file(world.at("orders/bad.yaml")).unwrap();
    world.order("two.yaml", &older("two"));
    world.factory.stop();
    world.program.run(&["run", "--once"]).expect(1);
    fs::remove_dir_all(world.at("orders")).unwrap();
    world
        .program
        .run(&["run", "--once"])
        .expect(1)
        .complains("orders");
    world.program.args.pop();
    world
        .program
        .run(&["run", "--once"])
        .expect(2)
        .complains("--orders");
    fs::write(world.at("config.yaml"), "limits: {downloads: 0}\n").unwrap();
    world
        .program
        .run(&["run", "--once"])
        .expect(2)
        .complains("downloads");
}

#[test]
fn only_one_controller_runs_and_a_manual_run_takes_its_turn() {
    // Slow enough for both to be at work.
    let options = StubOptions {
        rate: Some(600_000),
        ..StubOptions::default()
    };
    let world = World::new(options);
    world.configure_local(1, ON_CHANGE);
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    let second = world.program.run(&["run"]).expect(1);
    second.complains("a controller is already running");

    world.order("two.yaml", &older("two"));
    daemon.until("a run is in progress", |status| {
        !status["running"].is_null()
    });
    world.order("three.yaml", &older("three").replace("v1.11.2", "v1.11.1"));
    // It waits for the current run, does the rest, and is part of the history.
    world.apply().expect(0);
    let iso = world.at("node1/iso");
    let third = ISO.replace("v1.11.3", "v1.11.1");
    world.assert_holds(&iso, &[&third, OLDER, ISO]);
    let status = daemon.until("the loop sees the same", |status| {
        converged(status)
            && condition(status, "three", None)["state"] == "Ready"
            && status["next_pass"].is_string()
    });
    assert_eq!(condition(&status, "two", None)["state"], "Ready");
    // A manual run leaves no word that controller not running.
    world.program.run(&["run", "--once"]).expect(0);
    let status = daemon.status();
    assert!(status["next_pass"].is_string(), "{status:#}");
    daemon.stop();
}

#[test]
fn a_run_that_waited_for_its_turn_knows_what_was_learned_meanwhile() {
    let world = World::small();
    let more = format!("{ON_REQUEST}limits: {{retries: 0, idle: 2s}}\n");
    world.configure_local(1, &more);
    let daemon = Daemon::start(&world);
    world.order_one("iso", "");
    world
        .factory
        .inject("GET /blob/", StubFault::Stall(100_000));
    let mut by_hand = world.program.start(&["apply"]);
    let part = world.cache().join(format!(".{ISO}.part"));
    daemon.wait("bytes arrive", || {
        fs::metadata(&part).is_ok_and(|meta| meta.len() >= 100_000)
    });
    daemon.signal(Signal::USR1);
    daemon.until("it waits", |status| !status["running"].is_null());
    assert_eq!(by_hand.wait().unwrap().code(), Some(1));

    // What has failed a moment ago is not tried again at once.
    daemon.wait("both are over", || daemon.runs().len() >= 3);
    let [_, failed, waited] = &daemon.runs()[..3] else {
        panic!("three runs");
    };
    assert!(failed["steps"].to_string().contains("failed"), "{failed:#}");
    assert!(waited["held"].as_u64() >= Some(1), "{waited:#}");
    let tried = waited["steps"].to_string();
    assert!(!tried.contains("fetch/"), "{waited:#}");
    daemon.until("and then it is", |status| {
        converged(status) && condition(status, "one", None)["state"] == "Ready"
    });
    daemon.stop();
}

#[test]
fn events_are_followed_while_they_come() {
    use std::io::{BufRead, BufReader};
    let world = World::small();
    world.configure_local(1, ON_REQUEST);
    let daemon = Daemon::start(&world);
    let mut follower = world
        .program
        .start_heard(&["events", "--watch", "-o", "json"]);
    world.order_one("iso", "");
    daemon.reconcile();
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut steps = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let seen = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let pushed = steps.find(|step| step["step"].as_str().unwrap().starts_with("push/"));
            assert_eq!(pushed.unwrap()["end"], "done");
            seen.store(true, Ordering::Relaxed);
        });
        let begin = std::time::Instant::now();
        while !seen.load(Ordering::Relaxed) && begin.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(10));
        }
        follower.kill().unwrap();
        follower.wait().unwrap();
    });
    assert!(seen.load(Ordering::Relaxed));
    daemon.stop();
}

#[test]
fn what_is_to_be_purged_before_runs_is_purged_before_each_of_them() {
    let world = World::small();
    world.configure_local(1, ON_REQUEST);
    let config = world.at("config.yaml");
    let text = fs::read_to_string(&config).unwrap();
    let purged = text.replacen(
        "  push:\n",
        "  cache_policy: {purge_before: true}\n  push:\n",
        1,
    );
    assert_ne!(purged, text);
    fs::write(&config, purged).unwrap();
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    for _ in 0..2 {
        let mark = world.factory.mark();
        daemon.beside(&["reconcile"]).expect(0);
        assert_eq!(world.factory.images_since(mark).len(), 1);
    }
    daemon.stop();
}
