//! Every form that other programs and later versions read, byte for byte: the files of
//! the controller, of the cache and of the nodes, manifests, and what `-o json` says.
//!
//! One history on local directories gives them all: an image that exists nowhere, a
//! download that is truncated, two nodes that get the rest, and a file that nobody wants
//! any more. What differs from run to run is written as `[WHAT]`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

mod common;
#[path = "support/expected.rs"]
#[expect(dead_code, reason = "there are no directories of cases here")]
mod expected;
#[path = "support/venv.rs"]
mod venv;

use std::fs;
use std::path::Path;

use common::world::{Config, World, position};
use regex::Regex;
use serde_json::Value;
use talos_order::factory_stub::StubFault;

const MORE: &str = "\
owner: homelab
prune: {vm_configs: false, grace: 2d, keep_versions: 1}
notifications: {providers: [{name: hook, type: webhook, url: \"http://127.0.0.1:9/\"}]}
";

/// The files that are kept, and the names they are kept under.
const FILES: [(&str, &str); 15] = [
    ("memory.json", "cache/.talos-order/memory.json"),
    ("status.json", "cache/.talos-order/status.json"),
    ("history.jsonl", "cache/.talos-order/history.jsonl"),
    ("events.jsonl", "cache/.talos-order/events.jsonl"),
    ("alerts.json", "cache/.talos-order/alerts.json"),
    ("suspended.json", "cache/.talos-order/suspended.json"),
    ("rollouts.json", "cache/.talos-order/rollouts.json"),
    ("versions.json", "cache/.talos-order/versions-factory.json"),
    ("sizes.json", "cache/.talos-order/sizes.json"),
    (
        "cache-record.json",
        "cache/.talos-v1.11.3-nocloud-amd64-ce4c980550dd.raw.meta.json",
    ),
    (
        "part-record.json",
        "cache/.talos-v1.11.1-nocloud-amd64-376567988ad3.raw.xz.part.json",
    ),
    ("node-record.jsonl", "node1/iso/.talos-order.jsonl"),
    ("manifest.yaml", "manifests/manifest-disk.yaml"),
    ("manifest-failed.yaml", "manifests/manifest-cut.yaml"),
    ("manifest-removed.yaml", "manifests/manifest-passing.yaml"),
];

/// What differs from run to run, and what is written in its place.
fn redactions(world: &World) -> [(Regex, &'static str); 11] {
    let host = world.factory.url().replace("http://", "");
    let host = regex::escape(host.trim_end_matches('/'));
    let root = regex::escape(&world.dir.path().display().to_string());
    [
        (root.as_str(), "[ROOT]"),
        (&host, "[FACTORY]"),
        (r"127\.0\.0\.1:\d+", "[BLOBS]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
        (r#"("boot": ?)"[^"]*""#, "$1[BOOT]"),
        (
            r#"("(mtime|mtime_ns|inode|uptime_seconds|millis|sum_millis)": ?)\d+"#,
            "$1[NUMBER]",
        ),
        // How much of a truncated download arrives depends on the load of the machine.
        (r#"("have": ?)\d+"#, "$1[NUMBER]"),
        (
            r#"("(written|synced)":\{"bytes":)\d+,"sha256":"\w+""#,
            "$1[NUMBER],\"sha256\":[DIGEST]",
        ),
        // How long runs took.
        (r#"("up_to": ?)\[[\[\]\d,\s]*\]"#, "$1[CLASSES]"),
        // Hosts are sorted by their ports, and a download may be tried again.
        (
            r#"("requests": ?)\{(?:[^{}]|\{[^{}]*\})*\}"#,
            "$1[REQUESTS]",
        ),
        // Free space.
        (r#"("\[ROOT\]/node\d/\w+": ?)\d+"#, "$1[NUMBER]"),
    ]
    .map(|(text, name)| (Regex::new(text).unwrap(), name))
}

#[test]
fn all_forms_are_written_as_ever() {
    let world = World::small();
    let node = |number: u32| {
        let dir = world.at(&format!("node{number}"));
        let dir = dir.display();
        let reach = format!("local: true, iso_dir: {dir}/iso, import_dir: {dir}/import");
        (format!("pve-{number}"), format!("{reach}, prune: true"))
    };
    world.configure(&Config {
        nodes: vec![node(1), node(2)],
        more: MORE,
        ..Config::default()
    });
    let latest = "      version: {type: latest-in-minor, minor: v1.11}\n";
    let agent = "      customization: {systemExtensions: [siderolabs/qemu-guest-agent]}\n";
    let passing = "      version: {type: exact, value: v1.11.1}\n";
    let absent = "      version: {type: exact, value: v1.99.0}\n";
    world.order("iso.yaml", &position("base", "iso", latest));
    world.order("disk.yaml", &position("disk", "raw.xz", agent));
    world.order("passing.yaml", &position("passing", "iso", passing));
    world.program.run(&["run", "--once"]).expect(0);

    fs::remove_file(world.at("orders/passing.yaml")).unwrap();
    world.order("absent.yaml", &position("absent", "iso", absent));
    world.order("cut.yaml", &position("cut", "raw.xz", passing));
    world
        .factory
        .inject("GET /blob/", StubFault::Short(150_000));
    world.program.run(&["run", "--once"]).expect(1);
    world.program.run(&["suspend", "node", "pve-2"]).expect(0);
    world.program.run(&["rollout", "pause", "base"]).expect(0);

    let redactions = redactions(&world);
    let keep = |name: &str, text: &str| {
        let mut text = text.to_owned();
        for (what, by) in &redactions {
            text = what.replace_all(&text, *by).into_owned();
        }
        if name.starts_with("events") || name.starts_with("node-record") {
            // Steps end in any order.
            let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
            lines.sort_unstable();
            text = lines.concat();
        }
        expected::assert_file(&text, &Path::new("tests/golden").join(name));
    };
    for (verb, code) in [
        ("plan", 0),
        ("status", 1),
        ("history", 0),
        ("events", 0),
        ("versions", 0),
        ("outputs", 0),
        ("validate", 1),
    ] {
        if verb == "validate" {
            // A mistake, for the form of problems.
            let wrong = position("wrong", "iso", "      platfrom: metal\n");
            world.order("wrong.yaml", &wrong);
        }
        let ran = world.program.run(&[verb, "-o", "json"]).expect(code);
        keep(&format!("{verb}.output.json"), &ran.stdout);
    }
    let described = world.program.run(&["schema", "notification"]).expect(0);
    keep("notification.schema.json", &described.stdout);
    // So does the one of a fleet, which takes a store.
    let described = world.program.run(&["schema", "status-fleet"]).expect(0);
    keep("status-fleet.schema.json", &described.stdout);
    for (name, path) in FILES {
        keep(name, &fs::read_to_string(world.at(path)).unwrap());
    }
    let answers = answers(&world);
    for (name, answer) in &answers {
        let described = world.program.run(&["schema", name]).expect(0);
        keep(&format!("{name}.schema.json"), &described.stdout);
        let at = |kind: &str| world.at(&format!("schemas/{name}.{kind}.json"));
        fs::create_dir_all(world.at("schemas")).unwrap();
        fs::write(at("schema"), described.stdout).unwrap();
        fs::write(at("answer"), answer.to_string()).unwrap();
    }
    assert_described(&world.at("schemas"));
}

/// What each command answers, by the name of its schema.
fn answers(world: &World) -> Vec<(&'static str, Value)> {
    let ask = |args: &[&str]| world.program.run(&[args, &["-o", "json"]].concat());
    let schematic = world.at("schematic.yaml");
    fs::write(&schematic, "customization: {}\n").unwrap();
    let schematic = schematic.display().to_string();
    let manifest = fs::read_to_string(world.at("manifests/manifest-disk.yaml")).unwrap();
    let event = ask(&["events"]).expect(0).stdout;
    let event = event.lines().next().unwrap();
    vec![
        ("plan", ask(&["plan"]).json()),
        ("diff", ask(&["diff"]).json()),
        ("status", ask(&["status"]).json()),
        ("history", ask(&["history"]).json()),
        ("events", serde_json::from_str(event).unwrap()),
        ("get-orders", ask(&["get", "orders"]).json()),
        ("get-nodes", ask(&["get", "nodes"]).json()),
        ("get-images", ask(&["get", "images"]).json()),
        ("manifest", serde_yaml::from_str(&manifest).unwrap()),
        ("outputs", ask(&["outputs"]).json()),
        ("validate", ask(&["validate"]).json()),
        ("versions", ask(&["versions"]).json()),
        ("rollout", ask(&["rollout", "list"]).json()),
        ("schematic", ask(&["schematic", &schematic]).json()),
        ("notify-list", ask(&["notify", "list"]).json()),
        ("wait", ask(&["wait", "--timeout", "0s"]).json()),
        ("apply", ask(&["apply"]).json()),
    ]
}

/// Every answer fits its schema, and has no key that the schema does not name.
fn assert_described(dir: &Path) {
    let requirements = "tests/support/json_schema.txt";
    let what = "the JSON Schemas of the answers";
    let Some(bin) = venv::programs("json-schema-venv", requirements, what) else {
        return;
    };
    let checked = std::process::Command::new(bin.join("python"))
        .arg("tests/support/json_schema.py")
        .arg(dir)
        .output()
        .unwrap();
    let [said, error] =
        [checked.stdout, checked.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(checked.status.success(), "{said}{error}");
}

/// A plan is read by a person: two that would have hundreds of lines, one for each step.
#[test]
fn large_plans_stay_short() {
    for (scenario, most) in [
        ("large-1-order-20-nodes", 25),
        ("large-30-orders-8-nodes", 120),
    ] {
        let plan = fs::read_to_string(format!("tests/scenarios/{scenario}/plan.txt")).unwrap();
        assert!(plan.lines().count() <= most, "{plan}");
        for line in plan.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
