//! What is on a disk after the power was cut, from the log of what was done to it.
//!
//! The rules are those of a journalling file system, taken as badly as ext4 and XFS
//! allow: what happened to names is kept up to some moment and lost behind it, in the
//! order in which it happened, and only the sync of a directory says that it is kept.
//! The bytes of a file are kept where the file was synced; of those that came later any
//! may be there or not, and the length as well. Each root is a disk of its own.

mod happened;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fastrand::Rng;

use happened::{Bytes, Change, Facts, Id, Names, Naming, Thing, apply};

use crate::call_log::{Line, Op};
use crate::places::empty;

/// The unit in which bytes reach a disk.
const BLOCK: usize = 4096;

/// The flags of Linux that matter here.
const O_CREAT: u32 = 0o100;
const O_TRUNC: u32 = 0o1000;
const RENAME_NOREPLACE: u32 = 1;
const KEEP_SIZE: u32 = 1;
const PUNCH_HOLE: u32 = 2;

/// What happened, and what there was before.
pub struct Disk {
    roots: Vec<PathBuf>,
    before: Names,
    /// The content of each file before; empty for later ones.
    contents: Vec<Vec<u8>>,
    facts: Vec<Option<Facts>>,
    /// With the number of the log's line that it is from.
    namings: Vec<(usize, Naming)>,
    changes: Vec<(usize, Id, Change)>,
    /// When the names of a root were synced.
    synced: Vec<(usize, PathBuf)>,
    lines: usize,
    said: Vec<String>,
}

/// How much of what was not synced is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Everything: the same as a kill.
    All,
    /// Nothing.
    Nothing,
    /// All names, no bytes.
    Names,
    /// All names and all lengths, no bytes.
    Lengths,
    /// All bytes, no names.
    Bytes,
    /// Chance decides, of each name and each block.
    Some(u64),
}

/// True for a directory with something in it.
fn has_entries(live: &Names, path: &Path) -> bool {
    let mut behind = live.keys().filter(|other| other.starts_with(path));
    behind.any(|other| other != path)
}

impl Disk {
    /// The roots as they are now.
    pub fn before(roots: &[PathBuf]) -> Self {
        let mut disk = Self {
            roots: roots.to_vec(),
            before: Names::new(),
            contents: Vec::new(),
            facts: Vec::new(),
            namings: Vec::new(),
            changes: Vec::new(),
            synced: Vec::new(),
            lines: 0,
            said: Vec::new(),
        };
        for root in roots {
            disk.take_in(root);
        }
        disk
    }

    fn take_in(&mut self, path: &Path) {
        let Ok(meta) = fs::symlink_metadata(path) else {
            return;
        };
        let thing = if meta.is_dir() {
            for entry in fs::read_dir(path).unwrap().flatten() {
                self.take_in(&entry.path());
            }
            Thing::Dir
        } else if meta.is_symlink() {
            Thing::Link(fs::read_link(path).unwrap())
        } else if meta.is_file() {
            self.contents.push(fs::read(path).unwrap());
            self.facts.push(Some(Facts::of(&meta)));
            Thing::File(self.contents.len() - 1)
        } else {
            return;
        };
        self.before.insert(path.to_owned(), thing);
    }

    /// Adds what a log tells, and looks at the roots as they are after it. Fails where
    /// the log does not lead to what is there: it would prove nothing.
    pub fn replay(&mut self, log: &[u8]) -> Result<(), String> {
        let mut live = self.before.clone();
        let mut rest = log;
        while !rest.is_empty() {
            let (line, after) = Line::read(rest).ok_or("the log is cut off")?;
            rest = after;
            self.said.push(line.to_string());
            self.follow(&mut live, line);
            self.lines += 1;
        }
        for (path, thing) in &live {
            let (Thing::File(id), Ok(meta)) = (thing, fs::symlink_metadata(path)) else {
                continue;
            };
            self.facts[*id] = Some(Facts::of(&meta));
        }
        self.compare(&live)
    }

