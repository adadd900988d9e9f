//! What the program may not read or write: it says so, and loses nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::program::Ran;
use crate::common::snapshot::{Snapshot, digest, images};
use crate::common::write_program;
use crate::state::{Thing, aside, empty_cache, world};
use crate::world::World;

/// The user that owns nothing of the system.
const NOBODY: u32 = 65_534;

/// The same world for a user without rights: root may read and write everything. `None`
/// where root cannot become another user.
fn unprivileged() -> Option<(World, String)> {
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        let mut other = Command::new("true");
        if let Err(why) = other.uid(NOBODY).gid(NOBODY).status() {
            eprintln!("skipped: root cannot run a program as user {NOBODY} here: {why}");
            return None;
        }
    }
    let (mut world, iso) = world();
    if is_root {
        // Where tests are built may be out of the user's reach.
        let exe = world.at("talos-order");
        write_program(&exe, &fs::read(&world.program.binary).unwrap());
        world.program.binary = exe;
        world.program.user = Some(NOBODY);
        give_away(world.dir.path());
    }
    Some((world, iso))
}

fn give_away(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory that nothing can be written in, until this ends.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn new(dir: PathBuf) -> Self {
        set_mode(&dir, 0o555);
        Self(dir)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        set_mode(&self.0, 0o755);
    }
}

/// A file that may not be read, how `plan` and `apply` end, what `apply` says, and whether
/// it gives the file another name.
type Row = (&'static str, i32, i32, &'static str, bool);

#[rustfmt::skip]
const ROWS: [Row; 15] = [
    ("cache/.talos-order/memory.json", 0, 0, "memory.json cannot be read: Permission denied", true),
    ("cache/.talos-order/status.json", 0, 0, "status.json cannot be read: Permission denied", true),
    ("cache/.talos-order/history.jsonl", 0, 0, "cannot read the history", true),
    ("cache/.talos-order/versions-factory.json", 0, 0, "versions-factory.json cannot be read: Permission denied", true),
    ("cache/.talos-order/schematics.json", 0, 0, "schematics.json cannot be read: Permission denied", true),
    ("cache/.talos-order/sizes.json", 0, 0, "sizes.json cannot be read: Permission denied", true),
    ("manifests/manifest-one.yaml", 0, 0, "manifest-one.yaml cannot be read: Permission denied", true),
    ("node1/iso/.talos-order.jsonl", 1, 1, "could not be used and was set aside", true),
    // A user's word is not replaced: what it forbids stays forbidden.
    ("cache/.talos-order/suspended.json", 0, 0, "", false),
    ("cache/.talos-order/approved.json", 0, 0, "approved.json cannot be read: Permission denied (os error 13); nothing counts as approved", false),
    ("cache/.talos-order/rollouts.json", 0, 0, "rollouts.json cannot be read: Permission denied (os error 13); every rollout counts as paused", false),
    // Steps are shown in addition to what is done.
    ("cache/.talos-order/events.jsonl", 0, 0, "", false),
    // What it said is whose images these are: nothing is done without it.
    ("cache/.ISO.meta.json", 1, 1, "needs read and write access", false),
    ("cache/.talos-order.lock", 0, 1, "needs read and write access", false),
    ("cache/.talos-order.instance", 0, 0, "cannot record the name of the cache", false),
];

#[test]
fn a_file_that_may_not_be_read_is_told_and_kept() {
    let Some((world, iso)) = unprivileged() else {
        return;
    };
    let image = world.at("node1/iso").join(&iso);
    let wanted = digest(&image);
    for (name, planned, applied, said, is_aside) in ROWS {
        let file = world.at(&name.replace("ISO", &iso));
        if !file.exists() {
            // What a user says, and what the loop tells.
            let text = match name.contains("approved") {
                true => "{\"version\": 1, \"approved\": []}\n",
                false => "{\"version\": 1}\n",
            };
            fs::write(&file, text).unwrap();
            if let Some(user) = world.program.user {
                // Another user's file would be refused, see below.
                chown(&file, Some(user), Some(user)).unwrap();
            }
        }
        let before = Thing::at(&file);
        set_mode(&file, 0);
        world.program.run(&["plan"]).expect(planned);
        assert!(aside(&file).is_empty(), "{name}: a look changes nothing");
        if name.ends_with("sizes.json") {
            empty_cache(&world, &iso);
        }
        world.apply().expect(applied).complains(said);
        let kept = match &aside(&file)[..] {
            [] => file.clone(),
            [kept] => kept.clone(),
            more => panic!("{name}: {more:?}"),
        };
        assert_eq!(kept != file, is_aside, "{name}");
        set_mode(&kept, 0o644);
        assert_eq!(Thing::at(&kept), before, "{name}");
        // Everything is right again, and is left alone from then on.
        world.apply().expect(0);
        world
            .program
            .run(&["plan", "--detailed-exitcode"])
            .expect(0);
        assert_eq!(images(&world.at("node1/iso")), [iso.as_str()], "{name}");
        assert_eq!(digest(&image), wanted, "{name}");
        if is_aside {
            fs::remove_file(kept).unwrap();
        }
    }
}

#[test]
fn suspensions_that_may_not_be_read_suspend_everything() {
    let Some((world, iso)) = unprivileged() else {
        return;
    };
    world.program.run(&["suspend", "node", "pve-2"]).expect(0);
    let file = world.cache().join(".talos-order/suspended.json");
    set_mode(&file, 0);
    fs::remove_file(world.at("node1/iso").join(&iso)).unwrap();
    world.apply().says("everything is suspended");
    let resume = world.program.run(&["resume", "node", "pve-2"]).expect(1);
    resume.complains("Permission denied").complains("--all");
    assert!(images(&world.at("node1/iso")).is_empty());
    set_mode(&file, 0o644);
    world.apply().expect(0).says("1 pushed");
}

