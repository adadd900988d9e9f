//! Every failure is reported as what it is.

use super::*;

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
    if !node.mount_small("iso", 24) {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    let dir = node.dir("iso");
    let id = node.node("pve-01");
    let state = look(&system(&lab), &id, &dir).await;
    assert_eq!(state.mount_point.as_deref(), Some(dir.as_str()));

    // Known before anything is sent: 16 MiB are to stay free.
    let content = file(&lab, 4 * MIB, 1);
    let small = delivery(dir.clone(), &content);
    let mut large = small.clone();
    large.size = 10 * MIB as u64;
    match system(&lab).deliver(&id, &large).await.unwrap_err() {
        NodeError::NoSpace { need, free, .. } => {
            assert_eq!(need, 26 * MIB as u64);
            assert!(free <= 24 * MIB as u64 && free > 23 * MIB as u64);
        }
        error => panic!("{error:?}"),
    }
    assert!(names(&dir).is_empty());

    // Known only on the way: somebody fills the disk as rsync starts there.
    let options = format!("{RSYNC_OPTS} --rsync-path='fallocate -l 22M {dir}/ballast && rsync'");
    let nodes = SystemNodes::new(config(&lab, &options)).unwrap();
    let error = nodes.deliver(&id, &small).await.unwrap_err();
    assert!(error.is_transient() && error.hint().is_some());
    assert!(error.stderr().contains("No space left on device"));
    match error {
        NodeError::NoSpace { need, free, .. } => {
            assert_eq!(need, 20 * MIB as u64);
            assert!(free <= 2 * MIB as u64 && free > MIB as u64, "{free}");
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
                    rsync; hint: only interactive shells may print: put `[ -t 1 ] || return` \
                    at the top of its .bashrc";
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
        "ForceCommand case $SSH_ORIGINAL_COMMAND in *'rsync --server'*) echo hello ;; esac; \
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
        (odd.node("pve"), "unexpected answer from the node", false),
        (deaf.node("pve"), "no answer for 1 s", true),
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
