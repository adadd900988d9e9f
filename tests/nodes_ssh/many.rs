//! Many nodes, and the connections to them.

use super::*;

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

#[tokio::test]
async fn connections_that_a_controller_keeps_end_with_it_and_others_may_use_them() {
    let lab = Lab::new();
    let node = lab.node();
    let control = tempfile::Builder::new().prefix("c").tempdir_in("/tmp");
    let control = control.unwrap();
    let with = |keep_open| {
        other(&lab, |config| {
            config.control_dir = Some(control.path().join("ssh"));
            config.keep_open = keep_open;
        })
    };
    let sockets = || fs::read_dir(control.path().join("ssh")).map_or(0, Iterator::count);
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let looking = with(KeepOpen::Borrowed);
    look(&looking, &id, &dir).await;
    assert_eq!(sockets(), 0, "nobody has anything to lend");
    drop(looking);

    let controller = with(KeepOpen::WhileAlive(Duration::from_secs(3600)));
    look(&controller, &id, &dir).await;
    // Nobody can connect any more; who is connected stays so.
    kill(node.pid().unwrap());
    let looking = with(KeepOpen::Borrowed);
    look(&looking, &id, &dir).await;
    drop(looking);
    assert_eq!(sockets(), 1, "what was borrowed stays");
    look(&controller, &id, &dir).await;
    drop(controller);
    assert_eq!(sockets(), 0);
}
