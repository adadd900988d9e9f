//! What is written down, and when.

use std::fs;
use std::path::Path;

use serde_json::Value;
use talos_order::factory_stub::StubFault;

use crate::world::{World, position};

fn world() -> World {
    let world = World::small();
    world.configure_local(2, "");
    world
}

fn keys(value: &Value) -> Vec<&str> {
    let map = value.as_object().unwrap();
    map.keys().map(String::as_str).collect()
}

fn assert_has(value: &Value, wanted: &[&str]) {
    let keys = keys(value);
    for key in wanted {
        assert!(keys.contains(key), "no {key} in {keys:?}");
    }
}

fn modified(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn what_was_not_selected_is_held_and_no_error() {
    let world = world();
    world.order_one("iso", "");
    let part = ["apply", "--node", "pve-1"];
    world.program.run(&part).expect(0);
    let image = &world.manifest("one")["entries"][0];
    assert_eq!(
        (&image["status"], &image["error"]),
        (&"held".into(), &"not selected".into())
    );
    assert_eq!(image["pushed"][0]["status"], "ok");
    assert_eq!(image["pushed"][1]["status"], "held");
    world.apply().expect(0);
    let image = &world.manifest("one")["entries"][0];
    assert_eq!(
        (&image["status"], &image["error"]),
        (&"ok".into(), &Value::Null)
    );
}

#[test]
fn a_manifest_has_the_keys_it_always_had() {
    let world = world();
    let orders = position("one", "raw.xz", "")
        + "    - {name: other, product: flatcar}\n    - {name: wrong, version: {type: newest}}\n";
    world.order("one.yaml", &orders);
    world.apply().expect(1).complains("newest");
    let manifest = world.manifest("one");
    assert_has(
        &manifest,
        &[
            "generated_at",
            "order",
            "source_config",
            "source_orders",
            "cache_policy",
            "entries",
        ],
    );
    assert_eq!(manifest["order"]["orderid"], "one");
    let [image, other, wrong] = &manifest["entries"].as_array().unwrap()[..] else {
        panic!("three entries: {manifest:#}");
    };
    assert_has(
        image,
        &[
            "name",
            "product",
            "platform",
            "arch",
            "version",
            "version_source",
            "secureboot",
            "image_format",
            "schematic_id",
            "url",
            "cache_dir",
            "download",
            "decompressed",
            "pushed",
            "features",
            "timestamp_utc",
        ],
    );
    assert_has(
        &image["download"],
        &["path", "done", "sha256", "size_bytes"],
    );
    assert_has(&image["decompressed"], &["path", "sha256", "size_bytes"]);
    assert_has(&image["pushed"][0], &["host", "status", "stderr"]);
    assert_eq!(image["download"]["done"], true);
    assert_eq!(other["status"], "skipped");
    assert_eq!(wrong["name"], "wrong");
    assert_eq!(wrong["status"], "error");
    assert!(
        wrong["error"].as_str().unwrap().contains("newest"),
        "{wrong}"
    );
}

#[test]
fn a_manifest_is_written_only_when_it_says_something_new() {
    let world = world();
    world.order_one("iso", "");
    world.apply().expect(0).says("1 manifest written");
    let path = world.manifest_path("one");
    let (before, text) = (modified(&path), fs::read_to_string(&path).unwrap());
    world.apply().expect(0).omits("written");
    assert_eq!(modified(&path), before);

    // Another position's news leaves this one's time alone.
    let old = world.manifest("one");
    let more = position("one", "iso", "")
        + "    - {name: second, version: {type: exact, value: v1.11.2}}\n";
    world.order("one.yaml", &more);
    world.apply().expect(0).says("1 manifest written");
    assert_ne!(fs::read_to_string(&path).unwrap(), text);
    let new = world.manifest("one");
    assert_ne!(new["generated_at"], old["generated_at"]);
    assert_eq!(new["entries"][0], old["entries"][0]);
}

#[test]
fn a_bad_edit_loses_nothing() {
    let world = world();
    world.order_one("iso", "");
    world.apply().expect(0);
    let before = world.manifest("one");

    // The order is rejected as a whole, and its id can still be read.
    world.order("one.yaml", "- orderid: one\n  positons: []\n");
    let plan = world.program.run(&["plan", "--manifests"]).expect(1);
    plan.complains("positons").says("+errors:");
    world.apply().expect(1);
    let mut after = world.manifest("one");
    let errors = after.as_object_mut().unwrap().remove("errors").unwrap();
    assert!(errors.to_string().contains("positons"), "{errors}");
    assert_ne!(after["generated_at"], before["generated_at"]);
    after["generated_at"] = before["generated_at"].clone();
    assert_eq!(after, before, "what was delivered is still written down");

    // The same again is no news.
    let written = modified(&world.manifest_path("one"));
    world.apply().expect(1).omits("written");
    assert_eq!(modified(&world.manifest_path("one")), written);

    // The file is not even YAML: nobody knows whose manifest it would be.
    world.order("one.yaml", "- orderid: [one\n");
    world.apply().expect(1);
    assert_eq!(modified(&world.manifest_path("one")), written);
    assert!(
        world.at("node1/iso").read_dir().unwrap().count() > 1,
        "nothing was removed"
    );

    world.order_one("iso", "");
    world.apply().expect(0);
    let mut mended = world.manifest("one");
    mended["generated_at"] = before["generated_at"].clone();
    assert_eq!(mended, before);
}

#[test]
fn what_failed_is_written_down_too() {
    let world = world();
    world.order_one("iso", "");
    let down = StubFault::status(503, "the builder is busy");
    world.factory.inject("GET /image/", down);
    world.apply().expect(1);
    let entry = &world.manifest("one")["entries"][0];
    assert_eq!(entry["status"], "error");
    assert!(entry["error"].as_str().unwrap().contains("503"), "{entry}");
    assert_eq!(entry["download"]["done"], false);
    for push in entry["pushed"].as_array().unwrap() {
        assert_eq!(push["status"], "held", "{push}");
    }
    // A manifest that nobody can read any more is no reason to fail.
    fs::write(world.manifest_path("one"), "entries: [").unwrap();
    world.apply().expect(0);
    assert_eq!(world.manifest("one")["entries"][0]["status"], "ok");
}
