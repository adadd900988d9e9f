//! Streams: only the data of an image go, and what arrived is proven.

use std::os::unix::fs::FileExt;

use talos_order::nodes::Relay;
use talos_order::testing::hash_data;

use super::*;

/// An image of 64 MiB with 6 MiB of data in three places.
pub(crate) fn image(lab: &Lab, seed: u64) -> (PathBuf, Vec<u8>) {
    let (_, noise) = file(lab, 6 * MIB, seed);
    let path = lab.path().join(format!("image-{seed}"));
    let image = fs::File::create(&path).unwrap();
    for (part, at) in noise.chunks(2 * MIB).zip([0, 20 * MIB, 40 * MIB + 4096]) {
        image.write_all_at(part, at as u64).unwrap();
    }
    image.set_len(64 * MIB as u64).unwrap();
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

pub(crate) fn streamed(dir: Dir, image: &(PathBuf, Vec<u8>)) -> Delivery {
    Delivery {
        method: Method::Stream,
        data: Some(hash_data(&image.0, u64::MAX).unwrap()),
        ..delivery(dir, image)
    }
}

/// Nodes to which so many bytes go in a second.
pub(crate) fn limited(lab: &Lab, bandwidth: usize) -> SystemNodes {
    SystemNodes::new(NodesConfig {
        bandwidth: Some(bandwidth as u64),
        ..config(lab, RSYNC_OPTS)
    })
    .unwrap()
}

/// Waits until so many bytes of a part are there, holes included.
async fn has_come(delivery: &Delivery, length: usize) {
    let part = part(delivery);
    until("something arrives", || {
        fs::metadata(&part).is_ok_and(|facts| facts.len() > length as u64)
    })
    .await;
}

#[tokio::test]
async fn only_the_data_go_and_holes_arrive_as_holes() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let (dir, id) = (node.dir("import"), node.node("pve-01"));
    let image = image(&lab, 1);
    for (proof, known) in [
        (Proof::Readback, true),
        (Proof::Inline, true),
        (Proof::Readback, false),
        // What is not known beforehand cannot be compared on its way.
        (Proof::Inline, false),
    ] {
        let mut delivery = streamed(dir.clone(), &image);
        delivery.proof = proof;
        delivery.data = delivery.data.filter(|_| known);
        let delivered = nodes.deliver(&id, &delivery).await.unwrap();
        assert!(delivered.copied);
        let wire = delivered.wire_bytes.unwrap();
        assert!(
            wire > 6 * MIB as u64 && wire < 6 * MIB as u64 + 4096,
            "{wire}"
        );
        assert!(fs::read(at(&dir, NAME)).unwrap() == image.1);
        let facts = fs::metadata(at(&dir, NAME)).unwrap();
        assert!(facts.blocks() * 512 <= 6 * MIB as u64 + 64 * 1024);
        assert_eq!(facts.mode() & 0o777, 0o644);
        let state = look(&nodes, &id, &dir).await;
        assert!(delivered.entry.describes(&state.files[NAME]));
        // The second time it is there, and the third it is recognised.
        assert!(!nodes.deliver(&id, &delivery).await.unwrap().copied);
        fs::remove_file(at(&dir, RECORD)).unwrap();
        assert!(!nodes.deliver(&id, &delivery).await.unwrap().copied);
        fs::remove_file(at(&dir, NAME)).unwrap();
    }
    assert_eq!(names(&dir), [RECORD]);
}

#[tokio::test]
async fn a_file_without_data_and_one_without_anything_arrive() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let (dir, id) = (node.dir("import"), node.node("pve-01"));
    for size in [0, 1, 4095, 3 * MIB] {
        let path = lab.path().join(format!("hole-{size}"));
        fs::File::create(&path)
            .unwrap()
            .set_len(size as u64)
            .unwrap();
        let delivery = streamed(dir.clone(), &(path, vec![0; size]));
        assert!(nodes.deliver(&id, &delivery).await.unwrap().copied);
        assert!(fs::read(at(&dir, NAME)).unwrap() == vec![0; size]);
        fs::remove_file(at(&dir, NAME)).unwrap();
    }
}

