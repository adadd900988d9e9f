//! Rows from manifests that were written by hand.

use super::*;
use crate::conclude::manifest::Manifest;
use crate::facts::Suspended;
use crate::model::{Node, Order, OrderId, SourceRef, VersionPolicy};
use crate::plan::{NamePattern, Selection};

const SCHEMATIC: &str = "ce4c980550dd2ab1b17bbf2b08801c7eb59418eafe8f279833297925d67c7515";

/// A manifest of order `workers` with these lists, in YAML's flow style.
fn manifest(pushed: &str, templates: &str) -> Manifest {
    let digest = |c: &str| c.repeat(64);
    let text = format!(
        "generated_at: 2026-01-02T03:04:05Z
order: {{orderid: workers, customer: ACME}}
source_config: null
source_orders: /orders.yaml
cache_policy: {{enabled: true, keep_versions: 3, purge_before: false}}
entries:
- name: worker
  product: talos
  platform: nocloud
  arch: amd64
  version: v1.11.3
  version_source: order
  secureboot: false
  image_format: raw.xz
  schematic_id: {SCHEMATIC}
  url: https://factory.talos.dev/image
  installer: factory.talos.dev/nocloud-installer/{SCHEMATIC}:v1.11.3
  cache_dir: /cache
  status: ok
  download: {{path: /cache/talos.raw.xz, done: true, sha256: {}, size_bytes: 1}}
  decompressed: {{path: /cache/talos.raw, sha256: {}, size_bytes: 2}}
  pushed: [{pushed}]
  templates: [{templates}]
  features: {{decompress_raw: true, push: true}}
  timestamp_utc: 2026-01-02T03:04:05Z
- {{name: later, status: error, error: no version list, timestamp_utc: 2026-01-02T03:04:05Z}}
- {{name: other, status: skipped, error: another product, timestamp_utc: 2026-01-02T03:04:05Z}}
",
        digest("d"),
        digest("c"),
    );
    serde_yaml::from_str(&text).unwrap()
}

fn pushed(node: &str, file: &str, more: &str) -> String {
    format!("{{host: {node}, path: /var/lib/vz/import/{file}, status: ok, stderr: '', {more}}},")
}

const TEMPLATE: &str = "host: pve-01, name: talos, storage: local-lvm, tags: [a, b]";

fn outputs(manifest: Manifest, order: Option<&Order>, suspended: &Suspended) -> Outputs {
    let id: OrderId = "workers".parse().unwrap();
    let node = |id: &str| Node {
        id: id.parse().unwrap(),
        reach: crate::model::Reach::Local,
    };
    let orders = [OrderManifest {
        id: &id,
        order,
        refused: None,
        manifest: Ok(manifest),
    }];
    let nodes = ["pve-01", "pve-02"].map(|id| (id.parse().unwrap(), node(id)));
    assemble(&OutputRecords {
        orders: &orders,
        nodes: &nodes.into(),
        suspended,
    })
}

fn of(pushed: &str, templates: &str) -> Outputs {
    outputs(manifest(pushed, templates), None, &Suspended::default())
}

#[test]
fn the_digest_is_the_one_of_the_file_on_the_node() {
    let cases = [
        ("talos.raw", "", Some(("c", 2))),
        ("talos.raw.xz", "", Some(("d", 1))),
        // A name of the order's own.
        ("own.raw", "", Some(("c", 2))),
        // Another form, of which the manifest does not tell.
        ("talos.raw.qcow2", "", None),
        ("none", "", None),
    ];
    for (file, more, expected) in cases {
        let found = of(&pushed("pve-01", file, more), "");
        let image = &found.images[0];
        assert_eq!(image.file.as_deref(), Some(file));
        let digest = image.sha256.as_deref().unwrap_or_default();
        assert_eq!(image.size_bytes, expected.map(|(_, size)| size), "{file}");
        assert!(
            expected.is_none_or(|(digit, _)| digest == digit.repeat(64)),
            "{file}: {digest}"
        );
    }
    let sha256 = format!("sha256: {}, size_bytes: 7", "e".repeat(64));
    let found = of(&pushed("pve-01", "talos.raw.qcow2", &sha256), "");
    assert_eq!(found.images[0].sha256.as_deref(), Some(&*"e".repeat(64)));
}

