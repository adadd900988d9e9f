//! What waits for its window, as people see it.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::common::snapshot::images;
use crate::daemon::{Daemon, condition, converged};
use crate::world::{World, position};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const OLDER: &str = "talos-v1.11.2-nocloud-amd64-376567988ad3.iso";

/// Nothing but a window starts a run within the test, nor for long after it.
const NEVER: &str = "reconcile: {interval: 7d, versions_interval: 7d, debounce: 10m, poll: 1h}\n";

/// An order whose window opens in two hours and closes in three.
fn later(id: &str, more: &str) -> String {
    let at = |hours| {
        let at = Timestamp::now() + SignedDuration::from_hours(hours);
        at.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string()
    };
    let windows = format!(
        "  windows: [{{from: \"{}\", to: \"{}\", timezone: UTC}}]\n  positions:",
        at(2),
        at(3)
    );
    position(id, "iso", more).replace("  positions:", &windows)
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn a_push_waits_for_its_window_with_its_image_at_hand() {
    let world = World::small();
    world.configure_local(2, NEVER);
    world.order("one.yaml", &later("one", ""));
    let until = "waits for the window until ";
    world.program.run(&["plan"]).expect(0).says(until);
    let ran = world.apply().expect(0).says(until);
    ran.says("the next window opens ");
    let answer = world.program.run(&["apply", "-o", "json"]).expect(0).json();
    assert_eq!(answer["converged"], false, "{answer:#}");
    assert_eq!(images(&world.cache()), [ISO]);
    assert_eq!(images(&world.at("node1/iso")), Vec::<String>::new());
    world.program.run(&["diff"]).expect(2).says("node1/iso");

    let daemon = Daemon::start(&world);
    let status = daemon.reconcile();
    let line = condition(&status, "one", Some("pve-1"));
    assert_eq!(line["state"], "Reconciling", "{status:#}");
    assert_eq!(
        condition(&status, "one", None)["exact_reason"],
        "OutsideWindow"
    );
    assert!(line["message"].as_str().unwrap().starts_with(until));
    assert!(converged(&status), "{status:#}");
    let opens = time(&status["next_window"]);
    let ahead = opens.duration_since(Timestamp::now());
    assert!(ahead <= SignedDuration::from_hours(2) && ahead > SignedDuration::from_mins(110));
    assert_eq!(time(&status["held"][0]["next_try"]), opens);
    let told = daemon.until("the time of the next run", |status| {
        status["next_pass"].is_string()
    });
    assert_eq!(time(&told["next_pass"]), opens, "{told:#}");
    daemon.stop();
}

#[test]
fn who_cannot_wait_says_for_what() {
    let world = World::small();
    world.configure_local(2, NEVER);
    world.order("one.yaml", &later("one", ""));
    let older = "      version: {type: exact, value: v1.11.2}\n";
    world.order("two.yaml", &later("two", older));
    let isos = ["node1/iso", "node2/iso"].map(|name| world.at(name));
    let daemon = Daemon::start(&world);
    assert_eq!(images(&isos[0]), Vec::<String>::new());

    let ask = |args: &[&str]| daemon.beside(&[&["reconcile", "--ignore-windows"], args].concat());
    ask(&["--order", "two"]).expect(0).says("Ready");
    world.assert_holds(&isos[0], &[OLDER]);
    world.assert_holds(&isos[1], &[OLDER]);
    // That was for one run.
    let status = daemon.reconcile();
    let line = condition(&status, "one", None);
    assert_eq!(line["exact_reason"], "OutsideWindow", "{status:#}");
    ask(&["--node", "pve-2"]).expect(0).says("Ready");
    world.assert_holds(&isos[0], &[OLDER]);
    world.assert_holds(&isos[1], &[OLDER, ISO]);
    ask(&[]).expect(0);
    world.assert_holds(&isos[0], &[OLDER, ISO]);
    daemon.stop();

    // By hand, and with a plan that was reviewed.
    std::fs::remove_file(isos[0].join(ISO)).unwrap();
    std::fs::remove_file(isos[1].join(ISO)).unwrap();
    let plan = world.at("plan.json").display().to_string();
    let saved = ["plan", "--ignore-windows", "--out", &plan];
    world.program.run(&saved).expect(0).omits("window");
    world.program.run(&["apply", &plan]).expect(0);
    world.assert_holds(&isos[0], &[OLDER, ISO]);
    std::fs::remove_file(isos[0].join(ISO)).unwrap();
    let apply = ["apply", "--ignore-windows", "--order", "one"];
    world.program.run(&apply).expect(0);
    world.assert_holds(&isos[0], &[OLDER, ISO]);

    // One run of the controller, where it is started by a timer.
    std::fs::remove_file(isos[0].join(ISO)).unwrap();
    let once = ["run", "--once"];
    world.program.run(&once).expect(0);
    world.assert_holds(&isos[0], &[OLDER]);
    world
        .program
        .run(&[&once[..], &["--ignore-windows"]].concat())
        .expect(0);
    world.assert_holds(&isos[0], &[OLDER, ISO]);
    let alone = world.program.run(&["run", "--ignore-windows"]).expect(2);
    alone.complains("--once");

    // Each time is in the events, with who said so.
    let events = world.program.run(&["events"]).expect(0).stdout;
    let ignored: Vec<&str> = events
        .lines()
        .filter_map(|line| {
            line.split_once("ignore windows for ")?
                .1
                .split_once(": by ")
        })
        .map(|(what, by)| {
            assert!(
                by.ends_with(" (command line)") && !by.starts_with("somebody"),
                "{by}"
            );
            what
        })
        .collect();
    assert_eq!(
        ignored,
        [
            "order two",
            "node pve-2",
            "everything",
            "everything",
            "order one",
            "everything"
        ],
        "{events}"
    );
}
