//! Several controllers in one directory, one of them stopped for longer than its lease.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// Set for a test that is run as a controller of its own.
const ROLE: &str = "TALOS_ORDER_TEST_CONTROLLER";

/// How long a lease stands here, in seconds.
const SHORT: u64 = 1;

fn instance(lab: &Lab, number: u32, rsync_opts: &str) -> SystemNodes {
    let mut config = config(lab, rsync_opts);
    config.instance = format!("{number:016x}");
    config.lease = Duration::from_secs(SHORT);
    SystemNodes::new(config).unwrap()
}

/// A controller in a process of its own: delivers a file slowly, and says how it went.
#[tokio::test]
async fn as_a_controller() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let words: Vec<&str> = role.split('\n').collect();
    let [opts, host, port, dir, source] = words[..] else {
        panic!("{role}")
    };
    let mut config = NodesConfig {
        ssh_opts: shell_words::split(opts).unwrap(),
        rsync_opts: shell_words::split(RSYNC_OPTS).unwrap(),
        ..plain_config()
    };
    config.rsync_opts.push("--bwlimit=1m".to_owned());
    config.lease = Duration::from_secs(SHORT);
    let node = Node {
        id: "pve-01".parse().unwrap(),
        reach: Reach::Ssh {
            host: host.parse().unwrap(),
            user: None,
            port: Some(port.parse().unwrap()),
        },
    };
    let content = (PathBuf::from(source), fs::read(source).unwrap());
    let delivery = delivery(dir.parse().unwrap(), &content);
    let nodes = SystemNodes::new(config).unwrap();
    let result = nodes.deliver(&node, &delivery).await;
    println!("RESULT {result:?}");
}

fn start_controller(lab: &Lab, node: &SshNode, dir: &Dir, source: &Path) -> Child {
    start_as("fence::as_a_controller", ROLE, (lab, node, dir), source)
}

/// Another process that runs one test, with a role that it finds in this variable.
pub fn start_as(test: &str, role_at: &str, at: (&Lab, &SshNode, &Dir), source: &Path) -> Child {
    let (lab, node, dir) = at;
    let role = [
        shell_words::join(lab.ssh_opts()),
        node.address.to_string(),
        node.port.to_string(),
        dir.to_string(),
        source.display().to_string(),
    ];
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(role_at, role.join("\n"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

pub fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        let pid = Pid::from_raw(pid.to_owned().try_into().unwrap()).unwrap();
        let _ = kill_process(pid, signal);
    }
}

/// Stopped are the controller alone, it with the programs that it runs, or its sessions
/// on the node. Another controller of the same owner delivers other bytes under the same
/// name meanwhile, and a third one finds the second's lease and leaves it alone.
#[test]
fn a_controller_that_was_stopped_beyond_its_lease_is_fenced() {
    std::thread::scope(|scope| {
        for stopped in ["controller", "its programs", "its sessions"] {
            scope.spawn(move || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(stop(stopped));
            });
        }
    });
}

async fn stop(stopped: &str) {
    let lab = Lab::new();
    let (first, second) = (file(&lab, 9 * MIB, 1), file(&lab, 5 * MIB, 2));
    let node = lab.node();
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let mut child = start_controller(&lab, &node, &dir, &first.0);
    let begun = delivery(dir.clone(), &first);
    until("the first is under way", || {
        fs::metadata(part(&begun)).is_ok_and(|facts| facts.len() > 100_000)
    })
    .await;
    let pids = match stopped {
        "controller" => vec![child.id()],
        "its programs" => [vec![child.id()], descendants(child.id())].concat(),
        _ => [vec![child.id()], node.sessions()].concat(),
    };
    // Not within the moment in which a script has the directory's lock: whoever stops it
    // there stops everybody, until it goes on or ends.
    let directory = fs::File::open(dir.as_str()).unwrap();
    directory.lock().unwrap();
    signal(&pids, Signal::STOP);
    directory.unlock().unwrap();

    // It waits for the lease to expire, and takes it then.
    let other = delivery(dir.clone(), &second);
    let slow = format!("{RSYNC_OPTS} --bwlimit=1m");
    let mut successor = config(&lab, &slow);
    successor.instance = "0000000000000002".to_owned();
    let successor = SystemNodes::new(successor).unwrap();
    let mut push = Box::pin(successor.deliver(&id, &other));
    tokio::select! {
        result = &mut push => panic!("{stopped}: {result:?}"),
        () = until("the second is under way", || part(&other).exists()) => {}
    }
    let third = instance(&lab, 3, RSYNC_OPTS);
    let locked = async {
        // Less than the second takes, so it is there for longer than this waits.
        let gone = third.remove(&id, &removal(&begun)).await;
        signal(&pids, Signal::CONT);
        gone
    };
    let (placed, locked) = tokio::join!(push, locked);
    assert!(placed.unwrap().copied, "{stopped}");
    match locked {
        Err(NodeError::Locked { owner, by, .. }) => {
            assert_eq!((owner.as_str(), by.as_str()), (OWNER, "0000000000000002"));
        }
        // Where everything is slow the second may have been done.
        Ok(Removed::Differs(found)) => assert_eq!(found, other.sha256),
        result => panic!("{stopped}: {result:?}"),
    }
    let mut said = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    child.wait().unwrap();
    let fenced = said.contains("RESULT Err(Fenced")
        // Its connection may have been given up before it could ask.
        || stopped == "its sessions" && said.contains("RESULT Err(");
    assert!(fenced, "{stopped}: {said}");
    assert!(fs::read(at(&dir, NAME)).unwrap() == second.1, "{stopped}");
    let state = look(&successor, &id, &dir).await;
    let entry = &state.record[&other.file];
    assert!(entry.sha256 == other.sha256 && entry.describes(&state.files[NAME]));
    assert!(!at(&dir, LOCK).exists(), "{stopped}: nobody made it anew");
}

