//! A factory with a mind of its own, and one that is not there.

use std::fs;

use talos_order::factory_stub::{StubFault, StubOptions};

use crate::common::snapshot::images;
use crate::world::{PLAIN, World, position};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const RAW_XZ: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw.xz";

#[test]
fn a_factory_that_gives_other_ids_is_believed_in_the_same_run() {
    let world = World::new(StubOptions {
        owner: Some("acme".to_owned()),
        ..StubOptions::default()
    });
    world.configure_local(1, "");
    world.order_one("iso", "");
    let plan = world.program.run(&["plan"]).expect(0);
    plan.says(ISO);
    world
        .apply()
        .expect(0)
        .says("1 fetched")
        .complains(": outdated: ")
        .complains("planned again: ");
    let entry = &world.manifest("one")["entries"][0];
    let id = entry["schematic_id"].as_str().unwrap().to_owned();
    assert_ne!(id, PLAIN);
    let name = format!("talos-v1.11.3-nocloud-amd64-{}.iso", &id[..12]);
    assert_eq!(images(&world.cache()), [name.as_str()]);
    assert_eq!(images(&world.at("node1/iso")), [name.as_str()]);
    assert!(entry["installer"].as_str().unwrap().contains(&id));

    let mark = world.factory.mark();
    world
        .program
        .run(&["plan", "--detailed-exitcode"])
        .expect(0);
    world.apply().expect(0).says("nothing to do");
    assert!(!world.factory.changed_since(mark));
}

#[test]
fn what_was_reviewed_is_not_planned_again() {
    let world = World::new(StubOptions {
        owner: Some("acme".to_owned()),
        ..StubOptions::default()
    });
    world.configure_local(1, "");
    world.order_one("iso", "");
    world.program.run(&["plan", "--out", "plan.json"]).expect(0);
    let ran = world.program.run(&["apply", "plan.json"]).expect(1);
    let ran = ran.complains(": outdated: ");
    assert!(!ran.stderr.contains("planned again"), "{ran}");
    assert_eq!(images(&world.cache()), [""; 0]);
    // The next plan shows the image under the id that the factory gave.
    world.program.run(&["plan", "--out", "plan.json"]).expect(0);
    world.program.run(&["apply", "plan.json"]).expect(0);
    assert_eq!(images(&world.at("node1/iso")).len(), 1);
}