#[test]
fn what_the_manifest_does_not_call_ok_is_not_ready() {
    let blocked = "{host: pve-01, path: 'local:import/', status: held, stderr: storage is full},\
                {host: pve-02, path: /iso/talos.raw, status: error, stderr: ''},";
    let templates = format!(
        "{{{TEMPLATE}, vmid: 9000, status: ok, error: ''}},\
         {{{TEMPLATE}, status: ok, error: ''}},\
         {{{TEMPLATE}, vmid: 9001, status: error, error: VM 9001 is not ours}}"
    );
    let found = of(blocked, &templates);
    let reasons: Vec<&str> = found
        .images
        .iter()
        .map(|one| reason(&one.readiness))
        .collect();
    assert_eq!(reasons, ["storage is full", "it failed"]);
    // Nobody knows yet where the file will be.
    assert_eq!(
        (&found.images[0].path, &found.images[0].file),
        (&None, &None)
    );
    let templates = &found.templates;
    let reasons: Vec<&str> = templates.iter().map(|one| reason(&one.readiness)).collect();
    assert_eq!(reasons, ["", "it has no VMID yet", "VM 9001 is not ours"]);
    assert_eq!(templates[0].vmid, Some(9000));
    assert_eq!(found.not_ready().len(), 4);
    let [unknown] = &found.unknown()[..] else {
        panic!("{found:?}");
    };
    assert_eq!(unknown, "order workers, position later: no version list");
}

fn reason(readiness: &Readiness) -> &str {
    assert_eq!(readiness.ready, readiness.reason.is_none());
    readiness.reason.as_deref().unwrap_or_default()
}

#[test]
fn what_is_suspended_is_not_ready() {
    let both = [
        pushed("pve-01", "talos.raw", ""),
        pushed("pve-02", "talos.raw", ""),
    ]
    .concat();
    let reasons = |suspended: Suspended| -> Vec<String> {
        let found = outputs(manifest(&both, ""), None, &suspended);
        let images = found.images.iter();
        images
            .map(|one| reason(&one.readiness).to_owned())
            .collect()
    };
    assert_eq!(reasons(Suspended::default()), ["", ""]);
    let node = Suspended {
        nodes: ["pve-02".parse().unwrap()].into(),
        ..Suspended::default()
    };
    assert_eq!(reasons(node), ["", "the node is suspended"]);
    let order = Suspended {
        orders: ["workers".parse().unwrap()].into(),
        ..Suspended::default()
    };
    assert_eq!(reasons(order), ["the order is suspended"; 2]);
    // What cannot be read may be about anything.
    let unreadable = Suspended {
        unreadable: Some("torn".to_owned()),
        ..Suspended::default()
    };
    let why = "everything counts as suspended: torn";
    assert_eq!(reasons(unreadable), [why; 2]);
}

/// The order that the manifest is of, for these nodes.
fn order(nodes: &[&str]) -> Order {
    use crate::model::{Position, PushTarget, SchematicSource};
    let source = SourceRef {
        file: "orders.yaml".to_owned(),
        line: 1,
    };
    let target = |node: &&str| PushTarget {
        node: node.parse().unwrap(),
        dir: "/var/lib/vz/import".parse().unwrap(),
    };
    let position = |name: &str, index| Position {
        elsewhere: std::collections::BTreeSet::new(),
        elsewhere_awaited: std::collections::BTreeSet::new(),
        index,
        name: name.to_owned(),
        platform: "nocloud".parse().unwrap(),
        format: "raw.xz".parse().unwrap(),
        arch: "amd64".parse().unwrap(),
        secureboot: false,
        version: VersionPolicy::Exact("v1.11.3".parse().unwrap()),
        schematic: SchematicSource::Id(SCHEMATIC.parse().unwrap()),
        unpack: true,
        targets: nodes.iter().map(target).collect(),
        storages: Vec::new(),
        awaited: Vec::new(),
        push_unpacked: true,
        filename: None,
        push_method: None,
        pinned: None,
        template: None,
        source: source.clone(),
    };
    Order {
        rollout: None,
        elsewhere: Vec::new(),
        id: "workers".parse().unwrap(),
        customer: Some("ACME".to_owned()),
        positions: vec![position("worker", 0), position("later", 1)],
        source,
        suspended: false,
        deletion: None,
        windows: None,
        rejected: Vec::new(),
        skipped: Vec::new(),
    }
}

