//! What a look makes of a record that is not one: it says so, and believes nothing of it.

use std::io::Write;
use std::os::unix::fs::symlink;

use super::fence::node_with_tool;
use super::*;

/// A directory with a file of ours and its record, and the line of the record.
async fn delivered(nodes: &SystemNodes, id: &Node, lab: &Lab, dir: &Dir) -> Vec<u8> {
    let delivery = delivery(dir.clone(), &file(lab, 1000, 1));
    nodes.deliver(id, &delivery).await.unwrap();
    let state = look(nodes, id, dir).await;
    assert_eq!((state.record.len(), state.unread), (1, None));
    fs::read(at(dir, RECORD)).unwrap()
}

#[tokio::test]
async fn what_is_no_record_is_not_read_and_told() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id) = (system(&lab), node.node("pve-01"));
    let no_file = "it is not a plain file";
    type Put = fn(&Path, &Path);
    let cases: [(&str, Put, &str); 5] = [
        (
            "a link to a record",
            |path, other| symlink(other, path).unwrap(),
            no_file,
        ),
        (
            "a link to nowhere",
            |path, _| symlink("/nowhere/at/all", path).unwrap(),
            no_file,
        ),
        (
            "a directory",
            |path, _| fs::create_dir(path).unwrap(),
            no_file,
        ),
        (
            "a pipe",
            |path, _| {
                let mode = rustix::fs::Mode::RWXU;
                rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
            },
            no_file,
        ),
        (
            "a record that is too long",
            |path, other| {
                let mut file = fs::File::create(path).unwrap();
                file.write_all(&fs::read(other).unwrap()).unwrap();
                file.set_len((32 << 20) + 1).unwrap();
            },
            "it is longer than 32 MiB",
        ),
    ];
    for (number, (what, put, why)) in cases.into_iter().enumerate() {
        let dir = node.dir(&format!("iso-{number}"));
        delivered(&nodes, &id, &lab, &dir).await;
        let (record, other) = (at(&dir, RECORD), at(&dir, "other"));
        fs::rename(&record, &other).unwrap();
        put(&record, &other);
        let state = look(&nodes, &id, &dir).await;
        assert_eq!(state.unread.as_deref(), Some(why), "{what}");
        assert!(state.record.is_empty(), "{what}: {:?}", state.record);
        // The rest of the directory is seen, and so is the record once it is back.
        assert!(state.files.contains_key(NAME), "{what}");
        fs::rename(&record, at(&dir, "in-the-way")).unwrap();
        fs::rename(&other, &record).unwrap();
        let state = look(&nodes, &id, &dir).await;
        assert_eq!((state.record.len(), state.unread), (1, None), "{what}");
    }
}

#[tokio::test]
async fn a_record_as_long_as_ours_may_be_is_read_to_its_end() {
    let lab = Lab::new();
    let node = lab.node();
    let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
    let line = delivered(&nodes, &id, &lab, &dir).await;
    let mut long = vec![b'\n'; (32 << 20) - line.len()];
    long.extend(line);
    fs::write(at(&dir, RECORD), long).unwrap();
    let state = look(&nodes, &id, &dir).await;
    assert_eq!((state.record.len(), state.unread), (1, None));
}

/// A disk that fails in the middle: the lines before are not all of them.
#[tokio::test]
async fn a_record_that_is_read_in_part_is_not_believed() {
    let lab = Lab::new();
    let whole = lab.node();
    let dir = whole.dir("iso");
    delivered(&system(&lab), &whole.node("pve-01"), &lab, &dir).await;
    let node = node_with_tool(
        &lab,
        "dd",
        "/bin/dd \"$@\"\necho 'dd: error reading: Input/output error' >&2\nexit 1",
    );
    let state = look(&system(&lab), &node.node("pve-01"), &dir).await;
    let why = state.unread.unwrap();
    assert!(why.contains("Input/output error"), "{why}");
    assert!(state.record.is_empty() && state.files.contains_key(NAME));
}
