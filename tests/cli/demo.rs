//! The demo, and what it leaves.

use super::*;
use serde_json::json;

#[test]
fn the_demo_leaves_what_it_says() {
    let (dir, program) = plain();
    let at = dir.path().join("demo");
    let shown = at.display().to_string();
    let ran = program.run(&["demo", "--dir", &shown]).expect(0);
    let ran = ran.says("nothing to do").says("truncated").says("5 pushed");
    for name in [
        "orders",
        "config.yaml",
        "cache",
        "node-a",
        "node-b",
        "manifests",
    ] {
        assert!(at.join(name).exists(), "{name}");
        assert!(ran.stdout.contains(&format!("{shown}/{name}")), "{name}");
    }
    assert_eq!(images(&at.join("node-b/iso")).len(), 1);
    assert_eq!(images(&at.join("node-b/import")).len(), 1);
    assert_eq!(images(&at.join("manifests")).len(), 2);
    // What it left can be looked at with the program itself.
    let files = Program::with_files(&at, &at.join("config.yaml"), &at.join("orders"));
    files.run(&["validate"]).expect(0).says("2 orders");
    let again = program.run(&["demo", "--dir", &shown]).expect(1);
    again.complains("is not empty");
    // Without a directory it makes one, below the temporary one.
    let mut program = program;
    let tmp = dir.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    program
        .env
        .push(("TMPDIR".into(), tmp.display().to_string()));
    program.run(&["demo"]).expect(0);
    assert_eq!(names(&tmp).len(), 1);
    // What it made goes again, and nothing else.
    program.run(&["demo", "--clean"]).expect(0).says("Removed");
    assert_eq!(names(&tmp).len(), 0);
    program
        .run(&["demo", "--clean"])
        .expect(0)
        .says("left nothing");
    fs::write(at.join("mine"), "").unwrap();
    let clean = ["demo", "--clean", "--dir", &shown];
    program.run(&clean).expect(0).says("holds others");
    assert_eq!(names(&at), ["mine"]);
    program
        .run(&clean)
        .expect(1)
        .complains("not made by the demo");
}

#[test]
fn the_demo_of_a_cluster_replaces_its_templates() {
    let (dir, program) = plain();
    let at = dir.path().join("demo");
    let shown = at.display().to_string();
    let ran = program.run(&["demo", "--pve", "--dir", &shown]).expect(0);
    ran.says("3 templates created")
        .says("nothing to do")
        .says("9003  pve-01  talos-worker               talos;v1.11.3")
        .says("9000  pve-01  talos-worker-retired-9000  talos-order-retired");
    // The manifest says what other tools need.
    let manifest = fs::read_to_string(at.join("manifests/manifest-workers.yaml")).unwrap();
    for text in ["vmid: 9005", "volume: local:import/talos-v1.11.3"] {
        assert!(manifest.contains(text), "{text}: {manifest}");
    }
    let files = Program::with_files(&at, &at.join("config.yaml"), &at.join("orders"));
    let outputs = files.run(&["outputs", "-o", "json"]).expect(0).json();
    for (number, node) in ["pve-01", "pve-02", "pve-03"].iter().enumerate() {
        let (image, template) = (&outputs["images"][number], &outputs["templates"][number]);
        assert_eq!(
            (&image["node"], &image["ready"]),
            (&json!(node), &json!(true))
        );
        assert_eq!(template["vmid"], 9003 + number);
        assert_eq!(template["ready"], true);
        // The node has a qcow2, whose digest is not the one of the image in the cache.
        assert!(image["file"].as_str().unwrap().ends_with(".raw.qcow2"));
        assert_eq!(image["sha256"].as_str().unwrap().len(), 64);
        assert!(image["size_bytes"].as_u64().unwrap() > 0);
    }
    let clean = ["demo", "--clean", "--dir", &shown];
    program.run(&clean).expect(0).says("Removed");
    assert!(!at.exists());
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