#[test]
fn a_state_directory_that_is_read_only_stops_no_image_and_loses_no_word() {
    let Some((world, iso)) = unprivileged() else {
        return;
    };
    let state = world.cache().join(".talos-order");
    let before = Snapshot::of(&[&state.join("memory.json"), &state.join("history.jsonl")]);
    fs::remove_file(world.at("node1/iso").join(&iso)).unwrap();
    let read_only = ReadOnly::new(state.clone());
    let ran = world.apply().expect(0).says("1 pushed");
    let ran = ran.complains("warning: permission denied: cannot write");
    ran.complains("run it as root or as user");
    let ran = world.program.run(&["suspend", "node", "pve-1"]).expect(1);
    let ran = ran.complains("permission denied: cannot change");
    ran.complains("run it as root or as user");
    drop(read_only);
    before.assert_same(&Snapshot::of(&[
        &state.join("memory.json"),
        &state.join("history.jsonl"),
    ]));
    let runs = || {
        fs::read_to_string(state.join("history.jsonl"))
            .unwrap()
            .lines()
            .count()
    };
    let count = runs();
    world.apply().expect(0);
    assert_eq!(runs(), count + 1, "the next run is remembered again");

    // What cannot be set aside is not replaced either.
    fs::write(state.join("memory.json"), "garbage").unwrap();
    let read_only = ReadOnly::new(state.clone());
    let ran = world.apply().expect(0);
    ran.complains("memory.json cannot be read: expected value")
        .complains("cannot rename");
    drop(read_only);
    assert_eq!(
        Thing::at(&state.join("memory.json")),
        Thing::Bytes(b"garbage".to_vec())
    );
    world.apply().expect(0).complains("it is kept as");
    let [kept] = &aside(&state.join("memory.json"))[..] else {
        panic!("it is kept")
    };
    assert_eq!(Thing::at(kept), Thing::Bytes(b"garbage".to_vec()));
}

/// A directory, and what is missing there so that something has to be written.
#[test]
fn places_that_are_read_only_are_told_and_filled_by_the_next_run() {
    let Some((world, iso)) = unprivileged() else {
        return;
    };
    let manifest = world.manifest_path("one");
    let on_node = world.at("node1/iso").join(&iso);
    type Missing<'a> = &'a dyn Fn();
    let garbled: Missing<'_> = &|| fs::write(&manifest, "garbage").unwrap();
    let fetched: Missing<'_> = &|| empty_cache(&world, &iso);
    let pushed: Missing<'_> = &|| fs::remove_file(&on_node).unwrap();
    for (dir, missing, said) in [
        ("manifests", garbled, "cannot write manifest"),
        ("cache", fetched, "needs read and write access"),
        ("node1/iso", pushed, "Permission denied"),
    ] {
        missing();
        let dir = world.at(dir);
        let read_only = ReadOnly::new(dir.clone());
        let before = Snapshot::of(&[&dir]).without_memory();
        let ran: Ran = world.apply().expect(1);
        ran.complains("Permission denied").complains(said);
        before.assert_same(&Snapshot::of(&[&dir]).without_memory());
        drop(read_only);
        world.apply().expect(0);
        assert!(on_node.exists() && world.cache().join(&iso).exists());
    }
    let [kept] = &aside(&manifest)[..] else {
        panic!("it is kept")
    };
    assert_eq!(Thing::at(kept), Thing::Bytes(b"garbage".to_vec()));
    assert_eq!(world.manifest("one")["entries"][0]["status"], "ok");
}

/// What root's controller left, asked for by somebody else: each command says that it may
/// not, and whom to ask. None says that nothing was there.
#[test]
fn a_user_who_may_not_read_the_state_is_told_so() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can leave files that this user may not read");
        return;
    }
    let Some((mut world, _)) = unprivileged() else {
        return;
    };
    let user = world.program.user.take();
    for path in [world.dir.path().to_owned(), world.cache()] {
        set_mode(&path, 0o755);
    }
    world.apply().expect(0);
    let state = world.cache().join(".talos-order");
    let take = |mode| {
        chown(&state, Some(0), Some(0)).unwrap();
        for entry in fs::read_dir(&state).unwrap() {
            let path = entry.unwrap().path();
            chown(&path, Some(0), Some(0)).unwrap();
            if path.is_file() {
                set_mode(&path, mode);
            }
        }
    };
    let commands: [&[&str]; 10] = [
        &["status"],
        &["get", "orders"],
        &["get", "images"],
        &["history"],
        &["suspend", "--all"],
        &["resume", "--all"],
        &["approve", "prune-pve-1"],
        &["plan"],
        &["diff"],
        &["events"],
    ];
    world.program.user = user;
    let denied = |args: &[&str]| {
        let ran = world.program.run(args).expect(1);
        ran.complains("permission denied: cannot ")
            .complains("hint: run it as root");
    };
    // The directory is closed, then only its files.
    for (mode, files) in [(0o700, 0o644), (0o755, 0o600)] {
        set_mode(&state, mode);
        take(files);
        for args in commands {
            denied(args);
        }
    }
    // Reading is allowed, writing is not.
    take(0o644);
    world.program.run(&["status"]).expect(0).says("Ready");
    world
        .program
        .run(&["get", "nodes"])
        .expect(0)
        .says("reachable");
    world.program.run(&["plan"]).expect(0);
    denied(&["suspend", "--all"]);
    let applied = world.program.run(&["apply"]);
    // The images are delivered; that this is not remembered is told.
    applied
        .expect(0)
        .complains("permission denied: cannot write");
}
