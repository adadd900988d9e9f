//! Reads the answer to `observe`: what is in the directories of a node.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{DirState, NodeState, Part, RemoteFile, StorageRoot};
use crate::model::{Dir, PartName};
use crate::nodes::protocol::answer::{ScriptAnswer, excerpt};
use crate::nodes::protocol::record;
use crate::nodes::protocol::references;

/// The fields that are about one directory.
const TAGS: [&str; 13] = [
    "present", "free", "size", "full", "mount", "nearest", "root", "proxmox", "silent", "file",
    "record", "norecord", "part",
];

/// The state that an answer describes; `None` if it is not what the script
/// writes. Directories are numbered in the order in which they were asked for.
pub(crate) fn read(answer: &ScriptAnswer<'_>, dirs: &BTreeSet<Dir>) -> Option<NodeState> {
    let mut states: Vec<DirState> = vec![DirState::default(); dirs.len()];
    let mut tools = BTreeSet::new();
    for &(tag, value) in &answer.fields {
        if tag == "tool" {
            tools.insert(String::from_utf8_lossy(value).into_owned());
            continue;
        }
        if !TAGS.contains(&tag) {
            continue;
        }
        let (number, rest) = word(value);
        let state = states.get_mut(text(number)?.parse::<usize>().ok()?)?;
        match tag {
            "present" => state.exists = true,
            "free" => state.free_bytes = blocks(rest)?,
            "size" => state.total_bytes = blocks(rest)?,
            "full" => state.inodes_full = true,
            "silent" => state.is_silent = true,
            "proxmox" => state.is_proxmox = true,
            "nearest" => state.nearest = Some(String::from_utf8_lossy(rest).into_owned()),
            "root" => state.root = Some(root(rest)?),
            "mount" => state.mount_point = Some(String::from_utf8_lossy(rest).into_owned()),
            "file" => {
                let (name, file) = file(rest)?;
                state.files.insert(name, file);
            }
            // A name that is none of ours is none of our business.
            "part" => {
                if let Some((name, part)) = part(rest)? {
                    add(state, name, part);
                }
            }
            // The beginning of one that cannot be read whole is none.
            "record" if state.unread.is_some() => {}
            "record" => state.record = record::parse(rest),
            "norecord" => state.unread = Some(excerpt(rest)),
            _ => continue,
        }
    }
    // What came of it before reading failed is not all of it.
    for state in states.iter_mut().filter(|state| state.unread.is_some()) {
        state.record.clear();
    }
    let references = references::read(answer, &states)?;
    let dirs: BTreeMap<Dir, DirState> = dirs.iter().cloned().zip(states).collect();
    Some(NodeState::Listed {
        dirs,
        tools,
        references,
    })
}

/// Blocks and their size, multiplied here: a shell's arithmetic may be
/// narrower than a petabyte. A product that does not fit is not known.
fn blocks(value: &[u8]) -> Option<Option<u64>> {
    let (blocks, size) = text(value)?.split_once(' ')?;
    let (blocks, size): (u64, u64) = (blocks.parse().ok()?, size.parse().ok()?);
    Some(blocks.checked_mul(size))
}

/// Name, kind, mount point or `-`, and the path, which may hold blanks.
fn root(value: &[u8]) -> Option<StorageRoot> {
    let text = String::from_utf8_lossy(value);
    let mut words = text.splitn(4, ' ');
    let mut word = || Some(words.next()?.to_owned());
    let (name, kind, mount, path) = (word()?, word()?, word()?, word()?);
    let mount = (mount != "-").then_some(mount);
    // No other path is held against what is mounted: everything is below nothing.
    let is_path = |text: &String| text.starts_with('/');
    let is_whole = is_path(&path) && mount.as_ref().is_none_or(is_path);
    is_whole.then_some(StorageRoot {
        name,
        kind,
        mount,
        path,
    })
}

