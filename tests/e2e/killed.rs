//! kill -9 at every stage: the next run completes, and a final name never holds
//! wrong bytes, neither in the cache nor on a node.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use talos_order::factory_stub::{Redirect, StubFault, StubOptions};

use crate::common::program::{kill, terminate};
use crate::common::snapshot::Snapshot;
use crate::common::sshd::Lab;
use crate::common::{part_on_node, wait_for};
use crate::watch::Watch;
use crate::world::{Config, World, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const RAW: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw";
const RAW_XZ: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw.xz";

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

fn part(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!(".{name}.part"))
}

fn record_of(world: &World, name: &str) -> PathBuf {
    world.cache().join(format!(".{name}.part.json"))
}

/// How much of a download is noted as written.
pub fn noted(world: &World, name: &str) -> u64 {
    let text = fs::read_to_string(record_of(world, name)).unwrap_or_default();
    let record: Value = serde_json::from_str(&text).unwrap_or_default();
    record["written"]["bytes"].as_u64().unwrap_or(0)
}

/// Where final names are: the cache, and two directories of a local node.
fn places(world: &World) -> Vec<PathBuf> {
    ["cache", "node1/iso", "node1/import"]
        .map(|name| world.at(name))
        .into()
}

fn nothing_hidden_but_records(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.ends_with(".part"),
            "{name} is left in {}",
            dir.display()
        );
        assert!(
            !name.contains(".tmp-"),
            "{name} is left in {}",
            dir.display()
        );
    }
}

/// The ranges that were asked of whoever sends the images.
fn ranges(world: &World, mark: usize) -> Vec<String> {
    let asked = world.factory.requests().split_off(mark);
    let sent = asked.iter().filter(|request| request.cdn);
    sent.filter_map(|request| request.header("range").map(str::to_owned))
        .collect()
}

#[test]
fn a_status_tells_that_a_run_was_killed() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("raw.xz", "");
    for verb in [&["run", "--once"][..], &["run"]] {
        world
            .factory
            .inject("GET /blob/", StubFault::Stall(150_000));
        let mut run = world.program.start(verb);
        let status = || world.program.run(&["status"]);
        wait_for("a run", || status().stdout.contains("running for "));
        kill(&mut run);
        // A child that was just forked holds the lock until it starts its program.
        wait_for("that it is gone", || {
            let status = status();
            status
                .stdout
                .contains("did not finish: its process is gone")
        });
        status().expect(1).says("none (controller not running)");
        let data = world.program.run(&["status", "-o", "json"]).json();
        assert_eq!(data["running"], Value::Null);
    }
}

#[test]
fn a_download_goes_on_where_it_was_killed() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("raw.xz", "");
    world
        .factory
        .inject("GET /blob/", StubFault::Stall(150_000));
    let watch = Watch::start(&places(&world));
    let mut run = world.program.start(&["apply"]);
    wait_for("what came is noted", || noted(&world, RAW_XZ) == 150_000);
    kill(&mut run);
    assert!(!world.cache().join(RAW_XZ).exists());

    let mark = world.factory.mark();
    let before = Snapshot::of(&[world.dir.path()]);
    let plan = world.program.run(&["plan"]).expect(0);
    plan.says("resumes, 146.5 KiB already here");
    before.assert_same(&Snapshot::of(&[world.dir.path()]));
    world.apply().expect(0).says("1 fetched");
    assert_eq!(ranges(&world, mark), ["bytes=150000-"], "it went on");
    watch.assert_only_whole_images(&world);
    world.assert_holds(&world.cache(), &[RAW, RAW_XZ]);
    world.assert_holds(&world.at("node1/import"), &[RAW]);
    world.assert_sidecars();
    nothing_hidden_but_records(&world.cache());
}

#[test]
fn a_download_that_was_killed_with_every_byte_there_asks_for_none() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    world
        .factory
        .inject("GET /blob/", StubFault::Stall(300_000));
    let mut run = world.program.start(&["apply"]);
    let partial = part(&world.cache(), ISO);
    wait_for("what came is noted", || noted(&world, ISO) == 300_000);
    kill(&mut run);
    // The moment between the last byte and the name is too short to be met, so the
    // last bytes are written and noted manually.
    let image = world.image(ISO);
    let mut file = fs::File::options().append(true).open(&partial).unwrap();
    file.write_all(&image[300_000..]).unwrap();
    let record = record_of(&world, ISO);
    let mut known: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    known["written"] = json!({"bytes": image.len(), "sha256": world.truth(ISO)});
    fs::write(&record, known.to_string()).unwrap();

    let mark = world.factory.mark();
    world.apply().expect(0);
    assert_eq!(world.factory.bytes_since(mark), 0, "no byte came twice");
    world.assert_holds(&world.cache(), &[ISO]);
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
    nothing_hidden_but_records(&world.cache());
}

#[test]
fn killed_again_and_again_it_gets_there() {
    // Slow enough to be met at every stage; the images come without ranges, with
    // ranges from the same place, and from another.
    for redirect in [Redirect::Never, Redirect::OtherOrigin] {
        let options = StubOptions {
            rate: Some(2 << 20),
            redirect,
            ..StubOptions::default()
        };
        let world = World::new(options);
        world.configure_local(1, "");
        world.order_one("raw.xz", "");
        let second = crate::world::position("two", "iso", "");
        world.order("two.yaml", &second);
        let watch = Watch::start(&places(&world));
        for step in 1..=12_u64 {
            let mut run = world.program.start(&["apply"]);
            std::thread::sleep(Duration::from_millis(step * 25));
            kill(&mut run);
        }
        world.apply().expect(0);
        watch.assert_only_whole_images(&world);
        world.assert_holds(&world.cache(), &[ISO, RAW, RAW_XZ]);
        world.assert_holds(&world.at("node1/iso"), &[ISO]);
        world.assert_holds(&world.at("node1/import"), &[RAW]);
        world.assert_sidecars();
        nothing_hidden_but_records(&world.cache());
        world.apply().expect(0).says("nothing to do");
    }
}

