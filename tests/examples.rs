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
fn the_example_of_a_cluster_names_no_node() {
    let file = "examples/pve-api/config.yaml";
    let text = std::fs::read_to_string(file).expect("a readable example");
    let secret = |name: &str| (name == "PVE_TOKEN").then(|| "secret".to_owned());
    let settings = config::parse(file, &text, &secret)
        .unwrap_or_else(|why| panic!("{why}: {:#?}", why.problems()));
    assert!(settings.orders.inventory.nodes.is_empty());
    let orders_path = Path::new("examples/pve-api/orders");
    let set = orders::load(orders_path, &settings.orders).expect("the path is there");
    let problems: Vec<String> = set.problems().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    // The order names the nodes by their cluster, which is not asked here.
    let awaited: Vec<&str> = set.awaited().map(|one| one.name.as_str()).collect();
    assert_eq!(awaited, ["group lab"]);
    let template = set.orders[0].positions[0].template.as_ref();
    assert_eq!(template.expect("a template").name.as_str(), "talos-worker");
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
        ("examples/pve-api/config.yaml", &config_schema),
        ("examples/pve-api/orders/workers.yaml", &orders_schema),
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

/// Templates that the program accepts or refuses, and the schema the same.
#[test]
fn the_schema_and_the_program_agree_about_templates() {
    let schema = orders::json_schema();
    let defaults = config::parse("none", "", &|_| None)
        .expect("the defaults are valid")
        .orders;
    let cases = [
        (true, "name: t, target_storage: lvm"),
        (
            true,
            "name: t, target_storage: lvm, vmid: 100, on: [pve-01]",
        ),
        (
            true,
            "name: 9, target_storage: lvm, vmid_range: 9000-9001, keep: 0",
        ),
        (
            true,
            "name: t, target_storage: lvm, hardware: {net: []}, tags: []",
        ),
        (
            true,
            "name: t, target_storage: lvm, hardware: {cores: 512, bios: seabios, scsihw: lsi, \
             net: [{vlan: 1, mtu: 1}]}",
        ),
        (false, ""),
        (false, "name: t"),
        (false, "target_storage: lvm"),
        (false, "name: t, target_storage: lvm, vmid: 99"),
        (false, "name: t, target_storage: lvm, vmid: '100'"),
        (false, "name: t, target_storage: lvm, vmid_range: 9000"),
        (false, "name: t, target_storage: lvm, on: pve-01"),
        (false, "name: t, target_storage: lvm, nodes: [pve-01]"),
        (false, "name: t, target_storage: lvm, keep: -1"),
        (false, "name: t, target_storage: lvm, max_at_once: 0"),
        (false, "name: t, target_storage: lvm, hardware: {cores: 0}"),
        (
            false,
            "name: t, target_storage: lvm, hardware: {sockets: 17}",
        ),
        (
            false,
            "name: t, target_storage: lvm, hardware: {memory: 256}",
        ),
        (
            false,
            "name: t, target_storage: lvm, hardware: {bios: uefi}",
        ),
        (
            false,
            "name: t, target_storage: lvm, hardware: {scsihw: ide}",
        ),
        (
            false,
            "name: t, target_storage: lvm, hardware: {cloudinit: yes}",
        ),
        (false, "name: t, target_storage: lvm, hardware: {tpm: v2.0}"),
        (false, "name: t, target_storage: lvm, hardware: {net: {}}"),
        (
            false,
            "name: t, target_storage: lvm, hardware: {net: [{vlan: 0}]}",
        ),
        (
            false,
            "name: t, target_storage: lvm, hardware: {net: [{mtu: 65521}]}",
        ),
    ];
    for (accepted, keys) in cases {
        let text = format!(
            "orderid: a\npositions:\n  - image_format: raw\n    \
             push: {{enabled: true, hosts: [pve-01]}}\n    template: {{{keys}}}\n"
        );
        let set = orders::parse("o.yaml", &text, &defaults);
        assert_eq!(set.is_complete(), accepted, "the program: {text}");
        let value: Value = serde_yaml::from_str(&text).expect("YAML");
        let misfits = schema::misfits(&schema, &value);
        assert_eq!(misfits.is_empty(), accepted, "the schema: {text}");
    }
}
