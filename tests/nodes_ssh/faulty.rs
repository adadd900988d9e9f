//! What is in a directory that should be something else, and nodes that are odd.

use std::os::unix::fs::{FileExt, symlink};

use super::fence::node_with_tool;
use super::*;

/// What a delivery says where something of ours has another form; what stays of that;
/// and that the next look finds everything in place.
#[tokio::test]
async fn what_cannot_be_used_is_set_aside_and_does_not_come_back() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id) = (system(&lab), node.node("pve-01"));
    let content = file(&lab, 10_000, 1);
    let digest = &sha256(&content.1).to_string()[..12];
    let part_name = format!("{PARTS}/{NAME}.{digest}.part");
    let directory = |path: &Path| {
        fs::create_dir_all(path.join("in/it")).unwrap();
    };
    let dangling = |path: &Path| symlink("/nowhere/at/all", path).unwrap();
    let to_itself = |path: &Path| symlink(path, path).unwrap();
    let fifo = |path: &Path| {
        let status = std::process::Command::new("mkfifo").arg(path).status();
        assert!(status.unwrap().success());
    };
    let noise = |path: &Path| fs::write(path, &file(&lab, MIB, 7).1).unwrap();
    let zeros = |path: &Path| fs::File::create(path).unwrap().set_len(900 << 20).unwrap();
    let long = |path: &Path| {
        let file = fs::File::create(path).unwrap();
        file.write_all_at(b"{\"talos-order\":\"record\",\"version\":1}\n", 0)
            .unwrap();
        file.set_len(900 << 20).unwrap();
    };
    let empty = |path: &Path| fs::write(path, "").unwrap();
    let words = |path: &Path| fs::write(path, "no number\n").unwrap();
    let expired = |path: &Path| fs::write(path, "1 0123 pve-09 other").unwrap();
    type Put<'a> = &'a dyn Fn(&Path);
    // The name, what is there, and whether it is kept under another name.
    let cases: [(&str, Put<'_>, bool); 22] = [
        (RECORD, &directory, true),
        (RECORD, &dangling, true),
        (RECORD, &fifo, true),
        (RECORD, &noise, true),
        (RECORD, &zeros, true),
        (RECORD, &long, true),
        (RECORD, &empty, false),
        (LOCK, &directory, true),
        (LOCK, &dangling, true),
        (LOCK, &to_itself, true),
        (LOCK, &fifo, true),
        (LOCK, &expired, false),
        (EPOCH, &directory, true),
        (EPOCH, &dangling, true),
        (EPOCH, &fifo, true),
        (EPOCH, &words, false),
        (PARTS, &words, true),
        (PARTS, &dangling, true),
        (PARTS, &fifo, true),
        (&part_name, &directory, false),
        (&part_name, &dangling, false),
        (&part_name, &fifo, false),
    ];
    for (number, (name, put, kept)) in cases.into_iter().enumerate() {
        let methods = [Method::Rsync { basis: None }, Method::Stream];
        // How the bytes travel matters for the part only.
        let matters = |way: usize| name == part_name || way == number % 2;
        for (way, method) in methods.into_iter().enumerate() {
            if !matters(way) {
                continue;
            }
            let dir = node.dir(&format!("iso-{number}-{way}"));
            let path = at(&dir, name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            put(&path);
            let mut delivery = delivery(dir.clone(), &content);
            delivery.method = method;
            assert!(nodes.deliver(&id, &delivery).await.unwrap().copied);
            assert!(
                fs::read(at(&dir, NAME)).unwrap() == content.1,
                "{number} {name}"
            );
            let mut left = names(&dir);
            let aside = format!("{name}.damaged-");
            assert_eq!(
                left.iter().any(|name| name.starts_with(&aside)),
                kept,
                "{number} {name}: {left:?}"
            );
            left.retain(|name| !name.starts_with(&aside));
            assert_eq!(left, [RECORD, NAME], "{number} {name}");
            let state = look(&nodes, &id, &dir).await;
            let entry = &state.record[&delivery.file];
            assert!(entry.describes(&state.files[NAME]), "{number} {name}");
            assert!(!nodes.deliver(&id, &delivery).await.unwrap().copied);
        }
    }
}

/// What a record said that was set aside is unknown, and nothing is removed for it.
#[tokio::test]
async fn nothing_is_removed_for_a_record_that_cannot_be_read() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
    let delivery = delivery(dir.clone(), &file(&lab, 1000, 1));
    nodes.deliver(&id, &delivery).await.unwrap();
    let record = fs::read(at(&dir, RECORD)).unwrap();
    let file = fs::OpenOptions::new().write(true).open(at(&dir, RECORD));
    file.unwrap().set_len(900 << 20).unwrap();
    let result = nodes.remove(&id, &removal(&delivery)).await;
    assert!(
        matches!(result, Err(NodeError::Foreign { .. })),
        "{result:?}"
    );
    assert!(at(&dir, NAME).exists());
    let aside = names(&dir)
        .into_iter()
        .find(|name| name.contains("damaged"))
        .unwrap();
    let mut kept = vec![0; record.len()];
    let file = fs::File::open(at(&dir, &aside)).unwrap();
    file.read_exact_at(&mut kept, 0).unwrap();
    assert!(kept == record, "it keeps what it said");
    // It has the right bytes, so the next delivery knows it again.
    assert!(!nodes.deliver(&id, &delivery).await.unwrap().copied);
    let gone = nodes.remove(&id, &removal(&delivery)).await.unwrap();
    assert_eq!(gone, Removed::Gone);
}