#[tokio::test]
async fn a_live_lease_is_not_another_instance_s_of_the_same_owner() {
    let lab = Lab::new();
    let node = lab.node();
    let id = node.node("pve-01");
    let content = file(&lab, 1000, 1);
    let until = jiff::Timestamp::now().as_second() + 60;
    let nodes = instance(&lab, 1, RSYNC_OPTS);
    // Another instance's, and one of a version that knew no instances.
    let rows = [
        ("pve-01@00000000000000ff homelab", "00000000000000ff"),
        ("pve-01 homelab", ""),
    ];
    let mut refused = Vec::new();
    for (number, (holder, instance_of)) in rows.into_iter().enumerate() {
        for removes in [false, true] {
            let dir = node.dir(&format!("iso-{number}-{removes}"));
            fs::create_dir_all(dir.as_str()).unwrap();
            let lease = format!("{until} 0123456789abcdef {holder}\n");
            fs::write(at(&dir, LOCK), &lease).unwrap();
            let (nodes, id, delivery) = (&nodes, &id, delivery(dir.clone(), &content));
            refused.push(async move {
                let result = if removes {
                    nodes.remove(id, &removal(&delivery)).await.map(drop)
                } else {
                    nodes.deliver(id, &delivery).await.map(drop)
                };
                match result.unwrap_err() {
                    NodeError::Locked { owner, by, .. } => {
                        assert_eq!((owner.as_str(), by.as_str()), (OWNER, instance_of));
                    }
                    error => panic!("{error:?}"),
                }
                assert_eq!(fs::read_to_string(at(&dir, LOCK)).unwrap(), lease);
                assert_eq!(names(&dir), [LOCK]);
            });
        }
    }
    futures_util::future::join_all(refused).await;
}

/// The lock goes, or the epoch moves on, while it works.
#[tokio::test]
async fn a_holder_whose_lock_is_gone_ends_and_makes_no_new_one() {
    let lab = Lab::new();
    let node = lab.node();
    let id = node.node("pve-01");
    let content = file(&lab, 8 * MIB, 1);
    for gone in ["lock", "epoch"] {
        let dir = node.dir(gone);
        let delivery = delivery(dir.clone(), &content);
        let nodes = instance(&lab, 1, &format!("{RSYNC_OPTS} --bwlimit=1m"));
        let thief = async {
            until("it is under way", || part(&delivery).exists()).await;
            if gone == "lock" {
                fs::remove_file(at(&dir, LOCK)).unwrap();
            } else {
                fs::write(at(&dir, EPOCH), "999999999999 7 leader\n").unwrap();
            }
        };
        let (result, ()) = tokio::join!(nodes.deliver(&id, &delivery), thief);
        match result.unwrap_err() {
            NodeError::Fenced { place, .. } => assert_eq!(place, format!("pve-01:{dir}")),
            error => panic!("{error:?}"),
        }
        assert!(!at(&dir, NAME).exists() && !at(&dir, RECORD).exists());
        assert_eq!(at(&dir, LOCK).exists(), gone == "epoch");
        // The next one is free to begin, and goes on with what is there.
        let again = system(&lab).deliver(&id, &delivery).await.unwrap();
        assert!(again.copied);
        let epoch = fs::read_to_string(at(&dir, EPOCH)).unwrap();
        if gone == "epoch" {
            assert_eq!(
                epoch, "1000000000000 7 leader\n",
                "it rises, and keeps the rest"
            );
        }
    }
}

/// Programs on the node that do something before, or instead of, what they do.
pub(super) fn node_with_tool(lab: &Lab, tool: &str, script: &str) -> SshNode {
    let bin = lab.path().join(format!("bin-{}", fastrand::u64(..)));
    fs::create_dir(&bin).unwrap();
    let text = format!("#!/bin/sh\n{script}\n");
    common::write_program(&bin.join(tool), text.as_bytes());
    let bin = bin.display();
    lab.node_with(&format!(
        "ForceCommand PATH={bin}:$PATH; export PATH; eval \"$SSH_ORIGINAL_COMMAND\"\n"
    ))
}

