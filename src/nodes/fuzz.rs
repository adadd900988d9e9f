//! What a node can send, for `crate::fuzz`.

use std::collections::BTreeSet;

use super::{listing, record, rsync, script};
use crate::io::Meter;

/// The output of a look, frame included.
pub fn answer(bytes: &[u8]) {
    let dirs = ["/var/lib/vz/import", "/var/lib/vz/template/iso"];
    let dirs = dirs.map(|dir| dir.parse().expect("a directory"));
    if let Ok(answer) = script::answer(bytes, NONCE) {
        let _ = listing::read(&answer, &BTreeSet::from(dirs));
    }
}

/// The nonce that the answers of the seeds carry.
pub const NONCE: &str = "n1";

/// The record beside the images in a directory.
pub fn record(bytes: &[u8]) {
    for (name, entry) in record::parse(bytes) {
        assert_eq!(name, entry.name);
    }
}

/// What rsync says while it works.
pub fn rsync_progress(bytes: &[u8]) {
    let meter = Meter::default();
    rsync::Progress::new(&meter).take(bytes);
}