/// Size, modification time with a fraction, inode number, and then the name,
/// whatever bytes it has. A name that is not UTF-8 gets a character that no
/// [`FileName`](crate::model::FileName) accepts, so it is never taken for ours.
fn file(value: &[u8]) -> Option<(String, RemoteFile)> {
    let (size, rest) = word(value);
    let (mtime, rest) = word(rest);
    let (inode, name) = word(rest);
    let file = RemoteFile {
        size: text(size)?.parse().ok()?,
        mtime: nanoseconds(text(mtime)?)?,
        inode: text(inode)?.parse().ok()?,
    };
    Some((String::from_utf8_lossy(name).into_owned(), file))
}

/// What the node's clock showed, modification time with a fraction, blocks of 512 bytes,
/// and then the name; nothing where the name is not one that we give.
#[expect(clippy::option_option, reason = "unreadable or foreign")]
fn part(value: &[u8]) -> Option<Option<(PartName, Part)>> {
    let (now, rest) = word(value);
    let (mtime, rest) = word(rest);
    let (blocks, name) = word(rest);
    let (now, blocks): (i64, u64) = (text(now)?.parse().ok()?, text(blocks)?.parse().ok()?);
    let idle = now.saturating_sub(nanoseconds(text(mtime)?)? / 1_000_000_000);
    let part = Part {
        bytes: blocks.saturating_mul(512),
        // One that was written to in the future is being written to.
        idle_seconds: u64::try_from(idle).unwrap_or(0),
    };
    let name = text(name).and_then(|name| name.parse().ok());
    Some(name.map(|name| (name, part)))
}

/// A part and what rsync takes bytes from for it are one part: they go together.
fn add(state: &mut DirState, name: PartName, part: Part) {
    let known = state.parts.entry(name).or_insert(Part {
        bytes: 0,
        idle_seconds: u64::MAX,
    });
    known.bytes = known.bytes.saturating_add(part.bytes);
    known.idle_seconds = known.idle_seconds.min(part.idle_seconds);
}

/// find writes seconds, a point and ten digits; before 1970 the seconds are
/// rounded down and the fraction counts up from there.
fn nanoseconds(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.')?;
    let fraction = fraction.get(..9)?;
    seconds
        .parse::<i64>()
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(fraction.parse::<u32>().ok()?.into())
}

fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&byte| byte == b' ') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::samples::entry;

    fn dirs() -> BTreeSet<Dir> {
        ["/a", "/b"].map(|dir| dir.parse().unwrap()).into()
    }

    fn state(mut fields: Vec<(&str, &[u8])>) -> Option<NodeState> {
        fields.push(("refs", b""));
        let noise = String::new();
        read(&ScriptAnswer { noise, fields }, &dirs())
    }

    #[test]
    fn names_are_taken_as_they_are() {
        let fields: Vec<(&str, &[u8])> =
            vec![
            ("tool", b"rsync"),
            ("free", b"0 10 4096"),
            ("size", b"0 20 4096"),
            ("mount", b"0 /mnt/with blank"),
            ("free", b"1 9007199254740992 4096"),
            ("present", b"1"),
            ("silent", b"0"),
            ("full", b"1"),
            ("nearest", b"0 /mnt"),
            ("proxmox", b"0"),
            ("root", b"0 usb dir /mnt/u /mnt/u/with blank"),
            ("root", b"1 local dir - /b"),
            ("file", b"1 12 1700000000.9999999990 77 a b\n1 2 3 4 c"),
            ("file", b"1 0 -5.0000000000 78 \xff"),
            (
                "part",
                b"1 1700000100 1700000000.5000000000 16 .talos-order.parts/c.iso.0123456789ab.part",
            ),
            ("part", b"1 50 1700000000.0000000000 8 .talos-order.c.iso.part"),
            ("part", b"1 50 10.0000000000 8 .talos-order.parts/\xff.part"),
            ("tick", b""),
        ];
        let Some(NodeState::Listed { dirs, tools, .. }) = state(fields) else {
            panic!("refused")
        };
        assert!(tools.contains("rsync"));
        let [a, b] = dirs.into_values().collect::<Vec<_>>().try_into().unwrap();
        assert!(!a.exists && b.exists);
        assert_eq!((a.free_bytes, a.total_bytes), (Some(40960), Some(81920)));
        assert_eq!(b.free_bytes, None, "more than can be counted is not known");
        assert!(a.is_silent && !a.inodes_full && !b.is_silent && b.inodes_full);
        assert_eq!((a.nearest.as_deref(), b.nearest), (Some("/mnt"), None));
        assert!(a.is_proxmox && !b.is_proxmox);
        let root = a.root.unwrap();
        assert_eq!((root.name.as_str(), root.kind.as_str()), ("usb", "dir"));
        assert_eq!(root.mount.as_deref(), Some("/mnt/u"));
        assert_eq!(root.path, "/mnt/u/with blank");
        assert_eq!(b.root.unwrap().mount, None);
        assert_eq!(a.mount_point.as_deref(), Some("/mnt/with blank"));
        assert_eq!(
            b.files["a b\n1 2 3 4 c"],
            RemoteFile {
                size: 12,
                mtime: 1_700_000_000_999_999_999,
                inode: 77
            }
        );
        assert!(b.files.contains_key("\u{fffd}"));
        let parts = b.parts.iter().map(|(name, part)| {
            let name = name.to_string();
            (name, part.bytes, part.idle_seconds)
        });
        assert_eq!(
            parts.collect::<Vec<_>>(),
            [
                (".talos-order.c.iso.part".to_owned(), 4096, 0),
                (
                    ".talos-order.parts/c.iso.0123456789ab.part".to_owned(),
                    8192,
                    100
                ),
            ]
        );
    }

    #[test]
    fn a_part_and_its_basis_are_one() {
        let name = ".talos-order.parts/c.iso.0123456789ab.part";
        let part =
            |mtime, blocks| format!("1 1700000100 17000000{mtime}.0000000000 {blocks} {name}");
        let (part, basis) = (part("40", 16), part("10", 8));
        for fields in [[&part, &basis], [&basis, &part]] {
            let fields = fields.map(|value| ("part", value.as_bytes()));
            let Some(NodeState::Listed { dirs, .. }) = state(fields.to_vec()) else {
                panic!("refused")
            };
            let parts = &dirs[&"/b".parse().unwrap()].parts;
            let one = parts[&name.parse().unwrap()];
            assert_eq!((one.bytes, one.idle_seconds), (24 * 512, 60));
        }
    }

    #[test]
    fn half_a_record_is_none() {
        let line = serde_json::to_string(&entry("a.iso")).unwrap();
        let (whole, half) = (format!("0 {line}\n"), format!("1 {line}\n"));
        let fields: Vec<(&str, &[u8])> = vec![
            ("record", whole.as_bytes()),
            ("record", half.as_bytes()),
            (
                "norecord",
                b"1 dd: error reading '/b': Input/output error\x1b[2J",
            ),
        ];
        let Some(NodeState::Listed { dirs, .. }) = state(fields) else {
            panic!("refused")
        };
        let [a, b] = dirs.into_values().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((a.record.len(), a.unread), (1, None));
        assert!(b.record.is_empty());
        let why = b.unread.unwrap();
        assert!(
            why.contains("Input/output error") && !why.contains('\x1b'),
            "{why}"
        );
    }

    #[test]
    fn what_the_script_does_not_write_is_refused() {
        for (tag, value) in [
            (
                "file",
                "2 1 1.0000000000 1 beyond the directories asked for",
            ),
            ("file", "0 x 1.0000000000 1 name"),
            ("file", "0 1 1.0 1 name"),
            ("free", "0 many 4096"),
            ("present", ""),
            ("root", "0 name kind -"),
            ("part", "0 1 1.0000000000 many .talos-order.a.part"),
            ("root", "0 name kind  /a"),
            ("root", "0 name kind mnt /a"),
            ("root", "0 name kind - a"),
        ] {
            let fields = vec![(tag, value.as_bytes())];
            assert_eq!(state(fields), None, "{tag} {value}");
        }
    }
}
