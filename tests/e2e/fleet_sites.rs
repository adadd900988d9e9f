//! Two sites with a controller each: both are seen from either, and one that is gone gets
//! old.

mod forged;

use std::fs;
use std::thread;
use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::Value;
use talos_order::bucket::{Bucket, ObjectKey, WriteCondition};

use crate::common::program::Program;
use crate::common::seaweed::{self, Seaweed};
use crate::common::wait_for;
use crate::controllers::Running;
use crate::counted::Counted;
use crate::world::World;

const SITES: [(&str, &str); 2] = [("prague", "pve-1"), ("brno", "pve-2")];

/// A controller of one site, with files of its own.
fn controller(world: &World, site: &str, store: &str) -> Program {
    let home = world.at(site);
    fs::create_dir_all(&home).unwrap();
    let (root, home) = (world.dir.path().display(), home.display());
    let url = world.factory.url();
    let nodes = SITES.map(|(site, node)| {
        format!("  - {{name: {node}, local: true, site: {site}, iso_dir: {root}/{node}}}\n")
    });
    let config = format!(
        "owner: fleet\ndefaults:\n  cache_dir: {home}/cache\n  push: {{create: true}}\n\
         manifest: {{dir: {home}/manifests}}\nfactory: {{url: \"{url}\"}}\n\
         github: {{api_url: \"{url}\"}}\nlimits: {{retries: 0}}\n\
         reconcile: {{interval: 1s, debounce: 100ms, poll: 500ms}}\n\
         fleet: {{site: {site}, ttl: 10s}}\n{store}\
         sites:\n  - {{name: prague}}\n  - {{name: brno}}\n  - {{name: ostrava}}\n\
         nodes:\n{}",
        nodes.concat()
    );
    let file = world.at(site).join("config.yaml");
    fs::write(&file, config).unwrap();
    Program::with_files(&world.at(site), &file, &world.at("orders"))
}

fn fleet(program: &Program) -> Value {
    let told = program.run(&["status", "--fleet", "-o", "json"]).stdout;
    serde_json::from_str(&told).unwrap_or_default()
}

fn at(site: &str) -> ObjectKey {
    format!("v1/sites/{site}/report.json").parse().unwrap()
}

/// Changes the report of a site, as who has the key could, and seals it again where `seals`
/// is true. The form of a seal is written here once more.
fn rewrite(bucket: &Bucket, site: &str, seals: bool, change: impl Fn(&mut Value)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let key = at(site);
    runtime.block_on(async {
        let object = bucket.get(&key).await.unwrap().unwrap();
        let mut report: Value = serde_json::from_slice(&object.bytes).unwrap();
        change(&mut report);
        report["written"] = jiff::Timestamp::now().to_string().into();
        if seals {
            report.as_object_mut().unwrap().remove("mac");
            let sealed = format!("talos-order site report\n{key}\n{report}");
            let secret = hmac::Key::new(hmac::HMAC_SHA256, seaweed::FLEET_KEY.as_bytes());
            let mac = hmac::sign(&secret, sealed.as_bytes());
            let digits = mac.as_ref().iter().map(|byte| format!("{byte:02x}"));
            report["mac"] = digits.collect::<String>().into();
        }
        let bytes = serde_json::to_vec(&report).unwrap();
        let put = bucket.put(&key, bytes, WriteCondition::Always);
        put.await.unwrap();
    });
}

/// Sets how often a report says that it is renewed, so that nobody waits for minutes.
fn renew_every_second(bucket: &Bucket, site: &str) {
    rewrite(bucket, site, true, |report| {
        report["renewed_within"] = 1.into();
    });
}

