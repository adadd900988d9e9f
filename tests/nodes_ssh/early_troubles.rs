//! Early deliveries that others depend on, or that the node has no room for.

use talos_order::nodes::EarlyRelay;

use super::early::{
    Source, assert_built_upon, deliver, early, early_part, has_come, is_named, verified,
};
use super::stream::{image, streamed};
use super::*;

#[tokio::test]
async fn a_neighbour_sends_on_while_it_receives() {
    let lab = Lab::new();
    let (relay, node, nodes) = (lab.node(), lab.node(), system(&lab));
    let (relay_id, id) = (relay.node("pve-01"), node.node("pve-02"));
    let image = image(&lab, 12);
    // The relay gets the whole, loses its connection, or has a download that is given up.
    for (name, is_cut, is_verified) in [
        ("whole", false, true),
        ("cut", true, true),
        ("given-up", false, false),
    ] {
        let first = streamed(relay.dir(name), &image);
        let second = streamed(node.dir(name), &image);
        let mut source = Source::new(&lab, &image);
        let early_first = early(&first, &source);
        let mut early_second = early(&second, &source);
        early_second.relay = Some(EarlyRelay {
            node: relay_id.clone(),
            dir: first.dir.clone(),
            file: first.file.clone(),
            receipt: early_first.receipt.clone(),
            ssh_opts: lab.ssh_opts(),
        });
        let ((say, said), (say_second, said_second)) = (verified(), verified());
        let write = async {
            source.write(MIB);
            has_come(&second, MIB).await;
            source.write(41 * MIB);
            has_come(&second, 41 * MIB).await;
            if is_cut {
                for pid in relay.sessions() {
                    let words = fs::read_to_string(format!("/proc/{pid}/cmdline"));
                    if words.is_ok_and(|words| words.starts_with("sh\0") && words.contains("room"))
                    {
                        kill(pid);
                    }
                }
            }
            if !is_verified {
                source.growing.give_up();
                drop(say.send(None));
                drop(say_second.send(None));
                return;
            }
            source.finish();
            if !is_cut {
                has_come(&second, 64 * MIB).await;
                assert!(!is_named(&first) && !is_named(&second));
            }
            say.send(Some(first.clone())).unwrap();
            say_second.send(Some(second.clone())).unwrap();
        };
        let (one, two, ()) = tokio::join!(
            deliver(&nodes, &relay_id, &early_first, said),
            deliver(&nodes, &id, &early_second, said_second),
            write
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        if !is_verified {
            assert!(one.is_none() && two.is_none());
            assert_eq!(names(&second.dir), [PARTS]);
            continue;
        }
        assert!(one.unwrap().copied && two.unwrap().copied);
        for delivery in [&first, &second] {
            assert!(
                fs::read(at(&delivery.dir, NAME)).unwrap() == image.1,
                "{name}"
            );
            assert_eq!(names(&delivery.dir), [RECORD, NAME]);
        }
    }
    until("nothing is left running", || {
        let runs = |pid: &u32| {
            let words = fs::read_to_string(format!("/proc/{pid}/cmdline"));
            words.is_ok_and(|words| words.starts_with("perl\0"))
        };
        !relay.sessions().iter().chain(&node.sessions()).any(runs)
    })
    .await;
}

#[tokio::test]
async fn a_disk_that_an_early_delivery_would_fill_gets_back_what_was_taken() {
    let lab = Lab::new();
    let mut node = lab.node();
    if !node.mount_small("import", 24) {
        return;
    }
    let (nodes, id) = (system(&lab), node.node("pve-01"));
    let content = file(&lab, 40 * MIB, 13);
    let delivery = streamed(node.dir("import"), &content);
    let mut source = Source::new(&lab, &content);
    let early = early(&delivery, &source);
    let (say, said) = verified();
    let write = async {
        source.write(MIB);
        has_come(&delivery, MIB).await;
        source.finish();
        // Long before the disk is full: what a node needs is left to it.
        let part = early_part(&delivery);
        until("it is given up", || !part.exists()).await;
        say.send(Some(delivery.clone())).unwrap();
    };
    let (delivered, ()) = tokio::join!(deliver(&nodes, &id, &early, said), write);
    let error = delivered.unwrap_err();
    assert!(matches!(error, NodeError::NoSpace { .. }), "{error:?}");
    assert_eq!(names(&delivery.dir), Vec::<String>::new());
}

#[tokio::test]
async fn a_neighbour_gets_what_the_disk_of_its_relay_does_not_take() {
    let lab = Lab::new();
    let (mut relay, node) = (lab.node(), lab.node());
    if !relay.mount_small("import", 48) {
        return;
    }
    let (nodes, relay_id, id) = (system(&lab), relay.node("pve-01"), node.node("pve-02"));
    let content = file(&lab, 60 * MIB, 14);
    let first = streamed(relay.dir("import"), &content);
    let second = streamed(node.dir("import"), &content);
    let mut source = Source::new(&lab, &content);
    let early_first = early(&first, &source);
    let mut early_second = early(&second, &source);
    early_second.relay = Some(EarlyRelay {
        node: relay_id.clone(),
        dir: first.dir.clone(),
        file: first.file.clone(),
        receipt: early_first.receipt.clone(),
        ssh_opts: lab.ssh_opts(),
    });
    let ((say, said), (say_second, said_second)) = (verified(), verified());
    let write = async {
        source.write(8 * MIB);
        has_come(&second, 8 * MIB).await;
        source.finish();
        let part = early_part(&first);
        until("the relay gives it up", || !part.exists()).await;
        assert!(!is_named(&first) && !is_named(&second));
        say.send(Some(first.clone())).unwrap();
        say_second.send(Some(second.clone())).unwrap();
    };
    let (one, two, ()) = tokio::join!(
        deliver(&nodes, &relay_id, &early_first, said),
        deliver(&nodes, &id, &early_second, said_second),
        write
    );
    let error = one.unwrap_err();
    assert!(matches!(error, NodeError::NoSpace { .. }), "{error:?}");
    assert_eq!(names(&first.dir), Vec::<String>::new());
    let two = two.unwrap().unwrap();
    // What had come from the relay does not come again.
    let wire = two.wire_bytes.unwrap();
    assert!(wire <= 53 * MIB as u64, "{wire}");
    assert!(fs::read(at(&second.dir, NAME)).unwrap() == content.1);
    assert_eq!(names(&second.dir), [RECORD, NAME]);
    until("nothing is left running", || {
        let runs = |pid: &u32| {
            let words = fs::read_to_string(format!("/proc/{pid}/cmdline"));
            words.is_ok_and(|words| words.starts_with("perl\0"))
        };
        !relay.sessions().iter().chain(&node.sessions()).any(runs)
    })
    .await;
}

#[tokio::test]
async fn another_owner_who_has_the_lease_at_the_end_is_told() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let id = node.node("pve-01");
    let image = image(&lab, 9);
    let delivery = streamed(node.dir("import"), &image);
    let mut source = Source::new(&lab, &image);
    let early = early(&delivery, &source);
    let (say, said) = verified();
    let write = async {
        source.finish();
        has_come(&delivery, 64 * MIB).await;
        let until = jiff::Timestamp::now().as_second() + 100;
        let lease = format!("{until} 0123456789abcdef pve-01@0000000000000009 other\n");
        fs::write(at(&delivery.dir, LOCK), lease).unwrap();
        say.send(Some(delivery.clone())).unwrap();
    };
    let (delivered, ()) = tokio::join!(deliver(&nodes, &id, &early, said), write);
    let error = delivered.unwrap_err();
    assert!(matches!(error, NodeError::Locked { .. }), "{error:?}");
    assert!(!is_named(&delivery));
    fs::remove_file(at(&delivery.dir, LOCK)).unwrap();
    assert_built_upon(&nodes, &id, &delivery, &image.1, 4096).await;
}
