//! What was placed by somebody else, or by nobody.

use super::*;

#[tokio::test]
async fn another_controller_s_file_is_left_to_it() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
    let strange = "the \"other\", one\\";
    let theirs = other(&lab, |config| config.owner = strange.to_owned());
    let content = file(&lab, 10_000, 1);
    let first = delivery(dir.clone(), &content);
    let entry = theirs.deliver(&id, &first).await.unwrap().entry;
    assert_eq!(entry.owner, strange);
    let record = fs::read(at(&dir, RECORD)).unwrap();

    // The right bytes are there, and stay theirs.
    let found = nodes.deliver(&id, &first).await.unwrap();
    assert_eq!((found.copied, &found.entry), (false, &entry));
    // Other bytes are refused, even of those who may replace.
    let changed = file(&lab, 10_000, 2);
    let longer = file(&lab, 10_001, 2);
    for content in [&changed, &longer] {
        let mut second = delivery(dir.clone(), content);
        second.replace = true;
        let error = nodes.deliver(&id, &second).await.unwrap_err();
        assert!(!error.is_transient() && error.hint().is_some());
        match error {
            NodeError::NotOurs { owner, .. } => assert_eq!(owner, strange),
            error => panic!("{error:?}"),
        }
    }
    for result in [
        nodes.remove(&id, &removal(&first)).await.map(drop),
        nodes.verify(&id, &removal(&first)).await.map(drop),
    ] {
        assert!(
            matches!(result, Err(NodeError::NotOurs { .. })),
            "{result:?}"
        );
    }
    assert_eq!(fs::read(at(&dir, RECORD)).unwrap(), record);
    assert_eq!(names(&dir), [RECORD, NAME]);

    // The owner itself goes on as ever.
    let second = delivery(dir.clone(), &changed);
    assert!(theirs.deliver(&id, &second).await.unwrap().copied);
    let gone = theirs.remove(&id, &removal(&second)).await.unwrap();
    assert_eq!(gone, Removed::Gone);
    // A line about nothing holds nobody up.
    assert!(nodes.deliver(&id, &first).await.unwrap().copied);
}

#[tokio::test]
async fn a_users_own_file_is_replaced_only_when_that_is_asked_for() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
    let content = file(&lab, 10_000, 1);
    let mut delivery = delivery(dir.clone(), &content);
    fs::create_dir_all(dir.as_str()).unwrap();
    let same_length = file(&lab, 10_000, 2).1;
    for own in [b"my own".to_vec(), same_length] {
        fs::write(at(&dir, NAME), &own).unwrap();
        match nodes.deliver(&id, &delivery).await.unwrap_err() {
            error @ NodeError::Foreign { .. } => {
                assert!(!error.is_transient() && error.hint().is_some());
                let expected =
                    format!("pve-01:{dir}/{NAME} exists and was not written by talos-order");
                assert_eq!(error.to_string(), expected);
            }
            error => panic!("{error:?}"),
        }
        assert_eq!(fs::read(at(&dir, NAME)).unwrap(), own);
        assert_eq!(names(&dir), [NAME]);
        let removed = nodes.remove(&id, &removal(&delivery)).await;
        assert!(matches!(removed, Err(NodeError::Foreign { .. })));
    }
    fs::remove_file(at(&dir, NAME)).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", at(&dir, NAME)).unwrap();
    let error = nodes.deliver(&id, &delivery).await.unwrap_err();
    assert!(matches!(error, NodeError::Foreign { .. }), "{error:?}");
    delivery.replace = true;
    assert!(nodes.deliver(&id, &delivery).await.unwrap().copied);
    assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
    assert!(!at(&dir, NAME).is_symlink());
}

#[tokio::test]
async fn a_file_that_comes_while_we_send_is_not_run_over() {
    let lab = Lab::new();
    let node = lab.node();
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let content = file(&lab, 10_000, 1);
    // Somebody who knows nothing of leases writes it as rsync starts there.
    let options = format!("{RSYNC_OPTS} --rsync-path='echo mine >{dir}/{NAME}; rsync'");
    let nodes = SystemNodes::new(config(&lab, &options)).unwrap();
    let error = nodes.deliver(&id, &delivery(dir.clone(), &content)).await;
    assert!(matches!(error, Err(NodeError::Foreign { .. })), "{error:?}");
    assert_eq!(fs::read(at(&dir, NAME)).unwrap(), b"mine\n");
    assert!(!at(&dir, LOCK).exists());
}
