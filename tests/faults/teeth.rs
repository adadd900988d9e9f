//! The harness itself: it does what it says to whom it says, and sees what is wrong.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::control::{Calls, Errno, Fault, Kind, Seams};
use crate::disk::{Disk, Kept};
use crate::reader::{Reader, Truth};
use crate::scenes::{Scene, Stage};

/// Two programs that write, sync and rename, with their calls in this order: open,
/// write, fsync, rename, fsync of the directory.
const PUBLISH: &str = "printf 12345678 >a && sync a && mv a b && sync .";

fn shell(dir: &Path, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(dir);
    command
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_kind_does_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let seams = Seams::new(&dir.path().join("seams"), std::slice::from_ref(&root));
    let fail = Kind::Fail(Errno::Io);
    let full = Kind::FailOn(Errno::NoSpace);
    // Call, kind, whether it goes well, what is there then, and how long that is.
    let cases: [(u64, Kind, bool, &[&str], u64); 13] = [
        (0, fail, true, &["b"], 8),
        (1, fail, false, &[], 0),
        (2, fail, false, &["a"], 0),
        (2, Kind::Short, true, &["b"], 8),
        (3, fail, false, &["a"], 8),
        (4, fail, false, &["a"], 8),
        (5, fail, false, &["b"], 8),
        (1, full, false, &[], 0),
        (2, full, false, &["a"], 0),
        (3, full, true, &["b"], 8),
        (4, Kind::Power, false, &["a"], 8),
        (4, Kind::Kill, false, &["a"], 8),
        (4, Kind::Slow, true, &["b"], 8),
    ];
    for (at, kind, goes_well, left, length) in cases {
        crate::places::empty(&root);
        let fault = (at > 0).then_some(Fault { at, kind });
        let run = seams.run(&shell(&root, PUBLISH), fault, Calls::Files);
        let (ended, rest) = run.unwrap();
        drop(rest);
        let what = format!("{at} {kind}: {ended:?} {}", seams.said());
        assert_eq!(ended.status.success(), goes_well, "{what}");
        assert_eq!(names(&root), left, "{what}");
        let found = left.first().map(|name| fs::metadata(root.join(name)));
        assert_eq!(
            found.map_or(0, |meta| meta.unwrap().len()),
            length,
            "{what}"
        );
        assert_eq!(!ended.met.is_empty(), at > 0, "{what}");
    }
}

#[test]
fn calls_of_programs_that_a_shell_starts_are_counted_and_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let seams = Seams::new(&dir.path().join("seams"), std::slice::from_ref(&root));
    for (script, calls, files) in [
        (PUBLISH, Calls::Files, 5),
        (
            "printf x >../elsewhere; cat ../elsewhere >/dev/null",
            Calls::Files,
            0,
        ),
        // The shell itself is one.
        ("/bin/true; /bin/true", Calls::Programs, 3),
    ] {
        let run = seams.run(&shell(&root, script), None, calls);
        let (ended, _) = run.unwrap();
        assert_eq!(ended.calls, files, "{script}");
    }
}

#[test]
fn what_was_not_synced_before_it_got_its_name_is_lost_in_an_outage() {
    for (script, survives) in [
        (PUBLISH, true),
        ("printf 12345678 >a && mv a b && sync .", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let roots = std::slice::from_ref(&root);
        let seams = Seams::new(&dir.path().join("seams"), roots);
        let mut disk = Disk::before(roots);
        let log = dir.path().join("log");
        seams.log_to(&log);
        let run = seams.run(&shell(&root, script), None, Calls::Files);
        drop(run.unwrap().1);
        disk.replay(&fs::read(log).unwrap()).unwrap();
        disk.cut(disk.lines(), Kept::All, "-");
        assert_eq!(fs::read(root.join("b")).unwrap(), b"12345678");
        // The directory was synced, so the name is there in any case.
        disk.cut(disk.lines(), Kept::Nothing, "-");
        let whole = fs::read(root.join("b")).unwrap() == b"12345678";
        assert_eq!(whole, survives, "{script}");
        // Before the directory was, nothing is sure but what was there before.
        disk.cut(disk.lines() - 1, Kept::Nothing, "-");
        assert_eq!(names(&root), [""; 0], "{script}");
    }
}

#[test]
fn wrong_bytes_and_wrong_records_are_seen() {
    let stage = Stage::new(Scene::Local);
    stage.prepare().unwrap();
    stage.converge().unwrap();
    stage.tell_truth("now").unwrap();
    let image = stage.places().into_iter().find_map(|place| {
        let first = fs::read_dir(place).ok()?.flatten();
        let mut images = first.map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            !name.starts_with('.')
        });
        images.next()
    });
    let image = image.expect("an image was delivered");
    // As rot does it: neither length nor time tell.
    let time = fs::metadata(&image).unwrap().modified().unwrap();
    let mut bytes = fs::read(&image).unwrap();
    bytes[4096] ^= 1;
    fs::write(&image, bytes).unwrap();
    let file = fs::File::options().write(true).open(&image).unwrap();
    file.set_modified(time).unwrap();
    let lies = stage.tell_truth("now").unwrap_err();
    assert!(lies.contains(" holds "), "the reader: {lies}");
    assert!(lies.contains(".jsonl says "), "the record: {lies}");
}

#[test]
fn a_state_file_that_is_half_there_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let state = vec![dir.path().to_owned()];
    let reader = Reader::start(Vec::new(), state, Truth::new());
    let put = |text: &str| {
        let hidden = dir.path().join(".a.json");
        fs::write(&hidden, text).unwrap();
        fs::rename(hidden, dir.path().join("a.json")).unwrap();
    };
    put("{\"version\": 1}");
    assert_eq!(reader.lies(), [""; 0]);
    put("{\"version\":");
    assert_eq!(reader.lies().len(), 1);
}