#[test]
fn unpacking_is_killed_and_done_again() {
    let world = World::new(StubOptions {
        disk_bytes: 48 << 20,
        ..StubOptions::default()
    });
    world.configure_local(1, "");
    world.order_one("raw.xz", "      push: {enabled: false}\n");
    world.apply().expect(0);
    world.order_one(
        "raw.xz",
        "      push: {enabled: false}\n      decompress_raw: true\n",
    );
    let mark = world.factory.mark();
    let watch = Watch::start(&places(&world));
    let partial = part(&world.cache(), RAW);
    let mut met = false;
    for _ in 0..20 {
        let mut run = world.program.start(&["apply"]);
        wait_for("it is unpacked", || {
            length(&partial) > 0 || run.try_wait().unwrap().is_some()
        });
        kill(&mut run);
        met = length(&partial) > 0 && !world.cache().join(RAW).exists();
        if met {
            break;
        }
        for name in [
            RAW.to_owned(),
            format!("{RAW}.sha256"),
            format!(".{RAW}.meta.json"),
        ] {
            let _ = fs::remove_file(world.cache().join(name));
        }
    }
    assert!(met, "it was never met while it unpacked");
    world.apply().expect(0);
    watch.assert_only_whole_images(&world);
    assert!(
        world.factory.images_since(mark).is_empty(),
        "it came from the cache"
    );
    world.assert_holds(&world.cache(), &[RAW, RAW_XZ]);
    world.assert_sidecars();
    nothing_hidden_but_records(&world.cache());
}

#[test]
fn unpacking_while_it_downloads_is_killed() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("raw.xz", "");
    // The last bytes are missing: nearly everything is unpacked.
    let size = 390_000;
    world.factory.inject("GET /blob/", StubFault::Stall(size));
    let watch = Watch::start(&places(&world));
    let mut run = world.program.start(&["apply"]);
    let unpacked = part(&world.cache(), RAW);
    wait_for("it is unpacked", || {
        length(&unpacked) > 1 << 20 && length(&part(&world.cache(), RAW_XZ)) >= size
    });
    kill(&mut run);
    world.apply().expect(0);
    watch.assert_only_whole_images(&world);
    world.assert_holds(&world.cache(), &[RAW, RAW_XZ]);
    world.assert_holds(&world.at("node1/import"), &[RAW]);
    nothing_hidden_but_records(&world.cache());
}

#[test]
fn a_push_with_rsync_is_killed_and_goes_on() {
    killed_and_goes_on("--bwlimit=2m", "");
}

#[test]
fn a_stream_is_killed_and_goes_on() {
    killed_and_goes_on("", "bandwidth_limit: 512KiB");
}

fn killed_and_goes_on(slow_rsync: &str, slow_push: &str) {
    let lab = Lab::new();
    let node = lab.node();
    let world = World::new(StubOptions {
        disk_bytes: 64 << 20,
        ..StubOptions::default()
    });
    let configure = |rsync: &str, push: &str| {
        world.configure(&Config {
            lab: Some(&lab),
            rsync,
            push,
            nodes: vec![("pve-1".to_owned(), reach(&node))],
            ..Config::default()
        });
    };
    world.order_one("iso", "");
    configure(slow_rsync, slow_push);
    let dir = node.root.join("iso");
    let arrived = || part_on_node(&dir, ISO).map_or(0, |part| length(&part));
    let watch = Watch::start(&[world.cache(), dir.clone()]);
    // Each time it comes further: what had arrived was kept.
    for size in [200_000, 600_000, 1_200_000] {
        let mut run = world.program.start(&["apply"]);
        wait_for("a part is there", || arrived() > size);
        kill(&mut run);
        assert!(!dir.join(ISO).exists());
    }

    let mark = world.factory.mark();
    configure("", "");
    world.apply().expect(0).says("1 pushed");
    assert!(world.factory.images_since(mark).is_empty());
    watch.assert_only_whole_images(&world);
    world.assert_holds(&dir, &[ISO]);
    nothing_hidden_but_records(&dir);
}

#[test]
fn a_signal_stops_it_gracefully() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    world
        .factory
        .inject("GET /blob/", StubFault::Stall(100_000));
    let run = world.program.start_heard(&["apply"]);
    let partial = part(&world.cache(), ISO);
    wait_for("bytes arrive", || length(&partial) >= 100_000);
    terminate(&run);
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let (out, complaints) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(complaints.contains("stopping"), "{complaints}");
    let interrupted = "Interrupted: 2 steps pending; run again to continue";
    assert!(complaints.contains(interrupted), "{complaints}");
    assert!(!out.contains("Done:"), "{out}");
    // What was known is written down.
    let entry = &world.manifest("one")["entries"][0];
    assert_eq!(entry["status"], "held");
    assert_eq!(entry["error"], "the run was stopped");

    let mark = world.factory.mark();
    world.apply().expect(0).says("1 fetched");
    assert_eq!(ranges(&world, mark), ["bytes=100000-"]);
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
}
