//! Nodes as they are: real sshd instances on loopback addresses, real rsync.
//!
//! What is proved here is what the interface promises: the final name never
//! holds anything but the right bytes, a look tells what is there in one round
//! trip, and every failure is told as what it is.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::sshd::{Lab, SshNode, descendants};
use sha2::Digest;
use talos_order::model::{Arch, ArtifactId, Dir, Format, Node, Platform, Reach, Sha256};
use talos_order::nodes::{Delivered, Delivery, NodeError, Nodes, NodesConfig, SystemNodes};
use talos_order::plan::{DirState, NodeState};

const MIB: usize = 1024 * 1024;
const NAME: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const PART: &str = ".talos-order.talos-v1.11.3-nocloud-amd64-376567988ad3.iso.part";
const RECORD: &str = ".talos-order.jsonl";
const PATIENCE: Duration = Duration::from_secs(20);

/// The configuration's defaults, so that every test runs with `--inplace`.
const RSYNC_OPTS: &str = "-av --progress --inplace";

fn config(lab: &Lab, rsync_opts: &str) -> NodesConfig {
    NodesConfig {
        ssh_opts: lab.ssh_opts(),
        rsync_opts: shell_words::split(rsync_opts).unwrap(),
        connect: Duration::from_secs(5),
        idle: Duration::from_secs(20),
        control_dir: None,
        sessions: 16,
    }
}

fn system(lab: &Lab) -> SystemNodes {
    SystemNodes::new(config(lab, RSYNC_OPTS)).unwrap()
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
        orders: BTreeSet::from(["acme".parse().unwrap()]),
        now: "2026-08-05T12:00:00Z".parse().unwrap(),
        meter: Arc::default(),
    }
}

async fn look(nodes: &SystemNodes, node: &Node, dir: &Dir) -> DirState {
    match nodes.observe(node, &BTreeSet::from([dir.clone()])).await {
        NodeState::Listed { mut dirs, .. } => dirs.remove(dir).unwrap(),
        NodeState::Unreachable { why } => panic!("{why}"),
    }
}

async fn why_unreachable(nodes: &SystemNodes, node: &Node, dir: &Dir) -> String {
    match nodes.observe(node, &BTreeSet::from([dir.clone()])).await {
        NodeState::Unreachable { why } => why,
        state => panic!("{state:?}"),
    }
}

