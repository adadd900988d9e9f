//! The files of the made-up fleet, as the cache and the nodes record them.

use std::collections::BTreeSet;

use super::fleet::{OWNER, ago};
use crate::facts::{Meta, Provenance, RecordEntry};
use crate::model::{ArtifactId, FileName, Format, Sha256};

pub(super) fn size(artifact: &ArtifactId) -> u64 {
    let odd = u64::from(artifact.schematic.to_string().as_bytes()[3]) << 16;
    match artifact.format {
        Format::Iso => (112 << 20) + odd,
        Format::Raw | Format::Qcow2 => (1280 << 20) + odd,
        _ => (96 << 20) + odd,
    }
}

fn digest(artifact: &ArtifactId) -> Sha256 {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(artifact.factory_path());
    Sha256::from_bytes(digest.into())
}

/// What is recorded on a node.
pub(super) fn entry(file: &FileName, artifact: &ArtifactId) -> RecordEntry {
    RecordEntry {
        name: file.clone(),
        size: size(artifact),
        mtime: 1,
        inode: 1,
        sha256: digest(artifact),
        image_sha256: None,
        artifact: artifact.clone(),
        orders: BTreeSet::new(),
        owner: OWNER.to_owned(),
        deletion: None,
        revision: None,
        placed_at: ago(4000),
    }
}

pub(super) fn meta(artifact: &ArtifactId, is_unpacked: bool) -> Meta {
    Meta {
        artifact: artifact.clone(),
        size: size(artifact),
        sha256: digest(artifact),
        url: format!("https://factory.talos.dev/{}", artifact.factory_path()),
        data: None,
        unpacked_from: is_unpacked.then(|| Sha256::from_bytes([0x5e; 32])),
        provenance: Provenance::Upstream,
        etag: None,
        completed_at: ago(4100),
        mtime_ns: 0,
        last_wanted: ago(6),
        whole: Some(1),
        refuted: BTreeSet::new(),
    }
}