    fn compare(&self, live: &Names) -> Result<(), String> {
        let now = Self::before(&self.roots);
        let names = |names: &Names| names.keys().cloned().collect::<Vec<_>>();
        if names(live) != names(&now.before) {
            let only = |a: &Names, b: &Names| {
                let only = a.keys().filter(|path| !b.contains_key(*path));
                only.cloned().collect::<Vec<_>>()
            };
            return Err(format!(
                "only by the log: {:?}; only on the disk: {:?}",
                only(live, &now.before),
                only(&now.before, live)
            ));
        }
        for (path, thing) in live {
            if let (Thing::File(id), Thing::File(there)) = (thing, &now.before[path])
                && self.content(*id, self.lines, &mut Bytes::All) != now.contents[*there]
            {
                return Err(format!("{} is not what the log says", path.display()));
            }
        }
        Ok(())
    }

    /// How many calls the log has: the power can go before each, and after the last.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// The call before which the power goes.
    pub fn said(&self, at: usize) -> &str {
        self.said.get(at).map_or("the end", String::as_str)
    }

    fn file(&mut self) -> Thing {
        self.contents.push(Vec::new());
        self.facts.push(None);
        Thing::File(self.contents.len() - 1)
    }

    fn follow(&mut self, live: &mut Names, line: Line) {
        let at = self.lines;
        let parent_is_there = |live: &Names, path: &Path| {
            matches!(live.get(path.parent().unwrap()), Some(Thing::Dir))
        };
        let id = match live.get(&line.path) {
            Some(Thing::File(id)) => Some(*id),
            _ => None,
        };
        let naming = match line.op {
            Op::Open => {
                if let Some(id) = id {
                    if line.flags & O_TRUNC != 0 {
                        self.changes.push((at, id, Change::Length(0)));
                    }
                    return;
                }
                let makes = line.flags & O_CREAT != 0 && !live.contains_key(&line.path);
                if !makes || !parent_is_there(live, &line.path) {
                    return;
                }
                Naming::Made(line.path, self.file())
            }
            Op::Write | Op::Truncate | Op::Allocate | Op::Fsync if id.is_some() => {
                let id = id.unwrap();
                let change = match line.op {
                    Op::Write => Change::Write(line.a, line.data),
                    Op::Truncate => Change::Length(line.a),
                    Op::Fsync => Change::Synced,
                    _ if line.flags & PUNCH_HOLE != 0 => {
                        Change::Write(line.a, vec![0; line.b as usize])
                    }
                    _ if line.flags & KEEP_SIZE != 0 => return,
                    _ => {
                        let length = self.content(id, at, &mut Bytes::All).len() as u64;
                        Change::Length(length.max(line.a + line.b))
                    }
                };
                self.changes.push((at, id, change));
                return;
            }
            Op::Fsync | Op::Sync => {
                let roots = self.roots.iter();
                let of =
                    roots.filter(|root| line.path.starts_with(root) || line.path == Path::new(""));
                self.synced.extend(of.map(|root| (at, root.clone())));
                return;
            }
            Op::Rename => {
                let taken = line.flags & RENAME_NOREPLACE != 0 && live.contains_key(&line.other);
                if taken || !live.contains_key(&line.path) || !parent_is_there(live, &line.other) {
                    return;
                }
                Naming::Renamed(line.path, line.other)
            }
            // A directory goes when it is empty only.
            Op::Unlink if live.contains_key(&line.path) && !has_entries(live, &line.path) => {
                Naming::Removed(line.path)
            }
            Op::Link => match live.get(&line.path) {
                Some(thing) if !live.contains_key(&line.other) => {
                    Naming::Made(line.other, thing.clone())
                }
                _ => return,
            },
            Op::Symlink if !live.contains_key(&line.path) => {
                Naming::Made(line.path, Thing::Link(line.other))
            }
            Op::Mkdir if !live.contains_key(&line.path) && parent_is_there(live, &line.path) => {
                Naming::Made(line.path, Thing::Dir)
            }
            _ => return,
        };
        apply(live, &naming);
        self.namings.push((at, naming));
    }

    /// The content of a file before the line `until`.
    fn content(&self, id: Id, until: usize, bytes: &mut Bytes<'_>) -> Vec<u8> {
        let of_it = self
            .changes
            .iter()
            .filter(|(at, of, _)| *of == id && *at < until);
        let changes: Vec<&Change> = of_it.map(|(_, _, change)| change).collect();
        let synced = changes
            .iter()
            .rposition(|change| matches!(change, Change::Synced));
        let synced = synced.map_or(0, |at| at + 1);
        let mut content = self.contents[id].clone();
        for change in &changes[..synced] {
            change.apply(&mut content, &mut Bytes::All);
        }
        let late = &changes[synced..];
        let kept = match bytes {
            Bytes::None => 0,
            Bytes::All | Bytes::Lengths => late.len(),
            Bytes::Some(random) => random.usize(0..=late.len()),
        };
        for change in &late[..kept] {
            change.apply(&mut content, bytes);
        }
        content
    }