/// Every name in a directory, hidden ones included.
fn names(dir: &Dir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir.as_str())
        .map(|entries| {
            entries
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

fn at(dir: &Dir, name: &str) -> PathBuf {
    Path::new(dir.as_str()).join(name)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The life of a file on a node; the same over ssh and on this machine.
async fn life_of_a_file(nodes: &SystemNodes, node: &Node, dir: Dir, lab: &Lab) {
    let before = look(nodes, node, &dir).await;
    assert!(!before.exists && before.files.is_empty());
    assert!(before.free_bytes.unwrap() > 0, "where it would be made");
    assert!(before.mount_point.unwrap().starts_with('/'));
    assert!(names(&dir).is_empty(), "a look changes nothing");

    let content = file(lab, 3 * MIB + 7, 1);
    let delivery = delivery(dir.clone(), &content);
    let Delivered { copied, entry } = nodes.deliver(node, &delivery).await.unwrap();
    assert!(copied);
    assert_eq!(entry.sha256, delivery.sha256);
    assert_eq!(delivery.meter.read(), (delivery.size, Some(delivery.size)));
    assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
    assert_eq!(names(&dir), [RECORD, NAME]);
    assert_eq!(fs::metadata(at(&dir, NAME)).unwrap().mode() & 0o777, 0o644);

    let state = look(nodes, node, &dir).await;
    assert!(state.exists);
    assert_eq!(state.files.keys().collect::<Vec<_>>(), [NAME]);
    assert_eq!(state.record[&delivery.file], entry);
    assert!(entry.describes(&state.files[NAME]));

    // Asked again it only looks; without a record it adopts what is right.
    let again = nodes.deliver(node, &delivery).await.unwrap();
    assert_eq!((again.copied, &again.entry), (false, &entry));
    fs::remove_file(at(&dir, RECORD)).unwrap();
    assert!(look(nodes, node, &dir).await.record.is_empty());
    let adopted = nodes.deliver(node, &delivery).await.unwrap();
    assert_eq!((adopted.copied, &adopted.entry), (false, &entry));
    assert_eq!(look(nodes, node, &dir).await.record[&delivery.file], entry);

    // Same length, other bytes: neither the record nor the size hides it.
    let (_, other) = file(lab, 3 * MIB + 7, 2);
    fs::remove_file(at(&dir, NAME)).unwrap();
    fs::write(at(&dir, NAME), &other).unwrap();
    let state = look(nodes, node, &dir).await;
    assert!(!state.record[&delivery.file].describes(&state.files[NAME]));
    let mended = nodes.deliver(node, &delivery).await.unwrap();
    assert!(mended.copied);
    assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
    let state = look(nodes, node, &dir).await;
    assert_eq!(state.record.len(), 1, "the line was replaced");
    assert!(state.record[&delivery.file].describes(&state.files[NAME]));
}

#[tokio::test]
async fn the_life_of_a_file_over_ssh() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("var/lib/vz/template/iso");
    life_of_a_file(&system(&lab), &node.node("pve-01"), dir, &lab).await;
}

#[tokio::test]
async fn the_life_of_a_file_on_this_machine() {
    let lab = Lab::new();
    let node = Node {
        id: "local".parse().unwrap(),
        reach: Reach::Local,
    };
    let dir = lab.path().join("here/iso").display().to_string();
    life_of_a_file(&system(&lab), &node, dir.parse().unwrap(), &lab).await;
}

#[tokio::test]
async fn the_final_name_never_holds_a_part() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("iso");
    let content = file(&lab, 6 * MIB, 1);
    let delivery = delivery(dir.clone(), &content);
    // An older image is there: it stays whole until the new one is.
    let (_, old) = file(&lab, 5 * MIB, 9);
    fs::create_dir_all(dir.as_str()).unwrap();
    fs::write(at(&dir, NAME), &old).unwrap();
    let nodes = slow(&lab, 12);
    let id = node.node("pve-01");
    let mut push = std::pin::pin!(nodes.deliver(&id, &delivery));
    let (mut looks, mut parts) = (0, 0);
    loop {
        tokio::select! {
            delivered = &mut push => {
                assert!(delivered.unwrap().copied);
                break;
            }
            () = tokio::time::sleep(Duration::from_millis(10)) => {
                let found = fs::read(at(&dir, NAME)).unwrap();
                assert!(found == old || found == content.1);
                looks += 1;
                parts += usize::from(at(&dir, PART).exists());
            }
        }
    }
    assert!(looks > 5 && parts > 5, "{looks} looks, {parts} at a part");
    assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
    assert_eq!(names(&dir), [RECORD, NAME]);
}

/// Waits until a part of the file has arrived.
async fn part_has_arrived(dir: &Dir) {
    let part = at(dir, PART);
    until("something arrives", || {
        fs::metadata(&part).is_ok_and(|facts| facts.len() > MIB as u64)
    })
    .await;
}

#[tokio::test]
async fn a_push_whose_rsync_was_killed_is_taken_up_again() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("iso");
    let content = file(&lab, 8 * MIB, 1);
    let delivery = delivery(dir.clone(), &content);
    let killer = async {
        part_has_arrived(&dir).await;
        let source = content.0.display().to_string();
        for pid in descendants(std::process::id()) {
            let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if words.starts_with("rsync\0") && words.contains(&source) {
                let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    };
    let (nodes, id) = (slow(&lab, 4), node.node("pve-01"));
    let (result, ()) = tokio::join!(nodes.deliver(&id, &delivery), killer);
    let error = result.unwrap_err();
    assert!(
        matches!(error, NodeError::Rsync { code: -1, .. }),
        "{error:?}"
    );
    assert!(error.is_transient());
    assert_taken_up(&lab, &node, &delivery, &content.1).await;
}

#[tokio::test]
async fn a_push_that_was_dropped_is_taken_up_again() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("iso");
    let content = file(&lab, 8 * MIB, 1);
    let delivery = delivery(dir.clone(), &content);
    let (nodes, id) = (slow(&lab, 4), node.node("pve-01"));
    tokio::select! {
        result = nodes.deliver(&id, &delivery) => panic!("{result:?}"),
        () = part_has_arrived(&dir) => (),
    }
    assert_taken_up(&lab, &node, &delivery, &content.1).await;
}

#[tokio::test]
async fn a_node_that_goes_down_in_the_middle_gets_the_rest_later() {
    let lab = Lab::new();
    let mut node = lab.node();
    let dir = node.dir("iso");
    let content = file(&lab, 8 * MIB, 1);
    let delivery = delivery(dir.clone(), &content);
    let (nodes, id) = (slow(&lab, 4), node.node("pve-01"));
    let downfall = async {
        part_has_arrived(&dir).await;
        node.stop();
    };
    let (result, ()) = tokio::join!(nodes.deliver(&id, &delivery), downfall);
    let error = result.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let why = why_unreachable(&nodes, &id, &dir).await;
    assert!(why.starts_with("it refuses the connection"), "{why}");
    node.start();
    assert_taken_up(&lab, &node, &delivery, &content.1).await;
}

/// A part is there and nothing else; the next push continues in the same file.
async fn assert_taken_up(lab: &Lab, node: &SshNode, delivery: &Delivery, bytes: &[u8]) {
    let dir = &delivery.dir;
    assert_eq!(names(dir), [PART]);
    let part = fs::metadata(at(dir, PART)).unwrap();
    let delivered = system(lab).deliver(&node.node("pve-01"), delivery).await;
    assert!(delivered.unwrap().copied);
    assert!(fs::read(at(dir, NAME)).unwrap() == bytes);
    assert_eq!(fs::metadata(at(dir, NAME)).unwrap().ino(), part.ino());
    assert_eq!(names(dir), [RECORD, NAME]);
}

#[tokio::test]
async fn wrong_bytes_never_get_the_name() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("iso");
    let content = file(&lab, MIB, 1);
    let (_, other) = file(&lab, MIB, 2);
    let mut delivery = delivery(dir.clone(), &content);
    delivery.sha256 = sha256(&other);
    let here = Node {
        id: "local".parse().unwrap(),
        reach: Reach::Local,
    };
    for node in [node.node("pve-01"), here] {
        match system(&lab).deliver(&node, &delivery).await.unwrap_err() {
            NodeError::DigestDiffers {
                expected, found, ..
            } => assert_eq!((expected, found), (delivery.sha256, sha256(&content.1))),
            error => panic!("{error:?}"),
        }
        assert!(names(&dir).is_empty());
    }
    delivery.size += 1;
    let error = system(&lab).deliver(&node.node("pve-01"), &delivery).await;
    assert!(matches!(error, Err(NodeError::Source { .. })), "{error:?}");
    assert!(names(&dir).is_empty());
}

