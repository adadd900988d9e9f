//! Objects made of records: what is known is joined by name, and the rest is unknown.

use super::*;
use crate::conclude::known::{ImageLine, NodeLine, OrderLine};
use crate::facts::{Meta, Provenance};
use crate::model::{Arch, ArtifactId, Format, Platform, Reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-abababababab.iso";
const OLD: &str = "talos-v1.10.8-nocloud-amd64-abababababab.iso";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn schematic() -> SchematicId {
    SchematicId::from_bytes([0xab; 32])
}

fn condition(node: Option<&str>, state: ConditionState, image: ImageState) -> Condition {
    Condition {
        order: Some("prod".to_owned()),
        node: node.map(|node| node.parse().unwrap()),
        state,
        reason: None,
        message: String::new(),
        since: at(1),
        last_ready: None,
        images: vec![ImageCondition {
            position: "iso".to_owned(),
            file: Some("installer.iso".parse().unwrap()),
            cached_as: Some(ISO.parse().unwrap()),
            version: Some("v1.11.3".parse().unwrap()),
            image: Some("nocloud-amd64.iso".to_owned()),
            schematic: Some(schematic()),
            state: image,
        }],
    }
}

/// One node has the image, one does not answer, one was suspended after it got it.
fn status() -> Status {
    use ConditionState::{Ready, Reconciling, Suspended};
    let node = |is_reachable, seen| NodeLine {
        address: "root@10.0.0.1".to_owned(),
        is_reachable,
        seen,
        free_bytes: BTreeMap::new(),
    };
    let line = ImageLine {
        version: "v1.11.3".parse().unwrap(),
        image: "nocloud-amd64.iso".to_owned(),
        schematic: schematic(),
        orders: BTreeSet::from(["prod".parse().unwrap()]),
    };
    let mut status = Status {
        conditions: vec![
            condition(None, Reconciling, ImageState::Unknown),
            condition(Some("pve-1"), Ready, ImageState::InSync),
            condition(Some("pve-2"), Reconciling, ImageState::Unknown),
            condition(Some("pve-3"), Suspended, ImageState::InSync),
        ],
        last_run: serde_json::from_value(serde_json::json!({
            "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:01Z",
            "cause": "start", "verdict": "retry", "drift_found": 0, "drift_repaired": 0,
            "fetched_bytes": 0, "pushed_bytes": 0, "removed": 0,
        }))
        .unwrap(),
        orders: BTreeMap::from([(
            "prod".parse().unwrap(),
            OrderLine {
                customer: Some("Example".to_owned()),
                positions: 1,
            },
        )]),
        nodes: BTreeMap::from([
            ("pve-1".parse().unwrap(), node(true, Some(at(5)))),
            ("pve-2".parse().unwrap(), node(false, None)),
            ("pve-3".parse().unwrap(), node(true, Some(at(5)))),
        ]),
        images: BTreeMap::from([(ISO.parse().unwrap(), line)]),
        ..Status::default()
    };
    status.suspended.nodes.insert("pve-3".parse().unwrap());
    status
}

/// The wanted image is not there, an older one is.
fn cache() -> CacheState {
    let meta = Meta {
        artifact: ArtifactId {
            version: "v1.10.8".parse().unwrap(),
            platform: Platform::Nocloud,
            arch: Arch::Amd64,
            secureboot: false,
            schematic: schematic(),
            format: Format::Iso,
        },
        size: 100,
        sha256: Sha256::from_bytes([1; 32]),
        data: None,
        url: String::new(),
        unpacked_from: None,
        provenance: Provenance::FirstSeen,
        etag: None,
        completed_at: at(0),
        mtime_ns: 0,
        last_wanted: at(0),
        whole: None,
        refuted: BTreeSet::new(),
    };
    let cached = CachedFile {
        meta,
        size: Some(100),
        untouched: true,
        fault: None,
    };
    CacheState {
        files: BTreeMap::from([(OLD.parse().unwrap(), cached)]),
        ..CacheState::default()
    }
}

#[test]
fn orders_count_the_nodes_that_have_everything() {
    let (status, cache) = (status(), cache());
    let records = StateRecords {
        status: Some(&status),
        cache: Some(&cache),
        nodes: &[],
    };
    let orders = records.orders();
    assert_eq!(orders.len(), 1);
    let order = &orders[0];
    assert_eq!((order.nodes.in_sync, order.nodes.total), (2, 3));
    assert_eq!(
        (order.positions, order.customer.as_deref()),
        (Some(1), Some("Example"))
    );
    assert_eq!(order.state, ConditionState::Reconciling);
}

#[test]
fn nodes_of_the_configuration_that_nobody_asked_are_unknown() {
    let (status, idle) = (status(), "idle");
    let idle = Node {
        id: idle.parse().unwrap(),
        reach: Reach::Local,
    };
    let records = StateRecords {
        status: Some(&status),
        cache: None,
        nodes: &[&idle],
    };
    let nodes = records.nodes();
    let told: Vec<_> = nodes
        .iter()
        .map(|node| {
            (
                node.name.as_str(),
                node.state,
                node.images.in_sync,
                node.seen,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("idle", Reachability::Unknown, 0, None),
            ("pve-1", Reachability::Reachable, 1, Some(at(5))),
            ("pve-2", Reachability::Unreachable, 0, None),
            ("pve-3", Reachability::Suspended, 1, Some(at(5))),
        ]
    );
    assert_eq!(nodes[0].address.as_deref(), Some("local"));
}

#[test]
fn images_are_those_that_are_wanted_and_those_in_the_cache() {
    let (status, cache) = (status(), cache());
    let told = |status: Option<&Status>, cache: Option<&CacheState>| {
        let records = StateRecords {
            status,
            cache,
            nodes: &[],
        };
        let images = records.images().into_iter();
        images
            .map(|image| (image.name, image.in_cache, image.nodes.in_sync, image.state))
            .collect::<Vec<_>>()
    };
    let old = |state| (OLD.to_owned(), Some(true), 0, state);
    let iso = |in_cache| (ISO.to_owned(), in_cache, 2, ImageWant::Wanted);
    assert_eq!(
        told(Some(&status), Some(&cache)),
        [old(ImageWant::Unreferenced), iso(Some(false))]
    );
    assert_eq!(
        told(Some(&status), None),
        [iso(None)],
        "the cache cannot be read"
    );
    assert_eq!(
        told(None, Some(&cache)),
        [old(ImageWant::Unknown)],
        "nothing has run"
    );
}
