//! Two controllers, or two nodes of one, in the same directory.

use super::*;

fn held_until(dir: &Dir) -> Option<u64> {
    let text = fs::read_to_string(at(dir, LOCK)).ok()?;
    text.split(' ').next()?.parse().ok()
}

#[tokio::test]
async fn two_controllers_that_race_never_interleave() {
    let lab = Lab::new();
    let node = lab.node();
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let owners = ["one", "two"];
    let contents = [1, 2].map(|seed| file(&lab, MIB, seed));
    let nodes = owners.map(|owner| other(&lab, |config| config.owner = owner.to_owned()));
    let mut held = 0;
    for _ in 0..4 {
        let pushes = [0, 1].map(|me| {
            let mut delivery = delivery(dir.clone(), &contents[me]);
            delivery.file = "same.iso".parse().unwrap();
            (&nodes[me], delivery)
        });
        let push =
            async |(nodes, delivery): &(&SystemNodes, Delivery)| nodes.deliver(&id, delivery).await;
        let results = tokio::join!(push(&pushes[0]), push(&pushes[1]));
        let results: [_; 2] = results.into();
        let winner = results.iter().position(Result::is_ok).unwrap();
        assert!(fs::read(at(&dir, "same.iso")).unwrap() == contents[winner].1);
        let record = look(&nodes[0], &id, &dir).await.record;
        assert_eq!(
            record["same.iso".parse().as_ref().unwrap()].owner,
            owners[winner]
        );
        match &results[1 - winner] {
            Err(NodeError::Locked { owner, .. }) => {
                assert_eq!(owner, owners[winner]);
                held += 1;
            }
            Err(NodeError::NotOurs { owner, .. }) => assert_eq!(owner, owners[winner]),
            result => panic!("{result:?}"),
        }
        assert_eq!(names(&dir), [RECORD, "same.iso"], "nothing is left locked");
        let mut gone = removal(&pushes[winner].1);
        gone.sha256 = sha256(&contents[winner].1);
        nodes[winner].remove(&id, &gone).await.unwrap();
    }
    assert!(held > 0, "they met at least once");
}

/// The push would take half a minute. It ends here with the first renewal, however late
/// a busy machine is with it; nobody contends, so being late changes nothing.
#[tokio::test]
async fn a_lease_is_renewed_while_a_push_runs() {
    let lab = Lab::new();
    let node = lab.node();
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let content = file(&lab, 64 * MIB, 1);
    let mut config = config(&lab, &format!("{RSYNC_OPTS} --bwlimit=2m"));
    config.lease = Duration::from_secs(4);
    let nodes = SystemNodes::new(config).unwrap();
    let delivery = delivery(dir.clone(), &content);
    let mut push = std::pin::pin!(nodes.deliver(&id, &delivery));
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        tokio::select! {
            delivered = &mut push => panic!("{delivered:?} with the leases {seen:?}"),
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                seen.extend(held_until(&dir));
            }
        }
    }
}

/// The lease is the product's own, far longer than the test: whoever is not refused
/// found a moment without one.
#[tokio::test]
async fn a_push_holds_its_lease_from_its_first_to_its_last_script() {
    let lab = Lab::new();
    let node = lab.node();
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let content = file(&lab, 6 * MIB, 1);
    let config = config(&lab, &format!("{RSYNC_OPTS} --bwlimit=2m"));
    let ours = SystemNodes::new(config).unwrap();
    let theirs = other(&lab, |config| config.owner = "other".to_owned());
    let delivery = delivery(dir.clone(), &content);
    let check = removal(&delivery);
    let mut push = std::pin::pin!(ours.deliver(&id, &delivery));
    let mut refused = 0;
    loop {
        tokio::select! {
            delivered = &mut push => {
                assert!(delivered.unwrap().copied);
                break;
            }
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                if held_until(&dir).is_none() { continue }
                match theirs.remove(&id, &check).await {
                    Err(error @ NodeError::Locked { .. }) => {
                        refused += 1;
                        assert!(error.is_transient());
                        assert!(error.to_string().contains("pve-01:"), "{error}");
                    }
                    // The push may have ended in between.
                    Err(NodeError::NotOurs { .. }) if at(&dir, NAME).exists() => (),
                    result => panic!("{result:?}"),
                }
            }
        }
    }
    assert!(refused > 0);
    assert_eq!(names(&dir), [RECORD, NAME]);
}

