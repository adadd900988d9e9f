//! What interrupted deliveries leave on a node.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn leftover(dir: &Dir, part: &PartName, idle: u64) -> Leftover {
    Leftover {
        dir: dir.clone(),
        part: part.clone(),
        idle: Duration::from_secs(idle),
    }
}

#[tokio::test]
async fn a_part_is_seen_with_its_space_and_goes_when_nobody_writes_to_it() {
    let lab = Lab::new();
    let node = lab.node();
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let nodes = system(&lab);
    let delivered = delivery(dir.clone(), &file(&lab, 10_000, 1));
    nodes.deliver(&id, &delivered).await.unwrap();
    let before = names(&dir);
    // One in the form of today, with a hole, and one as version 0.1.0 left it.
    let new = PartName::new(&"b.iso".parse().unwrap(), &Sha256::from_bytes([7; 32]));
    let old: PartName = ".talos-order.c.iso.part".parse().unwrap();
    let private = at(&dir, PARTS);
    fs::create_dir(&private).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    let part = fs::File::create(at(&dir, &new.to_string())).unwrap();
    part.set_len(64 * MIB as u64).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&part, &[1; 8192], 0).unwrap();
    fs::write(at(&dir, &old.to_string()), vec![1; 4096]).unwrap();
    // What has the name of none is none of ours.
    fs::write(at(&dir, ".talos-order.part"), "mine").unwrap();

    let seen = look(&nodes, &id, &dir).await.parts;
    let expected: BTreeSet<&PartName> = [&new, &old].into();
    assert_eq!(seen.keys().collect::<BTreeSet<_>>(), expected);
    let space = seen[&new].bytes;
    assert!(
        (8192..MIB as u64).contains(&space),
        "{space}: holes take none"
    );

    // Somebody has it open, or wrote to it within the time.
    let writer = fs::File::open(at(&dir, &new.to_string())).unwrap();
    writer.lock().unwrap();
    let busy = nodes.clear(&id, &leftover(&dir, &new, 0)).await.unwrap();
    assert_eq!(busy, Cleared::Unfinished);
    writer.unlock().unwrap();
    let young = nodes.clear(&id, &leftover(&dir, &new, 3600)).await.unwrap();
    assert_eq!(young, Cleared::Unfinished);
    assert!(at(&dir, &new.to_string()).exists());

    for part in [&new, &old, &new] {
        let gone = nodes.clear(&id, &leftover(&dir, part, 0)).await.unwrap();
        assert_eq!(gone, Cleared::Gone);
        assert!(!at(&dir, &part.to_string()).exists());
    }
    assert!(look(&nodes, &id, &dir).await.parts.is_empty());
    let mut after = names(&dir);
    after.retain(|name| name != ".talos-order.part");
    assert_eq!(
        after, before,
        "the private directory is gone, the files are not"
    );
}

#[tokio::test]
async fn a_part_stays_where_another_works_or_it_is_somebody_else_s() {
    let lab = Lab::new();
    let node = lab.node();
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let nodes = system(&lab);
    fs::create_dir_all(dir.as_str()).unwrap();
    let old: PartName = ".talos-order.c.iso.part".parse().unwrap();
    let path = at(&dir, &old.to_string());
    fs::write(&path, "part").unwrap();
    let soon = jiff::Timestamp::now().as_second() + 600;
    fs::write(
        at(&dir, LOCK),
        format!("{soon} 0123456789abcdef pve-01 other\n"),
    )
    .unwrap();
    let locked = nodes.clear(&id, &leftover(&dir, &old, 0)).await;
    assert!(
        matches!(locked, Err(NodeError::Locked { .. })),
        "{locked:?}"
    );
    fs::remove_file(at(&dir, LOCK)).unwrap();
    if rustix::process::getuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        let hostile = nodes.clear(&id, &leftover(&dir, &old, 0)).await;
        assert!(
            matches!(hostile, Err(NodeError::Hostile { .. })),
            "{hostile:?}"
        );
    }
    assert!(path.exists());
    let nowhere = format!("{dir}/no/such").parse().unwrap();
    let gone = nodes
        .clear(&id, &leftover(&nowhere, &old, 0))
        .await
        .unwrap();
    assert_eq!(gone, Cleared::Gone);
    assert!(!Path::new(nowhere.as_str()).exists());
}