#[test]
fn every_site_is_seen_from_either_and_one_that_is_gone_gets_old() {
    const PREFIX: &str = "sites/";
    let Some(store) = Seaweed::shared() else {
        return;
    };
    let world = World::small();
    world.order(
        "all.yaml",
        "orderid: all\npositions:\n  - name: one\n    platform: nocloud\n    image_format: iso\n    \
         version: v1.11.3\n    push: {enabled: true, hosts: [{node: pve-1}, {node: pve-2}]}\n",
    );
    let counted = Counted::before(store.authority());
    let direct = store.section(PREFIX, world.dir.path());
    let through = seaweed::section(&counted.endpoint, PREFIX, world.dir.path());
    let prague = controller(&world, "prague", &through);
    let brno = controller(&world, "brno", &direct);
    let empty = fleet(&brno);
    assert_eq!(empty["sites"]["prague"]["report"], "none", "{empty}");

    let _first = Running::start(&prague);
    let second = Running::start(&brno);
    let is_fine = |seen: &Value, site: &str| {
        let site = &seen["sites"][site];
        let nodes = serde_json::json!({"all": 1, "in_sync": 1, "silent": 0});
        site["report"] == "fresh" && site["nodes"] == nodes && site["orders"]["in_sync"] == 1
    };
    for program in [&prague, &brno] {
        wait_for("both sites report", || {
            thread::sleep(Duration::from_millis(200));
            let seen = fleet(program);
            is_fine(&seen, "prague") && is_fine(&seen, "brno")
        });
    }
    let shown = prague.run(&["status", "--fleet"]).expect(1);
    let line = |site: &str| {
        let mut lines = shown.stdout.lines();
        let line = lines.find(|line| line.starts_with(site));
        line.unwrap_or_else(|| panic!("{site}: {shown}")).to_owned()
    };
    assert!(line("prague").contains("1/1 in sync"), "{shown}");
    assert!(line("brno").contains("1/1 in sync"), "{shown}");
    assert!(line("ostrava").contains("none"), "{shown}");

    // With nothing to do, a run asks for two lists, and writes and reads what has changed.
    let runs = || {
        let told = prague
            .run(&["history", "-o", "json", "--number", "1000"])
            .stdout;
        let told: Value = serde_json::from_str(&told).unwrap();
        told.as_array().unwrap().len()
    };
    counted.taken();
    let before = runs();
    wait_for("some runs with nothing to do", || {
        thread::sleep(Duration::from_millis(200));
        runs() >= before + 5
    });
    let asked = counted.taken();
    let done = runs() + 1 - before;
    // Who leads is asked by the time and not by the run.
    let is_of_run = |line: &&String| !line.contains("v1/leaders/");
    let of_runs = asked.iter().filter(is_of_run).count();
    println!("{of_runs} requests in {done} runs with nothing to do");
    assert!(
        of_runs >= done && of_runs <= done * 5,
        "{of_runs} in {done}: {asked:#?}"
    );

    // Killed: nobody renews its report.
    drop(second);
    renew_every_second(&store.bucket(PREFIX), "brno");
    wait_for("the site that is gone gets old", || {
        thread::sleep(Duration::from_millis(200));
        fleet(&prague)["sites"]["brno"]["report"] == "old"
    });
    let shown = prague.run(&["status", "--fleet"]).expect(1);
    assert!(shown.stdout.contains("too old"), "{shown}");
    let seen = fleet(&prague);
    assert!(is_fine(&seen, "prague"), "{seen}");
}

#[test]
fn without_a_store_there_is_no_fleet_and_without_an_answer_it_is_an_error() {
    let world = World::small();
    let section = seaweed::section("http://127.0.0.1:1", "gone/", world.dir.path());
    let program = controller(&world, "prague", &section);
    let shown = program.run(&["status", "--fleet"]).expect(1);
    assert!(
        shown.stderr.contains("the store does not answer"),
        "{shown}"
    );
    assert!(shown.stdout.contains("prague"), "{shown}");
    let single = World::small();
    single.configure_local(1, "");
    let shown = single.program.run(&["status", "--fleet"]).expect(1);
    assert!(shown.stderr.contains("no `store`"), "{shown}");
}
