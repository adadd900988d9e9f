//! Nodes as they are: real sshd instances on loopback addresses, real rsync.
//!
//! What is proved here is what the interface promises: the final name never
//! holds anything but the right bytes, a look tells what is there in one round
//! trip, and every failure is reported as what it is.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

#[path = "../common/mod.rs"]
mod common;
mod differences;
mod drips;
mod early;
mod early_troubles;
mod failures;
mod faulty;
mod fence;
mod hostile;
mod interrupted;
mod leaders;
mod leaders_end;
mod leaders_file;
mod leaders_meet;
mod leaders_templates;
mod lease;
mod leftovers;
mod life;
mod many;
mod modes;
mod owners;
mod privileges;
mod references;
mod storages;
mod stream;
mod templates;
mod templates_cut;
mod templates_failures;
mod traps;
mod unread;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::sshd::{Lab, SshNode, descendants, kill};
use sha2::Digest;
use talos_order::facts::{DirState, NodeState, References};
use talos_order::model::{
    Arch, ArtifactId, Dir, Format, Method, Node, PartName, Platform, Proof, Reach, Sha256,
};
use talos_order::nodes::{
    Authority, Cleared, Delivered, Delivery, EarlyDelivery, KeepOpen, LEASE, Leftover, NodeError,
    Nodes, NodesConfig, Removal, Removed, SystemNodes, Verified,
};

const MIB: usize = 1024 * 1024;
const NAME: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const PARTS: &str = ".talos-order.parts";
const EPOCH: &str = ".talos-order.epoch";
const RECORD: &str = ".talos-order.jsonl";
const LOCK: &str = ".talos-order.lock";
const OWNER: &str = "homelab";
const INSTANCE: &str = "0000000000000001";
const TIMEOUT: Duration = Duration::from_secs(90);

/// The configuration's defaults, so that every test runs with `--inplace`.
const RSYNC_OPTS: &str = "-av --progress --inplace";

fn config(lab: &Lab, rsync_opts: &str) -> NodesConfig {
    NodesConfig {
        ssh_opts: lab.ssh_opts(),
        rsync_opts: shell_words::split(rsync_opts).unwrap(),
        ..plain_config()
    }
}

fn plain_config() -> NodesConfig {
    NodesConfig {
        ssh_opts: Vec::new(),
        rsync_opts: Vec::new(),
        connect: Duration::from_secs(20),
        look: Duration::from_secs(60),
        idle: Duration::from_secs(20),
        control_dir: None,
        keep_open: KeepOpen::Briefly,
        sessions: 16,
        owner: OWNER.to_owned(),
        instance: INSTANCE.to_owned(),
        lease: LEASE,
        verify_rate: None,
        vm_configs: None,
        vm_configs_of: BTreeMap::new(),
        bandwidth: None,
        bandwidth_of: BTreeMap::new(),
        authority: Authority::single(),
        authority_of: BTreeMap::new(),
        // No single controller makes it.
        machine_epochs: "/nonexistent/talos-order/epoch".to_owned(),
    }
}

fn system(lab: &Lab) -> SystemNodes {
    SystemNodes::new(config(lab, RSYNC_OPTS)).unwrap()
}

/// Another controller, or this one with other settings.
fn other(lab: &Lab, change: impl FnOnce(&mut NodesConfig)) -> SystemNodes {
    let mut config = config(lab, RSYNC_OPTS);
    change(&mut config);
    SystemNodes::new(config).unwrap()
}

fn removal(delivery: &Delivery) -> Removal {
    Removal {
        dir: delivery.dir.clone(),
        file: delivery.file.clone(),
        size: delivery.size,
        sha256: delivery.sha256,
    }
}

/// rsync at so many MiB a second, which leaves time to look.
fn slow(lab: &Lab, mib: u32) -> SystemNodes {
    SystemNodes::new(config(lab, &format!("{RSYNC_OPTS} --bwlimit={mib}m"))).unwrap()
}

/// A file of bytes that do not compress, the same for the same seed.
fn file(lab: &Lab, size: usize, seed: u64) -> (PathBuf, Vec<u8>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; size];
    random.fill(&mut bytes);
    let path = lab.path().join(format!("cached-{size}-{seed}"));
    fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256::from_bytes(sha2::Sha256::digest(bytes).into())
}

fn delivery(dir: Dir, (source, bytes): &(PathBuf, Vec<u8>)) -> Delivery {
    Delivery {
        dir,
        file: NAME.parse().unwrap(),
        source: source.clone(),
        size: bytes.len() as u64,
        sha256: sha256(bytes),
        artifact: ArtifactId {
            version: "v1.11.3".parse().unwrap(),
            platform: Platform::Nocloud,
            arch: Arch::Amd64,
            secureboot: false,
            schematic: "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
                .parse()
                .unwrap(),
            format: Format::Iso,
        },
        replace: false,
        deletion: None,
        revision: None,
        orders: BTreeSet::from(["acme".parse().unwrap()]),
        now: "2026-08-05T12:00:00Z".parse().unwrap(),
        form: talos_order::model::StoredForm::Same,
        url: String::new(),
        method: Method::Rsync { basis: None },
        proof: Proof::Readback,
        data: None,
        relay: None,
        meter: Arc::default(),
    }
}

async fn look(nodes: &SystemNodes, node: &Node, dir: &Dir) -> DirState {
    match nodes.observe(node, &BTreeSet::from([dir.clone()])).await {
        NodeState::Listed { mut dirs, .. } => dirs.remove(dir).unwrap(),
        NodeState::Unreachable { why, .. } => panic!("{why}"),
    }
}

async fn why_unreachable(nodes: &SystemNodes, node: &Node, dir: &Dir) -> String {
    match nodes.observe(node, &BTreeSet::from([dir.clone()])).await {
        NodeState::Unreachable { why, .. } => why,
        state @ NodeState::Listed { .. } => panic!("{state:?}"),
    }
}

/// Where what arrived so far of a delivery is.
fn part(delivery: &Delivery) -> PathBuf {
    let digest = &delivery.sha256.to_string()[..12];
    let name = format!("{}.{digest}.part", delivery.file);
    at(&delivery.dir, PARTS).join(name)
}

/// Every name in a directory, hidden ones included, but for the count of leases.
fn names(dir: &Dir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir.as_str())
        .map(|entries| {
            entries
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    names.retain(|name| name != EPOCH);
    names.sort();
    names
}

fn at(dir: &Dir, name: &str) -> PathBuf {
    Path::new(dir.as_str()).join(name)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < TIMEOUT, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