#[test]
fn a_further_look_prunes_only_what_the_first_plan_showed() {
    // The first run delivers the image under the id that the program computes.
    let mut world = World::small();
    let prune = "prune: {grace: 0s, keep_versions: 1, vm_configs: false}\n";
    world.configure_local(1, prune);
    let order =
        position("one", "iso", "").replacen("  positions:", "  prune: true\n  positions:", 1);
    world.order("one.yaml", &order);
    world.apply().expect(0);
    // From here on the factory gives another id, so the further look of the next run
    // finds the delivered file unwanted. By the memory it has been so for long.
    world.factory.restart(StubOptions {
        owner: Some("acme".to_owned()),
        ..StubOptions::default()
    });
    fs::remove_file(world.cache().join(ISO)).unwrap();
    let path = world.cache().join(".talos-order/memory.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut memory: serde_json::Value = serde_json::from_str(&text).unwrap();
    let node = world.at("node1/iso");
    let step = format!("prune-node/pve-1{}/{ISO}", node.display());
    memory["unwanted_since"][step] = "2026-01-02T03:04:05Z".into();
    fs::write(&path, memory.to_string()).unwrap();

    let ran = world.apply().expect(0);
    let ran = ran.complains("planned again: ").says("1 blocked");
    assert!(images(&node).iter().any(|name| name == ISO), "{ran}");
    let ran = world.apply().expect(0).says(" pruned");
    assert!(!images(&node).iter().any(|name| name == ISO), "{ran}");
}

/// A run whose image is not what it should be: nothing under a final name, an
/// error in the manifest with this text, and the same on stderr.
fn refused(world: &World, why: &str) {
    let ran = world.apply().expect(1);
    ran.complains(why);
    for dir in ["cache", "node1/iso", "node1/import"] {
        assert_eq!(images(&world.at(dir)), [""; 0], "in {dir}");
    }
    let entry = &world.manifest("one")["entries"][0];
    assert_eq!(entry["status"], "error");
    assert!(entry["error"].as_str().unwrap().contains(why), "{entry}");
    assert_eq!(entry["download"]["done"], false);
    assert_eq!(entry["pushed"][0]["status"], "held");
}

fn ordered(options: StubOptions, format: &str, more: &str) -> World {
    let world = World::new(options);
    world.configure_local(1, "");
    world.order_one(format, more);
    world
}

#[test]
fn a_page_is_not_an_image() {
    let world = ordered(StubOptions::default(), "iso", "");
    world.factory.inject("GET /blob/", StubFault::Html);
    refused(&world, "answered with a web page");
    world.apply().expect(0);
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
}

#[test]
fn other_bytes_are_not_an_image() {
    for format in ["iso", "raw.xz"] {
        let world = ordered(StubOptions::default(), format, "");
        world.factory.inject("GET /blob/", StubFault::WrongBytes);
        refused(&world, "; expected ");
        world.apply().expect(0);
    }
}

#[test]
fn a_wrong_pin_is_never_overruled() {
    let pin = format!("      sha256: \"{}\"\n", "ab".repeat(32));
    let world = ordered(StubOptions::default(), "iso", &pin);
    refused(&world, "the order pins");
    // Nor later.
    refused(&world, "the order pins");
    let right = format!("      sha256: \"{}\"\n", world.truth(ISO));
    world.order_one("iso", &right);
    world.apply().expect(0);
    let download = &world.manifest("one")["entries"][0]["download"];
    assert_eq!(download["provenance"], "pinned");
}

#[test]
fn the_factory_s_checksum_counts() {
    let options = StubOptions {
        checksums: true,
        ..StubOptions::default()
    };
    let world = ordered(options, "raw.xz", "");
    let checksum = format!("/image/{PLAIN}/v1.11.3/nocloud-amd64.raw.xz.sha256");
    let other = format!("{}  nocloud-amd64.raw.xz", "cd".repeat(32));
    world
        .factory
        .inject(&checksum, StubFault::status(200, other));
    refused(&world, "the factory publishes");
    world.apply().expect(0);
    let download = &world.manifest("one")["entries"][0]["download"];
    assert_eq!(download["provenance"], "upstream");
    assert!(world.cache().join(RAW_XZ).exists());
}

#[test]
fn without_the_factory_the_last_list_of_versions_still_counts() {
    let mut world = World::small();
    world.configure_local(1, "");
    world.order_one(
        "iso",
        "      version: {type: latest-in-minor, minor: v1.11}\n",
    );
    world.apply().expect(0);
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
    world.factory.stop();
    // The list on record is made older.
    let path = world.cache().join(".talos-order/versions-factory.json");
    let mut memory: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    memory["listing"]["fetched_at"] = "2026-01-02T03:04:05Z".into();
    fs::write(&path, memory.to_string()).unwrap();

    let plan = world.program.run(&["plan"]).expect(0);
    plan.says("Plan: nothing to do")
        .complains("2026-01-02T03:04:05Z")
        .complains("refuse");
    let ran = world.apply().expect(0);
    ran.complains("2026-01-02T03:04:05Z");
    let catalogue = &world.manifest("one")["catalogue"];
    assert_eq!(catalogue["stale_since"], "2026-01-02T03:04:05Z");
    world.apply().expect(0).omits("written");
    let versions = world.program.run(&["versions"]).expect(0);
    versions.says("v1.11.3").complains("2026-01-02T03:04:05Z");

    // A node that lost its image gets it from the cache.
    fs::remove_file(world.at("node1/iso").join(ISO)).unwrap();
    world.apply().expect(0).says("1 pushed");
    world.assert_holds(&world.at("node1/iso"), &[ISO]);

    // With no list at all nothing is removed and nothing is made up.
    fs::remove_file(&path).unwrap();
    world.apply().expect(1).says("versions unknown");
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
}

#[test]
fn the_second_source_is_no_stale_knowledge() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "      version: {type: latest}\n");
    for _ in 0..2 {
        world
            .factory
            .inject("GET /versions", StubFault::status(503, "not now"));
        world.apply().expect(0).complains("503");
        let catalogue = &world.manifest("one")["catalogue"];
        assert_eq!(catalogue["source"], "github");
        assert_eq!(catalogue["stale_since"], serde_json::Value::Null);
    }
    world
        .factory
        .inject("GET /versions", StubFault::status(503, "not now"));
    world.apply().expect(0).omits("written");
}

#[test]
fn a_newer_release_replaces_nothing_that_is_wanted() {
    let world = World::small();
    world.configure_local(1, "");
    let orders = position(
        "a",
        "iso",
        "      version: {type: latest-in-minor, minor: v1.11}\n",
    ) + &position("b", "iso", "");
    world.order("both.yaml", &orders);
    world.apply().expect(0).says("1 fetched");
    let mut versions = world.options().versions;
    versions.push("v1.11.4".to_owned());
    world.factory.running().set_versions(versions);
    world.apply().expect(0).says("1 fetched").omits("removed");
    let newer = ISO.replace("v1.11.3", "v1.11.4");
    world.assert_holds(&world.at("node1/iso"), &[ISO, &newer]);
}
