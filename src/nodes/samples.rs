//! Values for the tests of this room.

use std::collections::BTreeSet;

use crate::facts::RecordEntry;
use crate::model::{Arch, ArtifactId, Format, Platform};

pub(super) fn entry(name: &str) -> RecordEntry {
    RecordEntry {
        name: name.parse().unwrap(),
        size: 1_234_567,
        mtime: 1_700_000_000,
        inode: 42,
        sha256: "ab".repeat(32).parse().unwrap(),
        image_sha256: None,
        artifact: ArtifactId {
            version: "v1.11.3".parse().unwrap(),
            platform: Platform::Nocloud,
            arch: Arch::Amd64,
            secureboot: false,
            schematic: "37".repeat(32).parse().unwrap(),
            format: Format::Iso,
        },
        owner: "homelab".to_owned(),
        deletion: None,
        revision: None,
        orders: BTreeSet::from(["acme-2026".parse().unwrap()]),
        placed_at: "2026-08-05T12:00:00Z".parse().unwrap(),
    }
}
