//! What a look and a delivery do when nothing goes wrong.

use super::*;

/// The life of a file on a node; the same over ssh and on this machine.
async fn life_of_a_file(nodes: &SystemNodes, node: &Node, dir: Dir, lab: &Lab) {
    let before = look(nodes, node, &dir).await;
    assert!(!before.exists && before.files.is_empty());
    assert!(before.free_bytes.unwrap() > 0, "where it would be made");
    // A share that is not mounted is told by the mount point of what is above it.
    let above = std::process::Command::new("stat")
        .args(["-c", "%m"])
        .arg(lab.path())
        .output()
        .unwrap();
    let above = String::from_utf8(above.stdout).unwrap();
    assert_eq!(before.mount_point.as_deref(), Some(above.trim_end()));
    assert!(names(&dir).is_empty(), "a look changes nothing");

    let content = file(lab, 3 * MIB + 7, 1);
    let delivery = delivery(dir.clone(), &content);
    let Delivered { copied, entry, .. } = nodes.deliver(node, &delivery).await.unwrap();
    assert!(copied);
    assert_eq!(entry.sha256, delivery.sha256);
    assert_eq!(delivery.meter.read(), (delivery.size, Some(delivery.size)));
    assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
    assert_eq!(names(&dir), [RECORD, NAME]);
    assert_eq!(fs::metadata(at(&dir, NAME)).unwrap().mode() & 0o777, 0o644);

    let state = look(nodes, node, &dir).await;
    assert!(state.exists);
    assert_eq!(state.files.keys().collect::<Vec<_>>(), [NAME]);
    assert_eq!(state.record[&delivery.file], entry);
    assert!(entry.describes(&state.files[NAME]));

    // Asked again it only looks; without a record it adopts what is right.
    let again = nodes.deliver(node, &delivery).await.unwrap();
    assert_eq!((again.copied, &again.entry), (false, &entry));
    fs::remove_file(at(&dir, RECORD)).unwrap();
    assert!(look(nodes, node, &dir).await.record.is_empty());
    let adopted = nodes.deliver(node, &delivery).await.unwrap();
    assert_eq!((adopted.copied, &adopted.entry), (false, &entry));
    assert_eq!(look(nodes, node, &dir).await.record[&delivery.file], entry);

    // Same length, other bytes: neither the record nor the size hides it.
    let (_, other) = file(lab, 3 * MIB + 7, 2);
    fs::remove_file(at(&dir, NAME)).unwrap();
    fs::write(at(&dir, NAME), &other).unwrap();
    let state = look(nodes, node, &dir).await;
    assert!(!state.record[&delivery.file].describes(&state.files[NAME]));
    let mended = nodes.deliver(node, &delivery).await.unwrap();
    assert!(mended.copied);
    assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
    let state = look(nodes, node, &dir).await;
    assert_eq!(state.record.len(), 1, "the line was replaced");
    assert!(state.record[&delivery.file].describes(&state.files[NAME]));
}

#[tokio::test]
async fn the_life_of_a_file_over_ssh() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("var/lib/vz/template/iso");
    life_of_a_file(&system(&lab), &node.node("pve-01"), dir, &lab).await;
}

#[tokio::test]
async fn the_life_of_a_file_on_this_machine() {
    let lab = Lab::new();
    let node = Node {
        id: "local".parse().unwrap(),
        reach: Reach::Local,
    };
    let dir = lab.path().join("here/iso").display().to_string();
    life_of_a_file(&system(&lab), &node, dir.parse().unwrap(), &lab).await;
}

#[tokio::test]
async fn hostile_names_are_only_names() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("iso");
    let (nodes, id) = (system(&lab), node.node("pve-01"));
    let hostile = [
        "a\nfile 0 1 1.0 1 forged.iso",
        "two  blanks ",
        "it's \"quoted\" $(reboot) `id` \\ %s",
        "-rf",
        "*",
        "\u{1b}[31mred",
        "ünïcode",
    ];
    fs::create_dir_all(at(&dir, "a directory")).unwrap();
    for name in hostile {
        fs::write(at(&dir, name), name).unwrap();
    }
    fs::write(at(&dir, ".hidden"), "").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at(&dir, "link")).unwrap();
    let state = look(&nodes, &id, &dir).await;
    let expected: BTreeSet<&str> = hostile.into();
    let found: BTreeSet<&str> = state.files.keys().map(String::as_str).collect();
    assert_eq!(found, expected);
    for name in hostile {
        assert_eq!(state.files[name].size, name.len() as u64);
    }
    let content = file(&lab, 1000, 1);
    let delivery = delivery(dir.clone(), &content);
    assert!(nodes.deliver(&id, &delivery).await.unwrap().copied);
    for name in hostile {
        assert_eq!(fs::read(at(&dir, name)).unwrap(), name.as_bytes());
    }
}

#[tokio::test]
async fn what_the_record_says_of_other_files_stays() {
    let lab = Lab::new();
    let node = lab.node();
    let dir = node.dir("iso");
    let (nodes, id) = (system(&lab), node.node("pve-01"));
    fs::create_dir_all(dir.as_str()).unwrap();
    let garbled: &[u8] = b"{\"talos-order\":\"record\",\"version\":9}\n\xff\0half a li";
    fs::write(at(&dir, RECORD), garbled).unwrap();
    let content = file(&lab, 1000, 1);
    let first = delivery(dir.clone(), &content);
    let mut second = first.clone();
    second.file = NAME.replace("1.11.3", "1.11.4").parse().unwrap();
    for delivery in [&first, &second, &first] {
        nodes.deliver(&id, delivery).await.unwrap();
    }
    let record = look(&nodes, &id, &dir).await.record;
    assert_eq!(
        record.keys().collect::<Vec<_>>(),
        [&first.file, &second.file]
    );
    let text = fs::read(at(&dir, RECORD)).unwrap();
    assert!(text.starts_with(garbled), "what is not understood is kept");
    let lines = text.split(|&byte| byte == b'\n').count();
    assert_eq!(lines, 2 + 2 + 1, "two old lines, two of ours");
}
