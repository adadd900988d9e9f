//! Values for the tests of this room.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Delivery;
use crate::facts::RecordEntry;
use crate::model::{Arch, ArtifactId, Format, Method, Node, Platform, Proof, Reach, Sha256};

pub(super) fn artifact() -> ArtifactId {
    ArtifactId {
        version: "v1.11.3".parse().unwrap(),
        platform: Platform::Nocloud,
        arch: Arch::Amd64,
        secureboot: false,
        schematic: "37".repeat(32).parse().unwrap(),
        format: Format::Iso,
    }
}

pub(super) fn entry(name: &str) -> RecordEntry {
    RecordEntry {
        name: name.parse().unwrap(),
        size: 1_234_567,
        mtime: 1_700_000_000,
        inode: 42,
        sha256: "ab".repeat(32).parse().unwrap(),
        artifact: artifact(),
        owner: "homelab".to_owned(),
        deletion: None,
        revision: None,
        orders: BTreeSet::from(["acme-2026".parse().unwrap()]),
        placed_at: "2026-08-05T12:00:00Z".parse().unwrap(),
    }
}

pub(super) fn other_digest() -> Sha256 {
    "cd".repeat(32).parse().unwrap()
}

pub(super) fn delivery(name: &str) -> (Node, Delivery) {
    let entry = entry(name);
    let node = Node {
        id: "pve-01".parse().unwrap(),
        reach: Reach::Local,
    };
    let delivery = Delivery {
        dir: "/srv/iso".parse().unwrap(),
        file: entry.name,
        source: "/cache/file".into(),
        size: entry.size,
        sha256: entry.sha256,
        artifact: entry.artifact,
        replace: false,
        deletion: None,
        revision: None,
        orders: entry.orders,
        now: entry.placed_at,
        method: Method::Rsync { basis: None },
        proof: Proof::Readback,
        data: None,
        relay: None,
        meter: Arc::default(),
    };
    (node, delivery)
}
