//! The places of the small world: what the cache and the nodes hold.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use talos_order::facts::{
    CacheState, CachedFile, DirState, Meta, NodeState, Part, Provenance, RecordEntry, References,
    RemoteFile, StorageRoot,
};
use talos_order::model::{ArtifactId, DataDigest, Deletion, Dir, FileName, PartName, Sha256};

use super::{DIRS, FACTORY, GRACE, artifact, naming, now};

pub fn meta(artifact: &ArtifactId, byte: u8, hours_ago: i64) -> Meta {
    let url = format!("{FACTORY}{}", artifact.factory_path());
    Meta {
        artifact: artifact.clone(),
        size: 1000,
        sha256: Sha256::from_bytes([byte; 32]),
        url,
        data: Some(DataDigest {
            sha256: Sha256::from_bytes([byte; 32]),
            bytes: 900,
        }),
        unpacked_from: None,
        provenance: Provenance::FirstSeen,
        etag: None,
        completed_at: now() - jiff::SignedDuration::from_hours(2),
        mtime_ns: 1,
        last_wanted: now() - jiff::SignedDuration::from_hours(hours_ago),
        whole: None,
        refuted: BTreeSet::new(),
    }
}

pub(super) fn cache() -> impl Strategy<Value = CacheState> {
    let file = (
        artifact(),
        0_u8..2,
        prop::option::weighted(0.8, prop_oneof![4 => Just(1000_u64), 1 => Just(999)]),
        prop::bool::weighted(0.8),
        select(vec![-24 * 900_i64, 0, 24, 24 * 30]),
    );
    let foreign = prop::collection::vec(artifact(), 0..4);
    let partial = prop::collection::vec((artifact(), 0_u64..500), 0..2);
    (prop::collection::vec(file, 0..8), foreign, partial).prop_map(|(files, foreign, partial)| {
        let name = |artifact: &ArtifactId| naming().template.name(artifact);
        let mut state = CacheState::default();
        for (artifact, byte, size, untouched, hours) in files {
            let cached = CachedFile {
                meta: meta(&artifact, byte, hours),
                size,
                untouched,
                fault: None,
            };
            state.files.insert(name(&artifact), cached);
        }
        for artifact in foreign {
            let name = name(&artifact);
            if !state.files.contains_key(&name) {
                state.foreign.insert(name.to_string());
            }
        }
        for (artifact, size) in partial {
            let name = name(&artifact);
            if !state.foreign.contains(name.as_str()) {
                state.partial.insert(name, size);
            }
        }
        state
    })
}

fn dir_state() -> impl Strategy<Value = DirState> {
    let file = (
        artifact(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.8),
        select(vec![1000_u64, 1000, 1000, 999]),
        0_u8..2,
        select(vec!["us", "us", "us", "them"]),
        select(vec![
            None,
            None,
            Some(Deletion::Delete),
            Some(Deletion::Orphan),
        ]),
    );
    (
        prop::collection::vec(file, 0..5),
        prop::option::of(0_u64..5000),
        prop::bool::weighted(0.02),
        prop::bool::weighted(0.02),
        prop::bool::weighted(0.02),
        prop::bool::weighted(0.05),
        prop::collection::vec((artifact(), 0_u8..2, 0..2 * GRACE), 0..2),
    )
        .prop_map(
            |(files, free, unmounted, is_silent, missing, unread, parts)| {
                if missing {
                    return DirState {
                        nearest: Some("/var".to_owned()),
                        mount_point: Some("/".to_owned()),
                        is_proxmox: true,
                        free_bytes: free,
                        ..DirState::default()
                    };
                }
                let mut state = DirState {
                    unread: unread.then(|| "it is longer than 32 MiB".to_owned()),
                    mount_point: Some("/var/lib".to_owned()),
                    root: unmounted.then(|| StorageRoot {
                        name: "usb".to_owned(),
                        kind: "dir".to_owned(),
                        mount: Some("/var/lib/vz".to_owned()),
                        path: "/var/lib/vz".to_owned(),
                    }),
                    is_silent,
                    exists: true,
                    free_bytes: free,
                    ..DirState::default()
                };
                for (artifact, fixed, recorded, size, byte, owner, deletion) in files {
                    let name: FileName = if fixed {
                        "fixed.img".parse().expect("a name")
                    } else {
                        naming().template.name(&artifact)
                    };
                    let file = RemoteFile {
                        size,
                        mtime: 5,
                        inode: 6,
                    };
                    state.files.insert(name.to_string(), file);
                    if recorded && !unread {
                        let entry = RecordEntry {
                            owner: owner.to_owned(),
                            deletion,
                            ..entry(&name, &artifact, Sha256::from_bytes([byte; 32]))
                        };
                        state.record.insert(name, entry);
                    }
                }
                for (artifact, byte, idle) in parts {
                    let digest = Sha256::from_bytes([byte; 32]);
                    let name = PartName::new(&naming().template.name(&artifact), &digest);
                    let part = Part {
                        bytes: 400,
                        idle_seconds: idle.unsigned_abs(),
                    };
                    state.parts.insert(name, part);
                }
                state
            },
        )
}

pub fn entry(name: &FileName, artifact: &ArtifactId, sha256: Sha256) -> RecordEntry {
    RecordEntry {
        name: name.clone(),
        size: 1000,
        mtime: 5,
        inode: 6,
        sha256,
        image_sha256: None,
        artifact: artifact.clone(),
        orders: BTreeSet::new(),
        owner: "us".to_owned(),
        deletion: None,
        revision: None,
        placed_at: now() - jiff::SignedDuration::from_hours(2),
    }
}

/// Virtual machine 100 uses every n-th file, if any.
fn references(every: usize, dirs: &BTreeMap<Dir, DirState>) -> References {
    let files = dirs.values().flat_map(|dir| dir.files.keys());
    References::Known(match every {
        0 => BTreeMap::new(),
        every => files
            .step_by(every)
            .map(|file| (file.clone(), BTreeSet::from([100])))
            .collect(),
    })
}

pub(super) fn node_state() -> impl Strategy<Value = NodeState> {
    prop_oneof![
        4 => (
            dir_state(),
            dir_state(),
            0_usize..4,
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.8),
        ).prop_map(
            |(iso, import, every, unknown, perl)| {
                let names = DIRS.iter().map(|dir| dir.parse().expect("a directory"));
                let dirs: BTreeMap<Dir, DirState> = names.zip([iso, import]).collect();
                NodeState::Listed {
                    references: if unknown {
                        References::Unknown { why: "no permission".to_owned() }
                    } else {
                        references(every, &dirs)
                    },
                    dirs,
                    tools: perl.then(|| "perl".to_owned()).into_iter().collect(),
                }
            },
        ),
        1 => Just(NodeState::Unreachable { why: "connection refused".to_owned(), lasting: None }),
    ]
}
