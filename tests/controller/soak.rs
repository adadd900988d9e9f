//! Everything at once: faults of every kind in a random order from a fixed seed.

use std::fs;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;
use talos_order::factory_stub::StubFault;

use crate::common::sshd::Lab;
use crate::daemon::{Daemon, FAST, converged};
use crate::prunes::{NAMES, order};
use crate::world::{Config, World, reach};

const SEED: u64 = 20_251_130;

/// How long things go wrong.
const STORM: Duration = Duration::from_secs(12);

/// What goes wrong with a request.
fn fault(random: &mut Rng) -> StubFault {
    match random.u8(0..6) {
        0 => StubFault::status(503, "not now"),
        1 => StubFault::Html,
        2 => StubFault::Short(random.u64(1..200_000)),
        3 => StubFault::WrongBytes,
        4 => StubFault::IgnoreRange,
        _ => StubFault::Late(Duration::from_millis(random.u64(1..500))),
    }
}

/// What happens to a file.
fn damage(path: &std::path::Path, random: &mut Rng) {
    // It may not be there, or go at this moment.
    let _ = match random.u8(0..3) {
        0 => fs::remove_file(path),
        1 => fs::write(path, b"cut"),
        _ => fs::File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len(random.u64(1..300_000))),
    };
}

/// A run has converged, or says why it has not.
fn assert_explained(run: &Value) {
    if run["verdict"] == "converged" {
        return;
    }
    let steps = run["steps"].as_array().unwrap();
    let mut unfinished = steps.iter().filter(|step| step["end"] != "done");
    // A rejected order is neither a step nor held; the status has it.
    let explained = run["error"].is_string()
        || run["held"].as_u64() > Some(0)
        || run["verdict"] == "stalled"
        || unfinished.any(|step| step["end"] == "cancelled" || step["message"].is_string());
    assert!(explained, "{run:#}");
}

#[test]
fn after_any_storm_everything_is_in_sync() {
    let world = World::small();
    let lab = Lab::new();
    let (steady, mut shaky) = (lab.node(), lab.node());
    let vm_configs = world.at("vms");
    fs::create_dir_all(vm_configs.join("pve-01/qemu-server")).unwrap();
    let more = format!(
        "{FAST}prune: {{vm_configs: {}, grace: 1s, keep_versions: 1}}\n",
        vm_configs.display()
    );
    world.configure(&Config {
        lab: Some(&lab),
        nodes: vec![
            ("pve-01".to_owned(), reach(&steady) + ", prune: true"),
            ("pve-02".to_owned(), reach(&shaky)),
        ],
        more: &more,
        ..Config::default()
    });
    world.order("one.yaml", &order("one", &[2, 3]));
    let daemon = Daemon::launch(&world);
    let isos = [&steady, &shaky].map(|node| node.root.join("iso"));

    let mut random = Rng::with_seed(SEED);
    let mut is_up = true;
    let begin = Instant::now();
    let mut blows = 0;
    while begin.elapsed() < STORM {
        match random.u8(0..10) {
            0 | 1 => world.factory.inject("GET /image/", fault(&mut random)),
            2 => world.factory.inject("GET /blob/", fault(&mut random)),
            3 | 4 => {
                let dirs = [&isos[0], &isos[1], &world.cache()].map(ToOwned::to_owned);
                let dir = &dirs[random.usize(0..3)];
                damage(&dir.join(NAMES[random.usize(0..4)]), &mut random);
            }
            5 if is_up => {
                shaky.stop();
                is_up = false;
            }
            5 => {
                shaky.start();
                is_up = true;
            }
            6 | 7 => {
                let mut wanted: Vec<usize> = (0..4).filter(|_| random.bool()).collect();
                wanted.push(3);
                wanted.dedup();
                world.order("one.yaml", &order("one", &wanted));
            }
            8 => world.order("two.yaml", "- orderid: two\n  positions: ["),
            _ => {
                let _ = fs::remove_file(world.at("orders/two.yaml"));
            }
        }
        blows += 1;
        std::thread::sleep(Duration::from_millis(random.u64(20..400)));
    }
    if !is_up {
        shaky.start();
    }
    // The storm is over; what it left in the queue is met by nobody any more.
    let options = world.options();
    let mut world = world;
    world.factory.restart(options);
    let _ = fs::remove_file(world.at("orders/two.yaml"));
    world.order("one.yaml", &order("one", &[1, 3]));

    let calm = Instant::now();
    // The failures of the storm hold nothing back once a user says that it is over;
    // without that it takes as long as the last wait.
    daemon.reconcile();
    let status = daemon.until("all is well again", |status| {
        let held = status["held"].as_array().map(Vec::len);
        converged(status) && status["revision"].is_null() && held == Some(0)
    });
    println!("{blows} blows, calm after {:?}: {status:#}", calm.elapsed());
    world.assert_holds(&isos[0], &[NAMES[1], NAMES[3]]);
    for name in [NAMES[1], NAMES[3]] {
        let found = crate::common::snapshot::digest(&isos[1].join(name)).unwrap();
        assert_eq!(found, world.truth(name), "{name}");
    }
    daemon.beside(&["status"]).expect(0);
    let runs = daemon.runs();
    assert!(runs.len() > 5, "{} runs", runs.len());
    runs.iter().for_each(assert_explained);
    // Never two at once: each begins after the one before it was over.
    for pair in runs.windows(2) {
        let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert!(
            time(&pair[0]["finished"]) <= time(&pair[1]["started"]),
            "{pair:#?}"
        );
    }
    daemon.stop();
}