#[test]
fn an_order_that_wants_something_else_since_is_not_ready() {
    let both = [
        pushed("pve-01", "talos.raw", ""),
        pushed("pve-02", "talos.raw", ""),
    ]
    .concat();
    let template = format!("{{{TEMPLATE}, vmid: 9000, status: ok, error: ''}}");
    let check = |order: &Order| {
        let suspended = Suspended::default();
        let found = outputs(manifest(&both, &template), Some(order), &suspended);
        let images = found.images.iter();
        let reasons: Vec<String> = images
            .map(|one| reason(&one.readiness).to_owned())
            .collect();
        (reasons, found.unknown(), found.templates)
    };
    let (reasons, unknown, templates) = check(&order(&["pve-01", "pve-02"]));
    assert_eq!((reasons, unknown.len()), (vec![String::new(); 2], 1));
    // The position wants no template any more.
    assert!(!templates[0].readiness.ready);

    let (reasons, unknown, _) = check(&order(&["pve-01", "pve-03"]));
    let gone = "the order does not want it on this node any more";
    assert_eq!(reasons, ["", gone]);
    let new = "order workers, position worker, node pve-03: it is wanted there since the last run";
    assert_eq!(unknown[0], new);

    type Change = fn(&mut crate::model::Position);
    let changes: [Change; 6] = [
        |position| position.version = VersionPolicy::Exact("v1.11.4".parse().unwrap()),
        |position| position.version = VersionPolicy::LatestInMinor("v1.12".parse().unwrap()),
        |position| position.secureboot = true,
        |position| position.arch = "arm64".parse().unwrap(),
        |position| position.unpack = false,
        |position| {
            let other = "3".repeat(64);
            position.schematic = crate::model::SchematicSource::Id(other.parse().unwrap());
        },
    ];
    for change in changes {
        let mut order = order(&["pve-01", "pve-02"]);
        change(&mut order.positions[0]);
        let (reasons, ..) = check(&order);
        assert_eq!(reasons, ["the order has changed since the last run"; 2]);
    }
    let mut order = order(&["pve-01"]);
    order.positions[0].awaited = vec![crate::model::AwaitedNodes {
        name: "group lab".to_owned(),
        node: None,
        clusters: vec!["prod".parse().unwrap()],
        place: crate::model::DeliveryPlace::Dir("/var/lib/vz/import".parse().unwrap()),
        source: order.source.clone(),
    }];
    let (reasons, unknown, _) = check(&order);
    assert_eq!(reasons, ["", ""], "pve-02 may be one of the group");
    let asked = "order workers, position worker: group lab is known only to cluster prod, which \
                 was not asked yet";
    assert_eq!(unknown[0], asked);
    let mut latest = self::order(&["pve-01", "pve-02"]);
    latest.positions[0].version = VersionPolicy::Latest;
    latest.positions[1].name = "new".to_owned();
    let (reasons, unknown, _) = check(&latest);
    assert_eq!(reasons, ["", ""]);
    let new = "order workers, position new: it is new since the last run";
    assert_eq!(unknown[1], new);
    latest.positions.remove(0);
    let (reasons, ..) = check(&latest);
    assert_eq!(
        reasons,
        ["the order does not have this position any more"; 2]
    );
}

#[test]
fn a_selection_keeps_what_may_be_part_of_it() {
    let both = [
        pushed("pve-01", "talos.raw", ""),
        pushed("pve-02", "talos.raw", ""),
    ]
    .concat();
    let all = of(&both, "");
    let selected = |nodes: &[&str], positions: &[&str]| {
        let patterns = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let selection = Selection {
            orders: Vec::new(),
            nodes: patterns(nodes),
        };
        let positions: Vec<NamePattern> = patterns(positions);
        let found = all.clone().selected(&selection, &positions);
        (found.images.len(), found.unknown.len())
    };
    assert_eq!(selected(&[], &[]), (2, 1));
    // A position that is not resolved may have been for this node.
    assert_eq!(selected(&["pve-01"], &[]), (1, 1));
    assert_eq!(selected(&["pve-01"], &["w*"]), (1, 0));
    assert_eq!(selected(&["pve-03"], &["w*"]), (0, 0));
}
