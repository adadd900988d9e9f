//! What lies in the place of the program's own files, whatever it is, costs nothing but
//! what the file held.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::common::snapshot::images;
use crate::world::World;

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

/// The program's own files, below the world's directory.
const FILES: [&str; 13] = [
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
    "cache/.talos-v1.11.3-nocloud-amd64-376567988ad3.iso.meta.json",
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
    ("cut short", |file, _| {
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

/// Removes what was set aside, and what nobody has had a reason to replace.
fn clear(file: &Path) {
    let name = file.file_name().unwrap().to_string_lossy();
    let name = name.trim_start_matches('.');
    for entry in fs::read_dir(file.parent().unwrap()).unwrap().flatten() {
        let path: PathBuf = entry.path();
        let found = entry.file_name().to_string_lossy().into_owned();
        let aside = found.contains(".set-aside-") || found.contains(".damaged-");
        let stays = path == file && path.is_file() && !path.is_symlink();
        if (path == file && !stays) || (aside && found.trim_start_matches('.').starts_with(name)) {
            match path.is_dir() && !path.is_symlink() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
    }
}

#[test]
fn whatever_lies_in_the_place_of_a_file_the_next_runs_put_it_right() {
    let world = World::small();
    world.configure_local(1, "");
    world.order(
        "one.yaml",
        &crate::world::position(
            "one",
            "iso",
            "      version: {type: latest-in-minor, minor: v1.11}\n",
        ),
    );
    world.apply().expect(0);
    let wanted = images(&world.at("node1/iso"));
    let elsewhere = world.at("precious");
    let mut wrong = Vec::new();
    for name in FILES {
        for (what, damage) in DAMAGES {
            let file = world.at(name);
            damage(&file, &elsewhere);
            fs::write(&elsewhere, "precious").unwrap();
            let row = format!("{name}, {what}");
            // A dry run ends and touches nothing.
            world.program.run(&["plan"]);
            world.program.run(&["status"]);
            let first = world.apply();
            let second = world.apply();
            if second.code != Some(0) {
                wrong.push(format!("{row}: {first}\n{second}"));
            }
            if images(&world.at("node1/iso")) != wanted {
                wrong.push(format!("{row}: images are not what they were"));
            }
            if fs::read_to_string(&elsewhere).unwrap() != "precious" {
                wrong.push(format!("{row}: the link was followed"));
            }
            clear(&file);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
}
