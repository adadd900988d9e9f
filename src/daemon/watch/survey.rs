//! One look at the orders: what is there, as a number, and where to listen.
//!
//! The way to the orders is walked component by component as the kernel does it,
//! because each link on it (git-sync's `current`, Kubernetes' `..data`) may be
//! turned elsewhere, and each directory may be replaced, which shows in the directory
//! that holds it and nowhere else. The tree below is read as the orders are: links are
//! followed within it, names with a dot in front are left out (`.git`, an editor's
//! leavings).
//!
//! Contents are not read. Size, times, inode and link targets change with every
//! way of writing a file; the time of change cannot even be set back. A file that
//! changed in the tick of the kernel's clock in which the look began is the exception:
//! a second write of the same length in this tick leaves no trace. The survey says so
//! ([`Survey::fresh`]), and another one has to follow. (A file system that keeps whole
//! seconds only can hide a write for as long; there the next scheduled run, which
//! reads everything, is the cure.)

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

/// As many links in a row as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// Entries that are looked at. Beyond this it is not a directory of orders that
/// somebody named, and a look must stay cheap.
const ENTRIES_MAX: usize = 100_000;

/// What a look came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Changes with everything that may change what the orders say.
    pub fingerprint: u64,
    /// Where to listen.
    pub places: Places,
    /// The orders exist.
    pub present: bool,
    /// There was more than is looked at.
    pub truncated: bool,
    /// A file changed so lately that it can change again without another fingerprint.
    pub fresh: bool,
}

/// Where to listen, by real paths.
///
/// With every directory but the root there is the one that holds it, and the name by
/// which it does; what this is good for is said in [`watch`](super).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Directories that hold orders, or links on the way to them.
    pub dirs: BTreeSet<PathBuf>,
    /// Directories that only hold the next one of the way.
    pub way: BTreeSet<PathBuf>,
    /// Those of them in which every visible name counts.
    pub trees: BTreeSet<PathBuf>,
    /// Names that count wherever they are.
    pub names: BTreeSet<PathBuf>,
}

impl Places {
    /// Every directory to be watched, each after the one that holds it.
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        // Paths are compared by component, so a path sorts behind its beginning.
        self.dirs.union(&self.way).map(PathBuf::as_path)
    }

    /// True if something that happened at a path may matter.
    pub(super) fn concern(&self, path: &Path) -> bool {
        let visible = || path.file_name().is_some_and(|name| !is_hidden(name));
        let in_tree = || path.parent().is_some_and(|dir| self.trees.contains(dir));
        let itself = || self.dirs.contains(path) || self.way.contains(path);
        self.names.contains(path) || itself() || (visible() && in_tree())
    }
}

/// Looks at the orders. Never fails: what cannot be read is a fact like others,
/// and part of the fingerprint.
pub(super) fn survey(orders: &Path) -> Survey {
    let mut look = Surveyor::begin();
    let end = look.resolve(orders);
    let present = end.is_some();
    if let Some((real, meta)) = end {
        look.root.clone_from(&real);
        look.thing(&real, &meta);
    }
    Survey {
        fingerprint: look.hash.finish(),
        places: look.places,
        present,
        truncated: look.entries > ENTRIES_MAX,
        fresh: look.fresh,
    }
}

struct Surveyor {
    /// The kernel's clock at the beginning, as it goes into times of change: a change
    /// from now on has no earlier time than this.
    began: (i64, i64),
    fresh: bool,
    hash: DefaultHasher,
    places: Places,
    /// The real path of the orders: what a link leads to outside is not read, so it
    /// is not looked at either.
    root: PathBuf,
    /// Real directories that were listed: a link may lead back.
    listed: HashSet<PathBuf>,
    entries: usize,
}

impl Surveyor {
    fn begin() -> Self {
        Self {
            began: clock(ClockId::RealtimeCoarse),
            fresh: false,
            hash: DefaultHasher::default(),
            places: Places::default(),
            root: PathBuf::new(),
            listed: HashSet::new(),
            entries: 0,
        }
    }

