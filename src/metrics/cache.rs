//! The numbers of artifacts and of the cache.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog;
use super::exposition::Exposition;
use super::scene::{LastLook, MetricsScene};
use crate::conclude::Report;
use crate::facts::{Fact, Meta, Outcome};
use crate::model::FileName;

pub(super) fn add(to: &mut Exposition, scene: &MetricsScene<'_>) {
    let Some(LastLook { report, .. }) = &scene.last else {
        return;
    };
    let look = &report.look;
    let wanted = look.desired.artifacts.values().map(|want| &want.file);
    let wanted: BTreeSet<&FileName> = wanted.collect();
    let files = cached(report);
    let present = wanted.iter().filter(|file| files.contains_key(**file));
    to.set(&catalog::ARTIFACTS_WANTED, [], wanted.len() as u64);
    to.set(&catalog::ARTIFACTS_PRESENT, [], present.count() as u64);
    // While an order cannot be read, what it wants is unknown.
    let otherwise = match look.desired.complete {
        true => "orphaned",
        false => "unknown",
    };
    let states = ["wanted", "orphaned", "unknown", "partial"];
    let mut sums = states.map(|state| (state, 0, 0));
    let mut count = |state: &str, bytes: u64| {
        for (_, files, sum) in sums.iter_mut().filter(|(other, ..)| *other == state) {
            *files += 1;
            *sum += bytes;
        }
    };
    for (file, bytes) in &files {
        let state = if wanted.contains(file) {
            "wanted"
        } else {
            otherwise
        };
        count(state, *bytes);
    }
    for (file, bytes) in &look.observed.cache.partial {
        // It may be complete by now.
        if !files.contains_key(file) {
            count("partial", *bytes);
        }
    }
    for (state, files, bytes) in sums {
        to.set(&catalog::CACHE_FILES, [state], files);
        to.set(&catalog::CACHE_BYTES, [state], bytes);
    }
    if let Some(free) = look.observed.cache.free_bytes {
        to.set(&catalog::CACHE_FREE, [], free);
    }
}

/// The files in the cache with their sizes, as the run left them.
fn cached(report: &Report) -> BTreeMap<FileName, u64> {
    let look = &report.look;
    let found = look.observed.cache.files.iter();
    let found = found.filter_map(|(file, cached)| Some((file.clone(), cached.size?)));
    let mut files: BTreeMap<FileName, u64> = found.collect();
    let done = || {
        report
            .outcomes
            .iter()
            .filter_map(|(id, outcome)| match outcome {
                Outcome::Done { fact } => Some((id.cached()?, fact)),
                _ => None,
            })
    };
    // A purge removes what is fetched again.
    for (file, fact) in done() {
        if matches!(fact, Fact::Removed { .. }) {
            files.remove(&file);
        }
    }
    for (file, fact) in done() {
        match fact {
            Fact::Fetched {
                download, unpacked, ..
            } => {
                files.insert(file, download.size);
                if let Some((file, size)) = unpacked.as_deref().and_then(|meta| named(report, meta))
                {
                    files.insert(file, size);
                }
            }
            Fact::Unpacked { meta } => {
                files.insert(file, meta.size);
            }
            _ => {}
        }
    }
    files
}

/// The file that was unpacked on the way of a download.
fn named(report: &Report, unpacked: &Meta) -> Option<(FileName, u64)> {
    let want = report.look.desired.artifacts.get(&unpacked.artifact)?;
    Some((want.file.clone(), unpacked.size))
}