/// A name that stays the same, a node that is killed between name and record, and a
/// newer version that is wanted by then.
#[tokio::test]
async fn a_crash_between_name_and_record_leaves_a_file_that_is_ours() {
    let lab = Lab::new();
    let node = node_with_tool(
        &lab,
        "mv",
        &format!(
            "/bin/mv \"$@\"\nfor last; do :; done\n[ \"$last\" != ../{NAME} ] || kill -9 $PPID"
        ),
    );
    let whole = lab.node();
    let id = whole.node("pve-01");
    let (older, newer) = (file(&lab, 10_000, 1), file(&lab, 20_000, 2));
    for (number, method) in [Method::Rsync { basis: None }, Method::Stream]
        .into_iter()
        .enumerate()
    {
        for person in [false, true] {
            let dir = whole.dir(&format!("iso-{number}-{person}"));
            let mut first = delivery(dir.clone(), &older);
            first.method = method.clone();
            let cut = system(&lab).deliver(&node.node("pve-01"), &first).await;
            assert!(matches!(cut, Err(NodeError::CutShort { .. })), "{cut:?}");
            assert!(fs::read(at(&dir, NAME)).unwrap() == older.1);
            let state = look(&system(&lab), &id, &dir).await;
            assert!(
                state.record.is_empty(),
                "what was only intended is no record"
            );
            // The lease that was left is the same instance's.
            let mut second = delivery(dir.clone(), &newer);
            second.method = method.clone();
            if person {
                // Somebody put a file of the same length there since.
                fs::write(at(&dir, NAME), vec![7; older.1.len()]).unwrap();
                let result = system(&lab).deliver(&id, &second).await;
                assert!(
                    matches!(result, Err(NodeError::Foreign { .. })),
                    "{result:?}"
                );
                continue;
            }
            assert!(system(&lab).deliver(&id, &second).await.unwrap().copied);
            assert!(fs::read(at(&dir, NAME)).unwrap() == newer.1);
            let state = look(&system(&lab), &id, &dir).await;
            assert!(state.record[&second.file].describes(&state.files[NAME]));
            let text = fs::read_to_string(at(&dir, RECORD)).unwrap();
            assert!(!text.contains("placing"), "{text}");
        }
    }
}

/// `POSIXLY_CORRECT` and `CDPATH` in the environment of a login.
#[tokio::test]
async fn an_odd_environment_changes_nothing() {
    let lab = Lab::new();
    let node = lab.node_with(
        "ForceCommand POSIXLY_CORRECT=1 CDPATH=/:/tmp BLOCK_SIZE=1K; \
         export POSIXLY_CORRECT CDPATH BLOCK_SIZE; eval \"$SSH_ORIGINAL_COMMAND\"\n",
    );
    let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
    let content = file(&lab, 10_000, 1);
    for method in [Method::Rsync { basis: None }, Method::Stream] {
        let mut delivery = delivery(dir.clone(), &content);
        delivery.method = method;
        assert!(nodes.deliver(&id, &delivery).await.unwrap().copied);
        let check = removal(&delivery);
        assert_eq!(nodes.verify(&id, &check).await.unwrap(), Verified::Same);
        assert_eq!(nodes.remove(&id, &check).await.unwrap(), Removed::Gone);
    }
}

/// What the version before kept beside the files is resumed.
#[tokio::test]
async fn a_part_of_an_earlier_version_is_taken_up_or_cleared() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
    let content = file(&lab, 4 * MIB, 1);
    let mut delivery = delivery(dir.clone(), &content);
    delivery.method = Method::Stream;
    let old = at(&dir, &format!(".talos-order.{NAME}.part"));
    fs::create_dir_all(dir.as_str()).unwrap();
    fs::write(&old, &content.1[..3 * MIB]).unwrap();
    let delivered = nodes.deliver(&id, &delivery).await.unwrap();
    let wire = delivered.wire_bytes.unwrap();
    assert!(wire < MIB as u64 + 4096, "{wire}");
    assert!(!old.exists());
    // A part of its own is there already.
    fs::remove_file(at(&dir, NAME)).unwrap();
    fs::create_dir(at(&dir, PARTS)).unwrap();
    fs::write(part(&delivery), &content.1[..3 * MIB]).unwrap();
    fs::write(&old, "old").unwrap();
    // And one of a delivery of other bytes under the same name.
    let other = at(&dir, PARTS).join(format!("{NAME}.0123456789ab.part"));
    fs::write(&other, "other").unwrap();
    assert!(nodes.deliver(&id, &delivery).await.unwrap().copied);
    assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
    assert_eq!(names(&dir), [RECORD, NAME]);
}

/// What an earlier operation left running holds the part, and writes other bytes to it
/// whenever it likes.
#[tokio::test]
async fn a_part_that_another_process_still_writes_to_is_given_up() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id) = (system(&lab), node.node("pve-01"));
    let content = file(&lab, MIB, 1);
    let rows = [Method::Rsync { basis: None }, Method::Stream].map(|method| {
        let dir = node.dir(&format!("iso-{}", method == Method::Stream));
        let mut delivery = delivery(dir.clone(), &content);
        delivery.method = method;
        fs::create_dir_all(at(&dir, PARTS)).unwrap();
        let part = part(&delivery);
        fs::write(&part, &content.1).unwrap();
        let writer = fs::OpenOptions::new().write(true).open(part).unwrap();
        writer.lock().unwrap();
        (delivery, writer)
    });
    let [one, two] = &rows;
    let results = tokio::join!(nodes.deliver(&id, &one.0), nodes.deliver(&id, &two.0));
    for (result, (delivery, writer)) in [(results.0, one), (results.1, two)] {
        assert!(result.unwrap().copied);
        writer.write_all_at(b"late", 1000).unwrap();
        assert!(fs::read(at(&delivery.dir, NAME)).unwrap() == content.1);
    }
}