#[tokio::test]
async fn a_full_disk_is_told_with_numbers() {
    let lab = Lab::new();
    let mut node = lab.node();
    if !node.mount_small("iso", 64) {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    let dir = node.dir("iso");
    let id = node.node("pve-01");
    let state = look(&system(&lab), &id, &dir).await;
    assert_eq!(state.mount_point.as_deref(), Some(dir.as_str()));

    // Known before anything is sent: 16 MiB are to stay free.
    let content = file(&lab, 50 * MIB, 1);
    let large = delivery(dir.clone(), &content);
    match system(&lab).deliver(&id, &large).await.unwrap_err() {
        NodeError::NoSpace { need, free, .. } => {
            assert_eq!(need, 66 * MIB as u64);
            assert!(free <= 64 * MIB as u64 && free > 63 * MIB as u64);
        }
        error => panic!("{error:?}"),
    }
    assert!(names(&dir).is_empty());

    // Known only on the way: somebody fills the disk as rsync starts there.
    let options = format!("{RSYNC_OPTS} --rsync-path='fallocate -l 56M {dir}/ballast && rsync'");
    let nodes = SystemNodes::new(config(&lab, &options)).unwrap();
    let content = file(&lab, 20 * MIB, 1);
    let small = delivery(dir.clone(), &content);
    let error = nodes.deliver(&id, &small).await.unwrap_err();
    assert!(error.is_transient() && error.hint().is_some());
    assert!(error.stderr().contains("No space left on device"));
    match error {
        NodeError::NoSpace { need, free, .. } => {
            assert_eq!(need, 36 * MIB as u64);
            assert!(free <= 8 * MIB as u64 && free > 7 * MIB as u64, "{free}");
        }
        error => panic!("{error:?}"),
    }
    assert_eq!(names(&dir), ["ballast"], "what was sent was removed");
}

#[tokio::test]
async fn a_noisy_login_shell_is_named() {
    let lab = Lab::new();
    let node = lab.noisy_node("Welcome to pve!");
    let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
    let expected = "the login shell of pve-01 prints text (\"Welcome to pve!\"), which breaks \
                    rsync (only an interactive shell may print: put `[ -t 1 ] || return` at \
                    the top of its .bashrc)";
    assert_eq!(why_unreachable(&nodes, &id, &dir).await, expected);
    let content = file(&lab, 10, 1);
    let error = nodes.deliver(&id, &delivery(dir, &content)).await;
    let error = error.unwrap_err();
    assert!(matches!(error, NodeError::NoisyShell { .. }), "{error:?}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn noise_that_only_rsync_meets_is_recognised_too() {
    let lab = Lab::new();
    let node = lab.node_with(
        "ForceCommand case $SSH_ORIGINAL_COMMAND in rsync*) echo hello ;; esac; \
         eval \"$SSH_ORIGINAL_COMMAND\"\n",
    );
    let content = file(&lab, 10, 1);
    let delivery = delivery(node.dir("iso"), &content);
    let error = system(&lab).deliver(&node.node("pve-01"), &delivery).await;
    let error = error.unwrap_err();
    assert!(matches!(error, NodeError::NoisyShell { .. }), "{error:?}");
    assert!(error.stderr().contains("is your shell clean?"), "{error:?}");
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_says_why() {
    let lab = Lab::new();
    let mut down = lab.node();
    down.stop();
    let impostor = lab.node();
    lab.forget_key_of(&impostor);
    let strict = lab.node_with("DenyUsers *\n");
    let odd = lab.node_with("ForceCommand echo 'This account is not available.'\n");
    let deaf = lab.node_with("ForceCommand sleep 60\n");
    let mut unknown = strict.node("pve");
    unknown.reach = Reach::Ssh {
        host: "no-such-host.invalid".parse().unwrap(),
        user: None,
        port: None,
    };
    let dir = down.dir("iso");
    let mut config = config(&lab, RSYNC_OPTS);
    config.idle = Duration::from_secs(1);
    let nodes = SystemNodes::new(config).unwrap();
    let cases = [
        (down.node("pve"), "it refuses the connection", true),
        (impostor.node("pve"), "its host key is not the one", false),
        (strict.node("pve"), "it does not accept the login", false),
        (
            odd.node("pve"),
            "the node gave an answer that is not",
            false,
        ),
        (
            deaf.node("pve"),
            "a program on this machine failed: ssh stood",
            true,
        ),
        (unknown, "its name cannot be resolved", true),
    ];
    let content = file(&lab, 10, 1);
    let delivery = delivery(dir.clone(), &content);
    for (node, expected, transient) in cases {
        let why = why_unreachable(&nodes, &node, &dir).await;
        assert!(why.starts_with(expected), "{why}");
        assert!(!why.contains('\n'));
        let error = nodes.deliver(&node, &delivery).await.unwrap_err();
        // Whether a resolver is there at all decides which of the two it is.
        if !expected.contains("resolved") {
            assert_eq!(error.is_transient(), transient, "{error:?}");
        }
    }
}

#[tokio::test]
async fn hostile_names_are_only_names() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("iso");
    let (nodes, id) = (system(&lab), node.node("pve-01"));
    let hostile = [
        "a\nfile 0 1 1.0 1 forged.iso",
        "two  blanks ",
        "it's \"quoted\" $(reboot) `id` \\ %s",
        "-rf",
        "*",
        "\u{1b}[31mred",
        "ünïcode",
    ];
    fs::create_dir_all(at(&dir, "a directory")).unwrap();
    for name in hostile {
        fs::write(at(&dir, name), name).unwrap();
    }
    fs::write(at(&dir, ".hidden"), "").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at(&dir, "link")).unwrap();
    let state = look(&nodes, &id, &dir).await;
    let expected: BTreeSet<&str> = hostile.into();
    let found: BTreeSet<&str> = state.files.keys().map(String::as_str).collect();
    assert_eq!(found, expected);
    for name in hostile {
        assert_eq!(state.files[name].size, name.len() as u64);
    }
    let content = file(&lab, 1000, 1);
    let delivery = delivery(dir.clone(), &content);
    assert!(nodes.deliver(&id, &delivery).await.unwrap().copied);
    for name in hostile {
        assert_eq!(fs::read(at(&dir, name)).unwrap(), name.as_bytes());
    }
}

#[tokio::test]
async fn what_the_record_says_of_other_files_stays() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("iso");
    let (nodes, id) = (system(&lab), node.node("pve-01"));
    fs::create_dir_all(dir.as_str()).unwrap();
    let garbled: &[u8] = b"{\"talos-order\":\"record\",\"version\":9}\n\xff\0half a li";
    fs::write(at(&dir, RECORD), garbled).unwrap();
    let content = file(&lab, 1000, 1);
    let first = delivery(dir.clone(), &content);
    let mut second = first.clone();
    second.file = NAME.replace("1.11.3", "1.11.4").parse().unwrap();
    for delivery in [&first, &second, &first] {
        nodes.deliver(&id, delivery).await.unwrap();
    }
    let record = look(&nodes, &id, &dir).await.record;
    assert_eq!(
        record.keys().collect::<Vec<_>>(),
        [&first.file, &second.file]
    );
    let text = fs::read(at(&dir, RECORD)).unwrap();
    assert!(text.starts_with(garbled), "what is not understood is kept");
    let lines = text.split(|&byte| byte == b'\n').count();
    assert_eq!(lines, 2 + 2 + 1, "two old lines, two of ours");
}