/// What gives or takes a name says whether it could have been interrupted: whether
/// another script would have got the directory's lock.
#[tokio::test]
async fn nothing_comes_between_the_check_and_what_follows_it() {
    let lab = Lab::new();
    let log = lab.path().join("log");
    for tool in ["mv", "rm"] {
        let node = node_with_tool(
            &lab,
            tool,
            &format!(
                "for last; do :; done\n\
                 case $last in\n\
                 ../{NAME} | ../{RECORD} | ../{LOCK} | ../{EPOCH})\n\
                     if flock -n .. true; then free=free; else free=held; fi\n\
                     echo \"{tool} ${{last#../}} $free\" >>'{}' ;;\n\
                 esac\n\
                 exec /bin/{tool} \"$@\"",
                log.display()
            ),
        );
        let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
        let delivery = delivery(dir.clone(), &file(&lab, 1000, 1));
        nodes.deliver(&id, &delivery).await.unwrap();
        fs::write(at(&dir, NAME), vec![1; 1000]).unwrap();
        let check = removal(&delivery);
        let found = nodes.verify(&id, &check).await.unwrap();
        assert!(matches!(found, Verified::Differs(_)));
        nodes.deliver(&id, &delivery).await.unwrap();
        nodes.remove(&id, &check).await.unwrap();
    }
    let log = fs::read_to_string(log).unwrap();
    for what in [
        format!("mv {NAME} held"),
        format!("mv {RECORD} held"),
        format!("mv {EPOCH} held"),
        format!("rm {NAME} held"),
        format!("rm {LOCK} held"),
    ] {
        assert!(log.contains(&what), "{what}: {log}");
    }
    assert!(!log.contains("free"), "{log}");
}

/// Another operation ends between the look at the private directory and the listing of it.
#[tokio::test]
async fn a_private_directory_that_goes_while_it_is_listed_is_no_failure() {
    let lab = Lab::new();
    let node = node_with_tool(
        &lab,
        "find",
        "case $1 in */.talos-order.parts) rmdir -- \"$1\" ;; esac\nexec /usr/bin/find \"$@\"",
    );
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let nodes = system(&lab);
    let delivery = delivery(dir.clone(), &file(&lab, 1000, 1));
    nodes.deliver(&id, &delivery).await.unwrap();
    let private = at(&dir, ".talos-order.parts");
    fs::create_dir_all(&private).unwrap();
    let state = look(&nodes, &id, &dir).await;
    assert!(!private.exists() && state.parts.is_empty());
    assert_eq!(state.files.len(), 1);
}

/// What the version before answers to `hold fresh` for the same owner and node.
fn as_version_0_1_0(dir: &Dir, token: &str) -> String {
    let script = include_str!("lease-0.1.0.sh");
    let text = format!("{script}\nmain n 60 {token} 'pve-01 {OWNER}' '{dir}' f x y fresh\n");
    let mut child = Command::new("sh")
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("end n\0"), "{said:?}");
    said
}

/// Controllers of this version and of the one before keep apart, either way.
#[tokio::test]
async fn a_controller_of_the_version_before_is_kept_apart_too() {
    let lab = Lab::new();
    let node = lab.node();
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let content = file(&lab, 4 * MIB, 1);
    let delivery = delivery(dir.clone(), &content);
    let nodes = other(&lab, |config| {
        config.rsync_opts.push("--bwlimit=2m".to_owned());
    });
    let meets = async {
        until("it is under way", || part(&delivery).exists()).await;
        as_version_0_1_0(&dir, "old")
    };
    let (placed, said) = tokio::join!(nodes.deliver(&id, &delivery), meets);
    assert!(placed.unwrap().copied);
    let holder = format!("pve-01@{INSTANCE} {OWNER}\0");
    assert!(
        said.contains("\0locked ") && said.contains(&holder),
        "{said:?}"
    );

    // Now it is the first.
    assert!(!as_version_0_1_0(&dir, "old").contains("locked"));
    let lock = fs::read(at(&dir, LOCK)).unwrap();
    let gone = removal(&delivery);
    match instance(&lab, 1, RSYNC_OPTS).remove(&id, &gone).await {
        Err(NodeError::Locked { owner, by, .. }) => {
            assert_eq!((owner.as_str(), by.as_str()), (OWNER, ""));
        }
        result => panic!("{result:?}"),
    }
    assert!(fs::read(at(&dir, LOCK)).unwrap() == lock && at(&dir, NAME).exists());
    // Expired: each takes the other's.
    let expired = |holder: &str| fs::write(at(&dir, LOCK), format!("1 t {holder}\n")).unwrap();
    expired(&format!("pve-01@{INSTANCE} {OWNER}"));
    assert!(!as_version_0_1_0(&dir, "old").contains("locked"));
    expired(&format!("pve-01 {OWNER}"));
    let removed = system(&lab).remove(&id, &gone).await.unwrap();
    assert_eq!(
        (removed, names(&dir)),
        (Removed::Gone, vec![RECORD.to_owned()])
    );
}
