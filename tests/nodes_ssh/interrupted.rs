//! A push that is watched, killed, dropped or cut off.

use super::*;

#[tokio::test]
async fn the_final_name_never_holds_a_part() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("iso");
    let content = file(&lab, 6 * MIB, 1);
    let mut delivery = delivery(dir.clone(), &content);
    delivery.replace = true;
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
                parts += usize::from(part(&delivery).exists());
            }
        }
    }
    assert!(looks > 5 && parts > 5, "{looks} looks, {parts} at a part");
    assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
    assert_eq!(names(&dir), [RECORD, NAME]);
}

/// Waits until a part of the file has arrived.
async fn part_has_arrived(delivery: &Delivery) {
    let part = part(delivery);
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
        part_has_arrived(&delivery).await;
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
async fn a_script_that_is_killed_says_no_more_ticks() {
    let lab = Lab::new();
    let node = lab.node();
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let delivery = delivery(dir, &file(&lab, 2 * MIB, 1));
    system(&lab).deliver(&id, &delivery).await.unwrap();
    // Minutes of reading, which the ticks make bearable.
    let mut config = config(&lab, RSYNC_OPTS);
    config.verify_rate = Some(10_000);
    let nodes = SystemNodes::new(config).unwrap();
    let shells = || {
        let mut pids = node.sessions();
        pids.retain(|pid| {
            let words = fs::read_to_string(format!("/proc/{pid}/cmdline"));
            words.is_ok_and(|words| words.starts_with("sh\0"))
        });
        pids
    };
    let killer = async {
        // The script itself, what gives the signs, and what reads.
        until("the file is read", || shells().len() > 2).await;
        kill(shells()[0]);
    };
    let check = removal(&delivery);
    let both = async { tokio::join!(nodes.verify(&id, &check), killer) };
    let (result, ()) = tokio::time::timeout(Duration::from_secs(60), both)
        .await
        .expect("it is noticed that the script is gone");
    result.unwrap_err();
    until("nothing is left of it", || shells().is_empty()).await;
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
        () = part_has_arrived(&delivery) => (),
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
        part_has_arrived(&delivery).await;
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

/// A part is there and no file, whatever lease was left behind; the next push
/// continues in the same file.
async fn assert_taken_up(lab: &Lab, node: &SshNode, delivery: &Delivery, bytes: &[u8]) {
    let dir = &delivery.dir;
    let left: Vec<String> = names(dir).into_iter().filter(|name| name != LOCK).collect();
    assert_eq!(left, [PARTS]);
    let part = fs::metadata(part(delivery)).unwrap();
    let delivered = system(lab).deliver(&node.node("pve-01"), delivery).await;
    assert!(delivered.unwrap().copied);
    assert!(fs::read(at(dir, NAME)).unwrap() == bytes);
    assert_eq!(fs::metadata(at(dir, NAME)).unwrap().ino(), part.ino());
    assert_eq!(names(dir), [RECORD, NAME]);
}