#[tokio::test]
async fn something_in_the_way_is_an_honest_error() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id) = (system(&lab), node.node("pve-01"));
    let content = file(&lab, 1000, 1);
    fs::create_dir_all(at(&node.dir("iso"), NAME)).unwrap();
    fs::write(at(&node.dir(""), "file"), "").unwrap();
    for (dir, what) in [
        ("iso", "taking the final name"),
        ("file/iso", "making the directory"),
    ] {
        let delivery = delivery(node.dir(dir), &content);
        match nodes.deliver(&id, &delivery).await.unwrap_err() {
            error @ NodeError::Refused { what: found, .. } => {
                assert_eq!(found, what);
                assert!(!error.is_transient(), "{error}");
            }
            error => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn eight_nodes_at_once_and_one_of_them_down() {
    let lab = Lab::new();
    let mut hosts: Vec<SshNode> = (0..8).map(|_| lab.node()).collect();
    hosts[3].stop();
    let content = file(&lab, 2 * MIB, 1);
    let nodes = Arc::new(system(&lab));
    let pushes: Vec<_> = hosts
        .iter()
        .enumerate()
        .map(|(number, host)| {
            let node = host.node(&format!("pve-{number:02}"));
            let delivery = delivery(host.dir("iso"), &content);
            let nodes = Arc::clone(&nodes);
            tokio::spawn(async move { nodes.deliver(&node, &delivery).await })
        })
        .collect();
    for (number, push) in pushes.into_iter().enumerate() {
        let result = push.await.unwrap();
        if number == 3 {
            let error = result.unwrap_err();
            assert!(matches!(error, NodeError::Unreachable { .. }), "{error:?}");
            assert!(error.stderr().contains("Connection refused"));
            continue;
        }
        assert!(result.unwrap().copied);
        let dir = hosts[number].dir("iso");
        assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
    }
}

#[tokio::test]
async fn connections_are_shared_and_end_with_us() {
    let lab = Lab::new();
    let node = lab.node();
    let control = tempfile::Builder::new().prefix("c").tempdir_in("/tmp");
    let control = control.unwrap();
    let mut given = config(&lab, RSYNC_OPTS);
    given.control_dir = Some(control.path().join("given"));
    let sockets = || fs::read_dir(control.path().join("given")).unwrap().count();
    let id = node.node("pve-01");
    let dir = node.dir("iso");
    let nodes = SystemNodes::new(given).unwrap();
    for _ in 0..3 {
        look(&nodes, &id, &dir).await;
    }
    assert_eq!(sockets(), 1);
    drop(nodes);
    assert_eq!(sockets(), 1, "a given directory is for the next one, too");
    let socket = fs::read_dir(control.path().join("given")).unwrap().next();
    let socket = socket.unwrap().unwrap().path();
    std::process::Command::new("ssh")
        .arg("-o")
        .arg(format!("ControlPath={}", socket.display()))
        .args(["-O", "exit", "x"])
        .output()
        .unwrap();

    let own = system(&lab);
    look(&own, &id, &dir).await;
    let sessions = || {
        let pids = node.sessions();
        pids.len()
    };
    until("the first master is gone", || sessions() <= 2).await;
    assert!(sessions() > 0, "a master is there");
    drop(own);
    until("our master is gone", || sessions() == 0).await;
}
