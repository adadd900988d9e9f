//! What a node can send, for `crate::fuzz`.

use std::collections::BTreeSet;
use std::io::Write;

use super::protocol::{answer, listing, record, vm_config, vms};
use super::rsync::output::RsyncProgress;
use crate::facts::{DirState, NodeState, NodeVms, References};
use crate::io::Meter;
use crate::model::Dir;

/// The output of a look, frame included: what was understood of it can be written as
/// the script writes it, and is understood the same.
pub fn answer(bytes: &[u8]) {
    if let Some(state) = look(bytes) {
        let again = written(&state);
        let understood = look(&again);
        let text = String::from_utf8_lossy(&again);
        assert_eq!(understood.as_ref(), Some(&state), "{text}");
    }
}

/// The directories that the answers of the seeds are about.
const DIRS: [&str; 2] = ["/var/lib/vz/import", "/var/lib/vz/template/iso"];

fn look(bytes: &[u8]) -> Option<NodeState> {
    let dirs: BTreeSet<Dir> = DIRS.map(|dir| dir.parse().expect("a directory")).into();
    listing::read(&answer::read(bytes, NONCE).ok()?, &dirs)
}

/// The nonce that the answers of the seeds carry.
pub const NONCE: &str = "n1";

/// What `observe.sh` prints for a state.
fn written(state: &NodeState) -> Vec<u8> {
    let NodeState::Listed {
        dirs,
        tools,
        references,
    } = state
    else {
        panic!("a look that failed was read");
    };
    let mut out = format!("\0begin {NONCE}\0").into_bytes();
    let mut say = |text: &str| write!(out, "{text}\0").expect("room");
    for tool in tools {
        say(&format!("tool {tool}"));
    }
    for (number, state) in dirs.values().enumerate() {
        for field in fields(state) {
            let (tag, value) = field.split_once(' ').unwrap_or((&field, ""));
            say(&format!("{tag} {number} {value}"));
        }
    }
    match references {
        References::Known(known) => {
            let mut lines = String::new();
            for (name, ids) in known {
                for id in ids {
                    lines += &format!("/etc/pve/nodes/a/qemu-server/{id}.conf:/{name}\n");
                }
            }
            say(&format!("refs {lines}"));
        }
        References::Unknown { why } => {
            let why = why.split_once(": ").map_or("", |(_, why)| why);
            say(&format!("unread {why}"));
        }
    }
    say(&format!("end {NONCE}"));
    out
}

/// The fields about one directory, without its number.
fn fields(state: &DirState) -> Vec<String> {
    let DirState {
        exists,
        files,
        record,
        free_bytes,
        total_bytes,
        mount_point,
        nearest,
        root,
        is_silent,
        inodes_full,
        is_proxmox,
        parts,
        unread,
    } = state;
    let mut fields = Vec::new();
    for (is, tag) in [
        (exists, "present"),
        (is_silent, "silent"),
        (inodes_full, "full"),
        (is_proxmox, "proxmox"),
    ] {
        fields.extend(is.then(|| tag.to_owned()));
    }
    fields.extend(free_bytes.map(|free| format!("free {free} 1")));
    fields.extend(total_bytes.map(|total| format!("size {total} 1")));
    fields.extend(mount_point.as_ref().map(|mount| format!("mount {mount}")));
    fields.extend(nearest.as_ref().map(|near| format!("nearest {near}")));
    fields.extend(root.as_ref().map(|root| {
        let mount = root.mount.as_deref().unwrap_or("-");
        format!("root {} {} {mount} {}", root.name, root.kind, root.path)
    }));
    for (name, file) in files {
        let (seconds, fraction) = (
            file.mtime.div_euclid(1_000_000_000),
            file.mtime.rem_euclid(1_000_000_000),
        );
        let time = format!("{seconds}.{fraction:09}0");
        fields.push(format!("file {} {time} {} {name}", file.size, file.inode));
    }
    for (name, part) in parts {
        let (now, blocks) = (part.idle_seconds, part.bytes / 512);
        fields.push(format!("part {now} 0.0000000000 {blocks} {name}"));
    }
    fields.extend(unread.as_ref().map(|why| format!("norecord {why}")));
    if !record.is_empty() {
        let lines = record.values().map(|entry| {
            let line = serde_json::to_string(entry).expect("a form in JSON");
            format!("\n{line}")
        });
        fields.push(format!(
            "record {}{}",
            record::HEADER,
            lines.collect::<String>()
        ));
    }
    fields
}

/// What a node says of the storage that a directory belongs to, where nothing but the
/// root directory is mounted.
pub fn root(bytes: &[u8]) -> Option<(Dir, DirState)> {
    let mut output = format!("\0begin {NONCE}\0root 0 ").into_bytes();
    output.extend(bytes.iter().filter(|&&byte| byte != 0));
    output.extend(format!("\0mount 0 /\0refs \0end {NONCE}\0").bytes());
    answer(&output);
    let NodeState::Listed { dirs, .. } = look(&output)? else {
        return None;
    };
    dirs.into_iter().next()
}

/// The record beside the images in a directory.
pub fn record(bytes: &[u8]) {
    for (name, entry) in record::parse(bytes) {
        assert_eq!(name, entry.name);
        let line = serde_json::to_vec(&entry).expect("a form in JSON");
        assert_eq!(record::parse_line(&line), Some(entry));
    }
}

/// The configuration of a virtual machine: what was understood of it can be written as
/// Proxmox VE writes it, and is understood the same.
pub fn vm_config(bytes: &[u8]) {
    let config = vm_config::parse(bytes);
    let again = vm_config::write(&config);
    assert_eq!(vm_config::parse(again.as_bytes()), config, "{again}");
}

/// What a node says of its virtual machines; why they are not known, if it says so.
pub fn vms(bytes: &[u8]) -> Option<String> {
    let answer = answer::read(bytes, NONCE).ok()?;
    match vms::read(&answer)? {
        NodeVms::Known(inventory) => {
            for config in inventory.marked.values() {
                assert!(config.mark_line().is_some(), "{config:?}");
            }
            for (template, clones) in inventory.clones.expect("asked for") {
                assert!(!clones.is_empty() && !clones.contains(&template));
            }
            None
        }
        NodeVms::Unknown { why } => Some(why),
        NodeVms::Unreachable { .. } => panic!("an answer was read"),
    }
}

/// What rsync says while it works.
pub fn rsync_progress(bytes: &[u8]) {
    let meter = Meter::default();
    RsyncProgress::new(&meter).take(bytes);
}