#[tokio::test]
async fn leases_are_left_and_taken_over_by_their_words() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
    let content = file(&lab, 1000, 1);
    let delivery = delivery(dir.clone(), &content);
    fs::create_dir_all(dir.as_str()).unwrap();
    let now = jiff::Timestamp::now().as_second();
    let lease = |until: i64, holder: &str| {
        fs::write(
            at(&dir, LOCK),
            format!("{until} 0123456789abcdef {holder}\n"),
        )
        .unwrap();
    };
    let (soon, past, never) = (now + 60, now - 1, now + 1_000_000);
    // Held by others: nothing happens, and their lease stays.
    lease(soon, "pve-01 some body");
    match nodes.deliver(&id, &delivery).await.unwrap_err() {
        NodeError::Locked {
            owner,
            until,
            place,
            by,
        } => {
            assert_eq!(by, "", "an earlier version's");
            assert_eq!((owner.as_str(), until.as_second()), ("some body", soon));
            assert_eq!(place, format!("pve-01:{dir}"));
        }
        error => panic!("{error:?}"),
    }
    for result in [
        nodes.remove(&id, &removal(&delivery)).await.map(drop),
        nodes.verify(&id, &removal(&delivery)).await.map(drop),
    ] {
        assert!(
            matches!(result, Err(NodeError::Locked { .. })),
            "{result:?}"
        );
    }
    assert_eq!(names(&dir), [LOCK]);
    assert_eq!(held_until(&dir), Some(soon.try_into().unwrap()));
    // What does not read counts from when it was written.
    fs::write(at(&dir, LOCK), "something of a later version\n").unwrap();
    let unread = nodes.deliver(&id, &delivery).await;
    assert!(
        matches!(unread, Err(NodeError::Locked { .. })),
        "{unread:?}"
    );
    // What a crash left half made is nobody's.
    for half in ["", "\0\0\0\0\0\0\0\0"] {
        fs::write(at(&dir, LOCK), half).unwrap();
        nodes.deliver(&id, &delivery).await.unwrap();
        assert_eq!(names(&dir), [RECORD, NAME]);
    }
    // Expired, impossible, or our own: taken, and given back in the end.
    for (until, holder) in [
        (past, "pve-01 some body"),
        (never, "pve-01 some body"),
        (soon, "pve-01@0000000000000001 homelab"),
    ] {
        lease(until, holder);
        nodes.deliver(&id, &delivery).await.unwrap();
        assert_eq!(names(&dir), [RECORD, NAME], "{until} {holder}");
    }
}

#[tokio::test]
async fn two_nodes_with_one_storage_share_one_push() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("shared");
    let content = file(&lab, 4 * MIB, 1);
    let delivery = delivery(dir.clone(), &content);
    let nodes = slow(&lab, 4);
    let [one, two] = ["pve-01", "pve-02"].map(|name| node.node(name));
    let (one, two) = tokio::join!(
        nodes.deliver(&one, &delivery),
        nodes.deliver(&two, &delivery)
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.copied, two.copied, "one of the two waited and adopted");
    assert_eq!(one.entry, two.entry);
    assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
    assert_eq!(names(&dir), [RECORD, NAME]);
}

#[tokio::test]
async fn a_push_that_lost_its_lease_stops() {
    let lab = Lab::new();
    let node = lab.node();
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let content = file(&lab, 8 * MIB, 1);
    let delivery = delivery(dir.clone(), &content);
    let mut config = config(&lab, &format!("{RSYNC_OPTS} --bwlimit=1m"));
    config.lease = Duration::from_secs(1);
    let nodes = SystemNodes::new(config).unwrap();
    let thief = async {
        until("it is under way", || part(&delivery).exists()).await;
        let until = jiff::Timestamp::now().as_second() + 60;
        let lease = format!("{until} 0123456789abcdef pve-09 other\n");
        fs::write(at(&dir, LOCK), lease).unwrap();
    };
    let (result, ()) = tokio::join!(nodes.deliver(&id, &delivery), thief);
    match result.unwrap_err() {
        error @ NodeError::Fenced { .. } => {
            assert!(error.is_transient() && error.hint().is_some());
            assert!(
                error.to_string().ends_with("and other has it now"),
                "{error}"
            );
        }
        error => panic!("{error:?}"),
    }
    assert_eq!(names(&dir), [LOCK, PARTS]);
}
