//! Removing files and reading them back.

use super::*;

/// A node with a file of ours and one of somebody beside it.
async fn placed(nodes: &SystemNodes, lab: &Lab, id: &Node, dir: &Dir, size: usize) -> Delivery {
    let content = file(lab, size, 1);
    let delivery = delivery(dir.clone(), &content);
    nodes.deliver(id, &delivery).await.unwrap();
    let mut neighbour = delivery.clone();
    neighbour.file = NAME.replace("1.11", "1x11").parse().unwrap();
    nodes.deliver(id, &neighbour).await.unwrap();
    delivery
}

#[tokio::test]
async fn a_file_goes_with_its_line_and_nothing_else_does() {
    let lab = Lab::new();
    let host = lab.node();
    let here = Node {
        id: "local".parse().unwrap(),
        reach: Reach::Local,
    };
    let nodes = system(&lab);
    for (id, dir) in [
        (host.node("pve-01"), host.dir("iso")),
        (here, host.dir("here")),
    ] {
        let delivery = placed(&nodes, &lab, &id, &dir, 10_000).await;
        let file = removal(&delivery);
        let before = names(&dir);
        assert_eq!(before.len(), 3);
        let mut wrong = file.clone();
        wrong.sha256 = sha256(b"another");
        let found = nodes.remove(&id, &wrong).await.unwrap();
        assert_eq!(found, Removed::Differs(file.sha256));
        assert_eq!(names(&dir), before);
        // The second finds it gone already, and so does the third, which has a
        // line to drop.
        let record = fs::read(at(&dir, RECORD)).unwrap();
        for round in 0..3 {
            assert_eq!(nodes.remove(&id, &file).await.unwrap(), Removed::Gone);
            assert!(!at(&dir, NAME).exists());
            let state = look(&nodes, &id, &dir).await;
            assert_eq!((state.files.len(), state.record.len()), (1, 1), "{round}");
            if round == 1 {
                fs::write(at(&dir, RECORD), &record).unwrap();
            }
        }
        let nowhere = Removal {
            dir: format!("{dir}/no/such").parse().unwrap(),
            ..file
        };
        assert_eq!(nodes.remove(&id, &nowhere).await.unwrap(), Removed::Gone);
        assert_eq!(
            nodes.verify(&id, &nowhere).await.unwrap(),
            Verified::Missing
        );
    }
}

#[tokio::test]
async fn what_took_the_name_of_our_file_stays() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
    let delivery = placed(&nodes, &lab, &id, &dir, 10_000).await;
    let file = removal(&delivery);
    let kept = at(&dir, "kept");
    fs::rename(at(&dir, NAME), &kept).unwrap();
    let record = fs::read(at(&dir, RECORD)).unwrap();
    for directory in [false, true] {
        if directory {
            fs::remove_file(at(&dir, NAME)).unwrap();
            fs::create_dir(at(&dir, NAME)).unwrap();
        } else {
            std::os::unix::fs::symlink("kept", at(&dir, NAME)).unwrap();
        }
        for verify in [false, true] {
            fs::write(at(&dir, RECORD), &record).unwrap();
            if verify {
                assert_eq!(nodes.verify(&id, &file).await.unwrap(), Verified::Missing);
            } else {
                assert_eq!(nodes.remove(&id, &file).await.unwrap(), Removed::Gone);
            }
            assert!(at(&dir, NAME).symlink_metadata().is_ok());
            assert_eq!(look(&nodes, &id, &dir).await.record.len(), 1);
        }
    }
    assert_eq!(sha256(&fs::read(kept).unwrap()), delivery.sha256);
}

#[tokio::test]
async fn a_flipped_byte_is_found_and_can_be_repaired() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
    let delivery = placed(&nodes, &lab, &id, &dir, MIB + 7).await;
    let check = removal(&delivery);
    let before = fs::read(at(&dir, RECORD)).unwrap();
    assert_eq!(nodes.verify(&id, &check).await.unwrap(), Verified::Same);
    assert_eq!(fs::read(at(&dir, RECORD)).unwrap(), before);

    // One byte, behind the back of the modification time.
    let path = at(&dir, NAME);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[MIB / 2] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();
    let state = look(&nodes, &id, &dir).await;
    assert!(state.record[&delivery.file].describes(&state.files[NAME]));

    let found = nodes.verify(&id, &check).await.unwrap();
    assert_eq!(found, Verified::Differs(sha256(&bytes)));
    let state = look(&nodes, &id, &dir).await;
    let entry = &state.record[&delivery.file];
    assert!(
        !entry.describes(&state.files[NAME]),
        "the next look sees it"
    );
    assert_eq!(
        (entry.sha256, entry.owner.as_str()),
        (delivery.sha256, OWNER)
    );
    assert_eq!(state.record.len(), 2);
    // It is known to be ours, so mending it is not replacing a user's file.
    assert!(nodes.deliver(&id, &delivery).await.unwrap().copied);
    assert_eq!(nodes.verify(&id, &check).await.unwrap(), Verified::Same);

    fs::remove_file(&path).unwrap();
    assert_eq!(nodes.verify(&id, &check).await.unwrap(), Verified::Missing);
    let state = look(&nodes, &id, &dir).await;
    assert_eq!((state.files.len(), state.record.len()), (1, 1));
}

#[tokio::test]
async fn reading_back_keeps_to_its_rate_and_reads_everything() {
    let lab = Lab::new();
    let node = lab.node();
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let rate = 500_001;
    let nodes = other(&lab, |config| config.verify_rate = Some(rate));
    let delivery = placed(&nodes, &lab, &id, &dir, 1_400_000).await;
    let check = removal(&delivery);
    let started = Instant::now();
    assert_eq!(nodes.verify(&id, &check).await.unwrap(), Verified::Same);
    // Three pieces with a pause between each two.
    assert!(started.elapsed() >= Duration::from_secs(2));
    // The last byte counts, as it does without a rate.
    let path = at(&dir, NAME);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let found = nodes.verify(&id, &check).await.unwrap();
    assert_eq!(found, Verified::Differs(sha256(&bytes)));
}