    /// Follows a path to the real thing behind it and notes every place where the
    /// way can change. `None` where it leads nowhere.
    fn resolve(&mut self, path: &Path) -> Option<(PathBuf, Metadata)> {
        let mut rest: VecDeque<OsString> = parts(path).collect();
        let mut here = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&part);
            let meta = match fs::symlink_metadata(&next) {
                Ok(meta) => meta,
                Err(error) => return self.dead_end(&here, next, &error),
            };
            if meta.is_symlink() {
                let target = match fs::read_link(&next) {
                    Ok(target) if links < LINKS_MAX => target,
                    Ok(_) => return self.dead_end(&here, next, &Errno::LOOP.into()),
                    Err(error) => return self.dead_end(&here, next, &error),
                };
                links += 1;
                self.listen(&here, next);
                target.hash(&mut self.hash);
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for part in parts(&target).rev() {
                    rest.push_front(part);
                }
            } else if rest.is_empty() {
                self.listen(&here, next.clone());
                return Some((next, meta));
            } else if meta.is_dir() {
                self.go_through(&here, &next);
                here = next;
            } else {
                return self.dead_end(&here, next, &Errno::NOTDIR.into());
            }
        }
        // The path is the root, or ends in `..`.
        let meta = fs::symlink_metadata(&here).ok()?;
        Some((here, meta))
    }

    /// Where the way ends too early, it may go on later.
    fn dead_end<T>(&mut self, dir: &Path, name: PathBuf, error: &io::Error) -> Option<T> {
        self.listen(dir, name);
        error.kind().hash(&mut self.hash);
        None
    }

    fn listen(&mut self, dir: &Path, name: PathBuf) {
        self.places.dirs.insert(dir.to_owned());
        self.places.names.insert(name);
    }

    /// A directory on the way, which may be replaced like any other.
    fn go_through(&mut self, dir: &Path, name: &Path) {
        // Most of them are known: all files have the greatest part of the way in common.
        if !self.places.names.contains(name) {
            self.places.way.insert(dir.to_owned());
            self.places.names.insert(name.to_owned());
        }
    }

    /// A real file, directory or other thing.
    fn thing(&mut self, real: &Path, meta: &Metadata) {
        if meta.is_dir() {
            self.directory(real);
        } else {
            let times = [
                meta.mtime(),
                meta.mtime_nsec(),
                meta.ctime(),
                meta.ctime_nsec(),
            ];
            let place = [meta.dev(), meta.ino(), meta.size()];
            (u64::from(meta.mode()), place, times).hash(&mut self.hash);
            let changed = (meta.ctime(), meta.ctime_nsec());
            // A time to come is that of a clock that was set back, or is not ours.
            self.fresh |= changed >= self.began && changed <= clock(ClockId::Realtime);
        }
    }

    /// A directory's own times are left out: hidden names change them as well.
    fn directory(&mut self, real: &Path) {
        real.hash(&mut self.hash);
        if !self.listed.insert(real.to_owned()) {
            return;
        }
        self.places.dirs.insert(real.to_owned());
        self.places.trees.insert(real.to_owned());
        let names = match list(real) {
            Ok(names) => names,
            Err(error) => return error.kind().hash(&mut self.hash),
        };
        for name in names {
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return;
            }
            name.hash(&mut self.hash);
            let path = real.join(&name);
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_symlink() => {
                    if let Some((real, meta)) = self.resolve(&path)
                        && real.starts_with(&self.root)
                    {
                        self.thing(&real, &meta);
                    }
                }
                Ok(meta) => self.thing(&path, &meta),
                Err(error) => error.kind().hash(&mut self.hash),
            }
        }
    }
}

fn clock(id: ClockId) -> (i64, i64) {
    let time = clock_gettime(id);
    (time.tv_sec, time.tv_nsec)
}

/// The visible names in a directory, sorted: the order in which a file system
/// gives them means nothing.
fn list(dir: &Path) -> io::Result<Vec<OsString>> {
    let mut names = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.retain(|name| !is_hidden(name));
    names.sort();
    Ok(names)
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The steps of a path, without those that lead nowhere.
fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_is_fresh_in_the_tick_of_its_change_and_not_for_long() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.yaml");
        // Until writing and looking fall into the same tick.
        while !survey(dir.path()).fresh {
            fs::write(&file, "").unwrap();
        }
        while survey(dir.path()).fresh {
            std::thread::sleep(Duration::from_millis(1));
        }
        // The time of change is what counts, and not one that can be set.
        let times = fs::FileTimes::new().set_modified(std::time::SystemTime::now());
        let written = fs::File::options().write(true).open(&file).unwrap();
        while !survey(dir.path()).fresh {
            written
                .set_times(times.set_modified(std::time::UNIX_EPOCH))
                .unwrap();
        }
    }

    #[test]
    fn every_directory_of_the_way_is_a_place_and_so_is_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/deep/orders/sub")).unwrap();
        std::os::unix::fs::symlink("real/deep", root.join("link")).unwrap();
        let places = survey(&root.join("link/orders")).places;
        let all: Vec<&Path> = places.all().collect();
        assert_eq!(all[0], Path::new("/"));
        for dir in &all[1..] {
            let above = dir.parent().unwrap();
            let before = all.iter().position(|other| *other == above);
            let own = all.iter().position(|other| other == dir);
            assert!(
                before.is_some() && before < own,
                "{} in {all:?}",
                dir.display()
            );
            assert!(places.concern(dir), "{}", dir.display());
        }
        for expected in [
            "",
            "real",
            "real/deep",
            "real/deep/orders",
            "real/deep/orders/sub",
        ] {
            let expected = root.join(expected);
            assert!(
                all.iter().any(|dir| *dir == expected),
                "{} in {all:?}",
                expected.display()
            );
        }
    }
}
