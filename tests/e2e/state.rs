//! What is in the place of the program's own files, whatever it is, costs nothing but
//! what the file held, and is kept.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, mkfifoat};
use talos_order::factory_stub::StubOptions;

use crate::common::snapshot::{digest, images};
use crate::world::World;

/// The program's own files, below the world's directory; `ISO` is the image's name.
pub const FILES: [&str; 13] = [
    "cache/.talos-order/memory.json",
    "cache/.talos-order/status.json",
    "cache/.talos-order/approved.json",
    "cache/.talos-order/history.jsonl",
    "cache/.talos-order/events.jsonl",
    "cache/.talos-order/versions-factory.json",
    "cache/.talos-order/schematics.json",
    "cache/.talos-order/sizes.json",
    "cache/.talos-order.lock",
    "cache/.talos-order.instance",
    "cache/.ISO.meta.json",
    "manifests/manifest-one.yaml",
    "node1/iso/.talos-order.jsonl",
];

type Damage = fn(&Path, &Path);

/// What happens to a file. The second path leads to something that is nobody's.
const DAMAGES: [(&str, Damage); 9] = [
    ("empty", |file, _| {
        fs::write(file, "").unwrap();
    }),
    ("garbage", |file, _| {
        fs::write(file, "\0garbage\u{1b}[2J{").unwrap();
    }),
    ("truncated", |file, _| {
        let bytes = fs::read(file).unwrap_or_else(|_| b"{\"version\": 1, ".to_vec());
        fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("newer", |file, _| {
        fs::write(file, "{\"version\": 99}\n").unwrap();
    }),
    ("huge", |file, _| {
        fs::File::create(file).unwrap().set_len(3 << 30).unwrap();
    }),
    ("a pipe", |file, _| {
        let _ = fs::remove_file(file);
        mkfifoat(CWD, file, Mode::RUSR | Mode::WUSR).unwrap();
    }),
    ("a directory", |file, _| {
        let _ = fs::remove_file(file);
        fs::create_dir(file).unwrap();
        fs::write(file.join("kept"), "kept").unwrap();
    }),
    ("a link to nowhere", |file, _| {
        let _ = fs::remove_file(file);
        symlink("/nowhere/at/all", file).unwrap();
    }),
    ("a link elsewhere", |file, elsewhere| {
        let _ = fs::remove_file(file);
        symlink(elsewhere, file).unwrap();
    }),
];

/// What is at a path, to find it again under another name.
#[derive(Debug, PartialEq, Eq)]
pub enum Thing {
    Nothing,
    Bytes(Vec<u8>),
    /// More bytes than are worth reading, all of them zeros.
    Zeros(u64),
    Pipe,
    Link(PathBuf),
    Directory(Vec<u8>),
}

impl Thing {
    pub fn at(path: &Path) -> Self {
        let Ok(found) = fs::symlink_metadata(path) else {
            return Self::Nothing;
        };
        match found.file_type() {
            kind if kind.is_symlink() => Self::Link(fs::read_link(path).unwrap()),
            kind if kind.is_fifo() => Self::Pipe,
            kind if kind.is_dir() => {
                Self::Directory(fs::read(path.join("kept")).unwrap_or_default())
            }
            _ if found.len() > 1 << 30 && found.blocks() == 0 => Self::Zeros(found.len()),
            _ => Self::Bytes(fs::read(path).unwrap()),
        }
    }

    /// What it held is still there: under another name, or where it was, perhaps with
    /// more behind it.
    fn is_kept(&self, file: &Path) -> bool {
        let is_begun = match (self, Self::at(file)) {
            (Self::Bytes(before), Self::Bytes(now)) => now.starts_with(before),
            (before, now) => *before == now,
        };
        is_begun || aside(file).iter().any(|path| Self::at(path) == *self)
    }
}

/// What was given another name to make way for a file; events that are many as ever.
pub fn aside(file: &Path) -> Vec<PathBuf> {
    let name = file.file_name().unwrap().to_string_lossy();
    let name = name.trim_start_matches('.');
    let entries = fs::read_dir(file.parent().unwrap()).unwrap().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| {
            let found = path.file_name().unwrap().to_string_lossy();
            let aside = found.contains(".set-aside-") || found.contains(".damaged-");
            let is_older = name == "events.jsonl" && found == "events.1.jsonl";
            is_older || (aside && found.trim_start_matches('.').starts_with(name))
        })
        .collect()
}

/// What is lost with good reason: an empty file says nothing, what a lock or the cache's
/// made-up name said is nothing to come back to, and a record's line of a file is
/// replaced by the next one of that file.
fn may_be_lost(name: &str, what: &str) -> bool {
    let is_state = !name.ends_with(".lock") && !name.ends_with(".instance");
    what == "empty" || !is_state || (name.starts_with("node1") && what == "truncated")
}

/// Removes what was set aside, and what nobody has had a reason to replace.
fn clear(file: &Path) {
    let stays = file.is_file() && !file.is_symlink();
    let stale = aside(file).into_iter();
    for path in stale.chain((!stays).then(|| file.to_owned())) {
        match path.is_dir() && !path.is_symlink() {
            true => fs::remove_dir_all(path).unwrap(),
            false => drop(fs::remove_file(path)),
        }
    }
}

/// A world with one image in place, from a factory that gives ids of its own, and the
/// image's name.
pub fn world() -> (World, String) {
    let world = World::new(StubOptions {
        owner: Some("acme".to_owned()),
        ..StubOptions::default()
    });
    world.configure_local(1, "");
    world.order_one(
        "iso",
        "      version: {type: latest-in-minor, minor: v1.11}\n",
    );
    world.apply().expect(0);
    let [iso] = &images(&world.at("node1/iso"))[..] else {
        panic!("one image")
    };
    let iso = iso.clone();
    (world, iso)
}

/// The image is to be fetched again.
pub fn empty_cache(world: &World, iso: &str) {
    for beside in ["ISO", "ISO.sha256", ".ISO.meta.json"] {
        fs::remove_file(world.cache().join(beside.replace("ISO", iso))).unwrap();
    }
}

#[test]
fn whatever_lies_in_the_place_of_a_file_the_next_runs_put_it_right_and_keep_it() {
    let (world, iso) = world();
    let image = world.at("node1/iso").join(&iso);
    let wanted = digest(&image);
    let elsewhere = world.at("precious");
    let mut wrong = Vec::new();
    for name in FILES {
        for (what, damage) in DAMAGES {
            let file = world.at(&name.replace("ISO", &iso));
            damage(&file, &elsewhere);
            let before = Thing::at(&file);
            fs::write(&elsewhere, "precious").unwrap();
            let row = format!("{name}, {what}");
            // A dry run ends and touches nothing.
            world.program.run(&["plan"]);
            world.program.run(&["status"]);
            if Thing::at(&file) != before {
                wrong.push(format!("{row}: a look changed it"));
            }
            // A download gives a reason to write these.
            if ["schematics.json", "sizes.json", "events.jsonl"]
                .iter()
                .any(|file| name.ends_with(file))
            {
                empty_cache(&world, &iso);
            }
            // Only the loop tells of its steps.
            let first = match name.ends_with("events.jsonl") {
                true => world.program.run(&["run", "--once"]),
                false => world.apply(),
            };
            let second = world.apply();
            if second.code != Some(0) {
                wrong.push(format!("{row}: {first}\n{second}"));
            }
            if !may_be_lost(name, what) && !before.is_kept(&file) {
                wrong.push(format!("{row}: it is gone\n{first}"));
            }
            if digest(&image) != wanted || images(&world.at("node1/iso")) != [iso.as_str()] {
                wrong.push(format!("{row}: images are not what they were"));
            }
            if fs::read_to_string(&elsewhere).unwrap() != "precious" {
                wrong.push(format!("{row}: the link was followed"));
            }
            clear(&file);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
