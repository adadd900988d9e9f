//! What the factory has to build: nothing for a plan, each image once for a run.

use std::time::Duration;

use talos_order::factory_stub::{StubFault, StubOptions};

use crate::world::{World, position};

const VERSIONS: [&str; 5] = ["v1.10.7", "v1.10.8", "v1.11.0", "v1.11.1", "v1.11.2"];
const AGENT: &str = "      customization: {systemExtensions: [siderolabs/qemu-guest-agent]}\n";

/// Requests for images and what is beside them, by method.
fn asked(world: &World, mark: usize) -> Vec<String> {
    let mut asked = world.factory.asked_since(mark);
    asked.retain(|line| line.contains(" /image/"));
    asked
}

#[test]
fn a_plan_has_nothing_built_and_a_run_each_image_once_two_at_a_time() {
    for checksums in [false, true] {
        let world = World::new(StubOptions {
            checksums,
            build_time: Duration::from_millis(200),
            ..StubOptions::default()
        });
        world.configure_local(1, "limits: {downloads: 5, retries: 0}\n");
        let orders = VERSIONS.map(|version| {
            let exact = format!("      version: {{type: exact, value: {version}}}\n");
            position(&version.replace('.', "-"), "iso", &exact)
        });
        world.order("all.yaml", &orders.concat());
        let dry = [
            &["plan"][..],
            &["plan", "-o", "json"],
            &["--dry-run"],
            &["validate"],
            &["status"],
        ];
        for args in dry {
            world.program.run(args);
            assert_eq!(asked(&world, 0), Vec::<String>::new(), "{args:?}");
        }
        let plan = world.program.run(&["plan"]).expect(0);
        plan.says("5 to fetch (size unknown), 5 to push (size unknown)");
        assert!(world.factory.running().builds().is_empty());

        world.apply().expect(0).says("5 fetched");
        let mut builds = world.factory.running().builds();
        builds.sort();
        let wanted = VERSIONS.map(|version| format!("{version}/nocloud-amd64.iso"));
        assert_eq!(builds, wanted);
        assert_eq!(world.factory.running().most_builds_at_once(), 2);
        let heads = asked(&world, 0);
        assert!(
            heads.iter().all(|line| line.starts_with("GET ")),
            "{heads:?}"
        );

        // A second run has nothing built, and neither has a plan for the same images
        // with other extensions: their sizes are about the same.
        let mark = world.factory.mark();
        world.apply().expect(0);
        let more = position("agent", "iso", AGENT).replace("v1.11.3", "v1.11.2");
        world.order("more.yaml", &more);
        let plan = world.program.run(&["plan"]).expect(0);
        plan.says("1 to fetch (about ").says("iso  about 3");
        let plan = world.program.run(&["plan", "-o", "json"]).expect(0).json();
        let steps = plan["plan"]["steps"].as_array().unwrap();
        let fetch = steps.iter().find(|step| step["action"]["kind"] == "fetch");
        let fetch = &fetch.unwrap()["action"];
        assert_eq!(fetch["size"], "about", "{fetch:#}");
        assert!(fetch["bytes"].as_u64() > Some(100_000), "{fetch:#}");
        assert_eq!(asked(&world, mark), Vec::<String>::new());
        assert_eq!(world.factory.running().builds().len(), VERSIONS.len());
    }
}

#[test]
fn a_size_is_remembered_when_the_image_has_gone() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("raw.xz", "");
    world.apply().expect(0);
    let mark = world.factory.mark();
    // Emptied manually, as after a move to another disk.
    for entry in std::fs::read_dir(world.cache()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    world.order("more.yaml", &position("more", "raw.xz", AGENT));
    let plan = world.program.run(&["plan"]).expect(0);
    plan.says("2 to fetch (about ").says("pve-1: about 8.0 MiB");
    assert_eq!(asked(&world, mark), Vec::<String>::new());
}

/// The length that only HEAD tells costs no build of its own, and is asked after GET.
#[test]
fn a_length_is_asked_for_within_the_fetch_only() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    let silent = StubFault::WithoutHeader("content-length");
    world.factory.inject("GET /blob/", silent);
    world.apply().expect(0).says("1 fetched");
    let asked = asked(&world, 0);
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[0].ends_with(".sha256"));
    assert!(
        asked[1].starts_with("GET ") && asked[2].starts_with("HEAD "),
        "{asked:?}"
    );
    assert_eq!(world.factory.running().builds().len(), 1);
}
