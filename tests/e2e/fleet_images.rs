//! Controllers with caches of their own that share a store: one download for all of them.

use std::fs;
use std::time::{Duration, Instant};

use talos_order::factory_stub::{StubFault, StubOptions};

use crate::common::program::{Program, terminate};
use crate::common::seaweed::{Seaweed, section};
use crate::common::wait_for;
use crate::world::{World, position};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const DISK: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw";

/// Configures as many controllers of one fleet as there are names, each with a node that is a
/// directory: `NAME/node/iso`.
fn controllers<const N: usize>(world: &World, store: &str, names: [&str; N]) -> [Program; N] {
    let root = world.dir.path().display();
    let url = world.factory.url();
    names.map(|name| {
        let dir = world.at(name);
        fs::create_dir_all(dir.join("work")).unwrap();
        let own = format!("{root}/{name}");
        let config = format!(
            "defaults:\n  cache_dir: {own}/cache\n  push: {{create: true}}\n\
             manifest: {{dir: {own}/manifests}}\nfactory: {{url: \"{url}\"}}\n\
             github: {{api_url: \"{url}\"}}\nlimits: {{retries: 0}}\nnodes:\n  \
             - {{name: {name}, labels: [all], local: true, iso_dir: {own}/node/iso, \
             import_dir: {own}/node/import}}\n{store}"
        );
        fs::write(dir.join("config.yaml"), config).unwrap();
        Program::with_files(
            &dir.join("work"),
            &dir.join("config.yaml"),
            &world.at("orders"),
        )
    })
}

fn store(seaweed: &Seaweed, world: &World, prefix: &str) -> String {
    seaweed.section(prefix, world.dir.path())
}

#[test]
fn a_fleet_downloads_each_image_once() {
    let Some(seaweed) = Seaweed::shared() else {
        return;
    };
    // Slow enough that they all ask for it meanwhile.
    let world = World::new(StubOptions {
        rate: Some(200_000),
        ..StubOptions::default()
    });
    let store = store(seaweed, &world, "once/");
    let names = ["left", "right", "third"];
    let fleet = controllers(&world, &store, names);
    let disk = position("disk", "raw.xz", "");
    world.order("all.yaml", &format!("{}{disk}", position("iso", "iso", "")));
    let runs = fleet
        .each_ref()
        .map(|program| program.start_heard(&["apply"]));
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let asked = world.factory.images_since(0);
    assert_eq!(asked.len(), 2, "{asked:?}");
    for name in names {
        world.assert_holds(&world.at(name).join("node/iso"), &[ISO]);
        world.assert_holds(&world.at(name).join("node/import"), &[DISK]);
    }
    // Who comes later sees that before.
    let mark = world.factory.mark();
    let [late] = controllers(&world, &store, ["late"]);
    late.run(&["plan"]).expect(0).says(", from the store");
    late.run(&["apply"]).expect(0);
    world.assert_holds(&world.at("late/node/iso"), &[ISO]);
    world.assert_holds(&world.at("late/node/import"), &[DISK]);
    assert!(world.factory.images_since(mark).is_empty());
}

#[test]
fn a_download_that_is_interrupted_is_left_to_another_controller() {
    let Some(seaweed) = Seaweed::shared() else {
        return;
    };
    let world = World::small();
    let store = store(seaweed, &world, "interrupted/");
    let [left, right] = controllers(&world, &store, ["left", "right"]);
    world.order_one("iso", "");
    world
        .factory
        .inject("GET /blob/", StubFault::Stall(100_000));
    let mut first = left.start(&["apply"]);
    wait_for("the first downloads", || world.factory.bytes_since(0) > 0);
    let second = right.start_heard(&["apply"]);
    // The first gives its claim back before it ends.
    terminate(&first);
    first.wait().unwrap();
    let output = second.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    world.assert_holds(&world.at("right/node/iso"), &[ISO]);
    let mark = world.factory.mark();
    left.run(&["apply"]).expect(0);
    world.assert_holds(&world.at("left/node/iso"), &[ISO]);
    assert!(world.factory.images_since(mark).is_empty());
}

/// Nothing says that it is gone but its claim, which nobody renews.
#[test]
fn a_download_whose_controller_is_killed_wastes_what_arrived_there() {
    let Some(seaweed) = Seaweed::shared() else {
        return;
    };
    let world = World::small();
    let store = store(seaweed, &world, "killed/");
    let [left, right] = controllers(&world, &store, ["left", "right"]);
    world.order_one("iso", "");
    world
        .factory
        .inject("GET /blob/", StubFault::Stall(100_000));
    let mut first = left.start(&["apply"]);
    wait_for("the first downloads", || world.factory.bytes_since(0) > 0);
    let second = right.start_heard(&["apply"]);
    first.kill().unwrap();
    first.wait().unwrap();
    let killed = Instant::now();
    let output = second.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // The claim stands for a minute, and a quarter of that for clocks.
    assert!(killed.elapsed() < Duration::from_secs(120));
    world.assert_holds(&world.at("right/node/iso"), &[ISO]);
    assert_eq!(world.factory.images_since(0).len(), 2);
    let image = fs::metadata(world.at("right/node/iso").join(ISO)).unwrap();
    let wasted = world.factory.bytes_since(0) - image.len();
    assert!(wasted <= 100_000, "{wasted}");
    // The first one comes back, and takes what the other one shared.
    let mark = world.factory.mark();
    left.run(&["apply"]).expect(0);
    world.assert_holds(&world.at("left/node/iso"), &[ISO]);
    assert!(world.factory.images_since(mark).is_empty());
}

#[test]
fn without_its_store_a_controller_does_the_work_itself() {
    let world = World::small();
    // Nobody listens there.
    let closed = section("http://127.0.0.1:9", "closed/", world.dir.path());
    let [alone] = controllers(&world, &closed, ["alone"]);
    world.order_one("iso", "");
    let ran = alone.run(&["apply"]).expect(0);
    ran.complains("the store cannot be used");
    world.assert_holds(&world.at("alone/node/iso"), &[ISO]);
    alone.run(&["apply"]).expect(0).says("nothing to do");
}

/// What one controller of the fleet wrote wrong is no reason for another to deliver it.
#[test]
fn a_store_that_changes_bytes_is_not_believed() {
    let Some(seaweed) = Seaweed::shared() else {
        return;
    };
    let world = World::small();
    let store = store(seaweed, &world, "wrong/");
    let [left, right] = controllers(&world, &store, ["left", "right"]);
    world.order_one("iso", "");
    left.run(&["apply"]).expect(0);
    let bucket = seaweed.bucket("wrong/");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let blobs = bucket.list(&"v1/blobs".parse().unwrap()).await.unwrap();
        let other = vec![7_u8; usize::try_from(blobs[0].size).unwrap()];
        let always = talos_order::bucket::WriteCondition::Always;
        bucket.put(&blobs[0].key, other, always).await.unwrap();
    });
    let mark = world.factory.mark();
    let ran = right.run(&["apply"]).expect(0);
    ran.complains("an image of the store is of no use");
    world.assert_holds(&world.at("right/node/iso"), &[ISO]);
    assert_eq!(world.factory.images_since(mark).len(), 1);
}
