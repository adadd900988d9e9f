//! The examples load as they are, and mean what they say.

#![expect(clippy::disallowed_methods, reason = "reads the examples")]

use std::path::Path;

use serde_json::Value;
use talos_order::config::{self, ManifestTarget};
use talos_order::model::{OrderSet, SchematicSource};
use talos_order::orders;

#[path = "support/schema.rs"]
mod schema;

fn load(config_file: &str, orders_path: &str) -> (config::Settings, OrderSet) {
    let settings = config::load(Some(Path::new(config_file)))
        .unwrap_or_else(|why| panic!("{why}: {:#?}", why.problems()));
    let set = orders::load(Path::new(orders_path), &settings.orders).expect("the path is there");
    let problems: Vec<String> = set.problems().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    (settings, set)
}

#[test]
fn the_commented_examples_load() {
    let (settings, set) = load("examples/config.yaml", "examples/orders");
    assert_eq!(settings.orders.inventory.nodes.len(), 3);
    let ids: Vec<&str> = set.orders.iter().map(|order| order.id.as_str()).collect();
    assert_eq!(ids, ["installers", "production"]);
    let workers = &set.orders[1].positions[0];
    let targets: Vec<String> = workers
        .targets
        .iter()
        .map(|target| format!("{}:{}", target.node, target.dir))
        .collect();
    assert_eq!(
        targets,
        ["pve-01:/var/lib/vz/import", "pve-02:/var/lib/vz/import"]
    );
    assert!(workers.unpack && workers.push_unpacked);
}

#[test]
fn the_example_to_start_with_needs_an_address_only() {
    let (settings, set) = load("examples/start/config.yaml", "examples/start/orders");
    assert_eq!(settings.orders.inventory.nodes.len(), 1);
    let [order] = &set.orders[..] else {
        panic!("one order");
    };
    let [disk] = &order.positions[..] else {
        panic!("one position");
    };
    assert!(disk.unpack && disk.push_unpacked);
    assert_eq!(disk.targets[0].dir.as_str(), "/var/lib/vz/import");
    // Whoever runs it, root or not, can write where it says.
    assert_eq!(settings.manifest, ManifestTarget::WorkingDir);
}

#[test]
fn the_files_of_the_program_before_load_unchanged() {
    let (settings, set) = load("examples/legacy/config.yaml", "examples/legacy/orders.yaml");
    assert_eq!(
        settings.manifest,
        ManifestTarget::Path("./manifest.yaml".into())
    );
    assert_eq!(settings.push.rsync_opts, ["-av", "--progress", "--inplace"]);
    let [numbered, named] = &set.orders[..] else {
        panic!("two orders");
    };
    assert_eq!(numbered.id.as_str(), "20002");
    assert_eq!(numbered.skipped[0].product, "flatcar");
    let [iso, raw] = &named.positions[..] else {
        panic!("two positions");
    };
    assert_eq!(iso.targets[1].dir.as_str(), "/mnt/pve/shared/template/iso");
    assert!(raw.secureboot && raw.unpack && raw.push_unpacked);
    assert!(matches!(raw.schematic, SchematicSource::Id(_)));
}

/// The schemas that editors get, and the files that the program accepts, agree.
#[test]
fn the_examples_fit_the_schemas() {
    let config_schema = config::json_schema();
    let orders_schema = orders::json_schema();
    let files = [
        ("examples/config.yaml", &config_schema),
        ("examples/start/config.yaml", &config_schema),
        ("examples/start/orders/homelab.yaml", &orders_schema),
        ("examples/legacy/config.yaml", &config_schema),
        ("examples/orders/installers.yaml", &orders_schema),
        ("examples/orders/production.yaml", &orders_schema),
    ];
    for (file, schema) in files {
        let text = std::fs::read_to_string(file).expect("a readable example");
        let value: Value = serde_yaml::from_str(&text).expect("an example is YAML");
        let misfits = schema::misfits(schema, &value);
        assert!(misfits.is_empty(), "{file}: {}", misfits.join("\n"));
    }
}

#[test]
fn the_schemas_refuse_what_the_program_refuses() {
    let wrong = serde_json::json!({"defaults": {"push": {"enabled": "yes"}}, "default": {}});
    assert_eq!(schema::misfits(&config::json_schema(), &wrong).len(), 2);
    let wrong = serde_json::json!([{"orderid": "a", "positions": [{"platform": "nocluod"}]}]);
    assert!(!schema::misfits(&orders::json_schema(), &wrong).is_empty());
}