    /// Makes the roots what they are after the power went before a line.
    pub fn cut(&self, at: usize, kept: Kept, boot: &str) {
        let mut random = Rng::with_seed(match kept {
            Kept::Some(seed) => seed,
            _ => 0,
        });
        let mut names = self.before.clone();
        for root in &self.roots {
            let barrier = self.synced.iter().rev();
            let mut barrier = barrier.filter(|(when, of)| *when < at && of == root);
            let barrier = barrier.next().map_or(0, |(when, _)| *when);
            let until = match kept {
                Kept::All | Kept::Names | Kept::Lengths => at,
                Kept::Nothing | Kept::Bytes => barrier,
                Kept::Some(_) => random.usize(barrier..=at),
            };
            for (_, naming) in self.namings.iter().filter(|(when, _)| *when < until) {
                if naming.path().starts_with(root) {
                    apply(&mut names, naming);
                }
            }
        }
        for root in &self.roots {
            empty(root);
        }
        let mut bytes = match kept {
            Kept::All | Kept::Bytes => Bytes::All,
            Kept::Nothing | Kept::Names => Bytes::None,
            Kept::Lengths => Bytes::Lengths,
            Kept::Some(_) => Bytes::Some(&mut random),
        };
        let mut made: BTreeMap<Id, PathBuf> = BTreeMap::new();
        let mut inodes = Vec::new();
        for (path, thing) in &names {
            match thing {
                Thing::Dir => fs::create_dir_all(path).unwrap(),
                Thing::Link(to) => std::os::unix::fs::symlink(to, path).unwrap(),
                Thing::File(id) => match made.get(id) {
                    Some(first) => fs::hard_link(first, path).unwrap(),
                    None => {
                        let content = self.content(*id, at, &mut bytes);
                        let new = self.put(path, &content, self.facts[*id]);
                        inodes.extend(self.facts[*id].map(|facts| (facts.inode, new)));
                        made.insert(*id, path.clone());
                    }
                },
            }
        }
        for path in made.values() {
            self.as_on_this_disk(path, &inodes, boot);
        }
    }

    /// Writes a file in one step, as whoever looks at its name would find it; gives its
    /// inode number.
    fn put(&self, path: &Path, content: &[u8], facts: Option<Facts>) -> u64 {
        let hidden = path.parent().unwrap().join(".on-its-way");
        fs::write(&hidden, content).unwrap();
        if let Some(facts) = facts {
            let file = fs::File::options().write(true).open(&hidden).unwrap();
            file.set_modified(facts.mtime).unwrap();
            file.set_permissions(fs::Permissions::from_mode(facts.mode))
                .unwrap();
        }
        let inode = fs::metadata(&hidden).unwrap().ino();
        fs::rename(&hidden, path).unwrap();
        inode
    }

    /// A record tells files by their inode numbers, which are others here, and some
    /// tell the boot, which would be another one.
    fn as_on_this_disk(&self, path: &Path, inodes: &[(u64, u64)], boot: &str) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with('.') && !name.contains(".json") {
            return;
        }
        let Ok(text) = fs::read_to_string(path) else {
            return;
        };
        let mut new = text.replace(boot, "00000000-0000-4000-8000-000000000000");
        // In two steps: a new number may be another one's old number.
        for (at, (old, _)) in inodes.iter().enumerate() {
            new = new.replace(&format!("\"inode\":{old},"), &format!("\"inode\":#{at},"));
        }
        for (at, (_, now)) in inodes.iter().enumerate() {
            new = new.replace(&format!("\"inode\":#{at},"), &format!("\"inode\":{now},"));
        }
        if new != text {
            let modified = fs::metadata(path).unwrap().modified().unwrap();
            // In place: its own inode number may be in a record, too.
            fs::write(path, new).unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(modified).unwrap();
        }
    }
}