#[tokio::test]
async fn a_file_that_rots_here_never_gets_the_name_there() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let (dir, id) = (node.dir("import"), node.node("pve-01"));
    for proof in [Proof::Readback, Proof::Inline] {
        let image = image(&lab, 2);
        let mut delivery = streamed(dir.clone(), &image);
        delivery.proof = proof;
        let source = fs::OpenOptions::new().write(true).open(&image.0).unwrap();
        // In a hole, which nobody would read if it were still one.
        source.write_all_at(b"rot", 50 * MIB as u64).unwrap();
        let error = nodes.deliver(&id, &delivery).await.unwrap_err();
        let NodeError::DigestDiffers { expected, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(Some(expected), delivery.data.map(|data| data.sha256));
        assert_eq!(names(&dir), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_push_that_was_dropped_goes_on_where_it_was() {
    let lab = Lab::new();
    let node = lab.node();
    let (dir, id) = (node.dir("import"), node.node("pve-01"));
    let image = image(&lab, 3);
    let delivery = streamed(dir.clone(), &image);
    let slow = limited(&lab, 4 * MIB);
    tokio::select! {
        result = slow.deliver(&id, &delivery) => panic!("{result:?}"),
        () = has_come(&delivery, 20 * MIB + MIB) => (),
    }
    let begun = fs::metadata(part(&delivery)).unwrap();
    let delivered = system(&lab).deliver(&id, &delivery).await.unwrap();
    let wire = delivered.wire_bytes.unwrap();
    // Two of the three parts were there, but for what was on its way.
    assert!(wire < 3 * MIB as u64 + 4096, "{wire}");
    assert!(fs::read(at(&dir, NAME)).unwrap() == image.1);
    assert_eq!(fs::metadata(at(&dir, NAME)).unwrap().ino(), begun.ino());
    assert_eq!(names(&dir), [RECORD, NAME]);
}

#[tokio::test]
async fn what_was_begun_with_other_bytes_is_begun_anew() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let (dir, id) = (node.dir("import"), node.node("pve-01"));
    let image = image(&lab, 4);
    let delivery = streamed(dir.clone(), &image);
    fs::create_dir_all(dir.as_str()).unwrap();
    // One wrong byte; longer than the file; longer than the file and right so far.
    let mut wrong = image.1[..30 * MIB].to_vec();
    wrong[21 * MIB] ^= 1;
    let long = [&image.1[..], &[0; 5000]].concat();
    for begun in [wrong, vec![1; 65 * MIB], long] {
        fs::create_dir_all(at(&dir, PARTS)).unwrap();
        fs::write(part(&delivery), &begun).unwrap();
        let delivered = nodes.deliver(&id, &delivery).await.unwrap();
        assert!(delivered.wire_bytes.unwrap() > 6 * MIB as u64);
        assert!(fs::read(at(&dir, NAME)).unwrap() == image.1);
        fs::remove_file(at(&dir, NAME)).unwrap();
    }
}

#[tokio::test]
async fn a_disk_that_becomes_full_is_told_with_numbers_and_is_given_back() {
    let lab = Lab::new();
    let mut node = lab.node();
    if !node.mount_small("import", 24) {
        return;
    }
    let (dir, id) = (node.dir("import"), node.node("pve-01"));
    let image = image(&lab, 5);
    let mut delivery = streamed(dir.clone(), &image);
    // What is asked for is the length; that it has holes is no promise. Here the
    // length is, as where others fill the disk meanwhile.
    delivery.size = 4 * MIB as u64;
    let error = system(&lab).deliver(&id, &delivery).await.unwrap_err();
    assert!(matches!(error, NodeError::Source { .. }), "{error:?}");

    fs::write(at(&dir, "ballast"), vec![1; 20 * MIB]).unwrap();
    let delivery = streamed(dir.clone(), &image);
    let error = system(&lab).deliver(&id, &delivery).await.unwrap_err();
    let NodeError::NoSpace { need, free, .. } = error else {
        panic!("{error:?}")
    };
    assert!(need > 64 * MIB as u64 && free < 5 * MIB as u64);
    assert_eq!(names(&dir), ["ballast"]);
}

#[tokio::test]
async fn nothing_goes_faster_than_it_may() {
    let lab = Lab::new();
    let node = lab.node();
    let (dir, id) = (node.dir("import"), node.node("pve-01"));
    let delivery = streamed(dir.clone(), &image(&lab, 6));
    let begun = Instant::now();
    let delivered = limited(&lab, 3 * MIB)
        .deliver(&id, &delivery)
        .await
        .unwrap();
    assert!(begun.elapsed() > Duration::from_millis(1500));
    assert!(delivered.took > Duration::from_millis(1500));
}

#[tokio::test]
async fn a_neighbour_sends_on_what_it_has() {
    let lab = Lab::new();
    let (relay, node, nodes) = (lab.node(), lab.node(), system(&lab));
    let (dir, id) = (node.dir("import"), node.node("pve-02"));
    let (relay_dir, relay_id) = (relay.dir("import"), relay.node("pve-01"));
    let image = image(&lab, 7);
    let first = streamed(relay_dir.clone(), &image);
    assert!(nodes.deliver(&relay_id, &first).await.unwrap().copied);
    let mut delivery = streamed(dir.clone(), &image);
    // Not read: the relay's is.
    delivery.source = "/nonexistent".into();
    delivery.relay = Some(Relay {
        node: relay_id,
        path: at(&relay_dir, NAME).display().to_string(),
        ssh_opts: lab.ssh_opts(),
    });
    let delivered = nodes.deliver(&id, &delivery).await.unwrap();
    assert!(delivered.copied);
    assert!(fs::read(at(&dir, NAME)).unwrap() == image.1);
    let facts = fs::metadata(at(&dir, NAME)).unwrap();
    assert!(facts.blocks() * 512 <= 6 * MIB as u64 + 64 * 1024);
    assert_eq!(names(&dir), [RECORD, NAME]);

    // A relay that lost its file, one with another, and one that is not let in.
    fs::remove_file(at(&dir, NAME)).unwrap();
    fs::write(at(&relay_dir, "other"), vec![9; MIB]).unwrap();
    let Some(relay) = &mut delivery.relay else {
        panic!()
    };
    relay.path = at(&relay_dir, "other").display().to_string();
    let other = nodes.deliver(&id, &delivery).await.unwrap_err();
    assert!(other.is_transient(), "{other:?}");
    let Some(relay) = &mut delivery.relay else {
        panic!()
    };
    relay.path = at(&relay_dir, "lost").display().to_string();
    let lost = nodes.deliver(&id, &delivery).await.unwrap_err();
    assert!(format!("{lost:?}").contains("No such file"), "{lost:?}");
    let Some(relay) = &mut delivery.relay else {
        panic!()
    };
    relay.ssh_opts = ["-F", "/dev/null", "-o", "BatchMode=yes"]
        .map(str::to_owned)
        .into();
    let refused = nodes.deliver(&id, &delivery).await.unwrap_err();
    assert!(format!("{refused:?}").contains("Host key"), "{refused:?}");
    assert_eq!(names(&dir).iter().filter(|name| *name == NAME).count(), 0);
}

#[tokio::test]
async fn rsync_sends_what_differs_from_a_relative_of_the_file() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let (dir, id) = (node.dir("import"), node.node("pve-01"));
    let (path, mut bytes) = image(&lab, 8);
    let relative = bytes.clone();
    bytes[21 * MIB..21 * MIB + 9000].fill(5);
    fs::write(&path, &bytes).unwrap();
    let mut delivery = delivery(dir.clone(), &(path, bytes));
    for (basis, at_most) in [(None, 7 * MIB), (Some("relative.raw"), MIB)] {
        delivery.method = Method::Rsync {
            basis: basis.map(|name| name.parse().unwrap()),
        };
        let delivered = nodes.deliver(&id, &delivery).await.unwrap();
        let wire = delivered.wire_bytes.unwrap();
        assert!(wire < at_most as u64, "{wire}");
        let facts = fs::metadata(at(&dir, NAME)).unwrap();
        assert!(facts.blocks() * 512 <= 7 * MIB as u64);
        fs::remove_file(at(&dir, NAME)).unwrap();
        fs::write(at(&dir, "relative.raw"), &relative).unwrap();
    }
    assert!(fs::read(at(&dir, "relative.raw")).unwrap() == relative);
}
