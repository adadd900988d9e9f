//! A directory tree that cannot be left: whatever links are in it, only what is below
//! its root is opened.
//!
//! Each path is walked here, one component at a time, from an open directory and
//! without letting the kernel follow a link; `..` goes back to the directory that was
//! open before. So a tree that is changed meanwhile leads nowhere else either.
//! `openat2` with `RESOLVE_BENEATH` was rejected: it refuses an absolute link to a file
//! of the same tree, and where a container forbids the call a second implementation
//! would be needed, which nobody would ever test.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

/// As many links in a row as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// The root of a tree.
#[derive(Debug)]
pub(crate) struct DirTree {
    top: Rc<Open>,
    /// The paths by which an absolute link may name the root.
    names: [PathBuf; 2],
}

/// An open directory of the tree, with those above it.
#[derive(Debug)]
struct Open {
    dir: OwnedFd,
    up: Option<Rc<Open>>,
}

/// A directory of the tree.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Rc<Open>);

/// The identity of a thing: the file system and its number there.
pub(crate) type Identity = (u64, u64);

/// What stands behind a name.
#[derive(Debug)]
pub(crate) enum Thing {
    /// A directory, not listed yet.
    Directory(Directory, Identity),
    /// A regular file, open for reading.
    File(File, Identity),
    /// Something that holds no text: `a pipe`, `a socket`, `a device`.
    Special(&'static str),
}

/// Why a name leads to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeneathError {
    /// A link in the path leads out of the tree.
    #[error("the link leads out of the directory")]
    Outside,
    /// The file system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for BeneathError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl DirTree {
    /// Opens the tree below a directory. Where `path` is a link, the tree is the one
    /// that it leads to now.
    ///
    /// # Errors
    /// Where there is no directory, or it may not be searched.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let real = std::fs::canonicalize(path)?;
        let dir = rustix::fs::open(&real, DIRECTORY, Mode::empty())?;
        Ok(Self {
            top: Rc::new(Open { dir, up: None }),
            names: [real, std::path::absolute(path)?],
        })
    }

    /// The root itself, as a directory of the tree.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub(crate) fn directory(&self) -> io::Result<(Directory, Identity)> {
        let stat = fstat(&self.top.dir)?;
        Ok((Directory(Rc::clone(&self.top)), identity(&stat)))
    }

    /// What stands behind a name in a directory of the tree; links are followed.
    ///
    /// # Errors
    /// Where a link leads out of the tree or nowhere, or something in the path may not
    /// be opened.
    pub(crate) fn look(&self, from: &Directory, name: &OsStr) -> Result<Thing, BeneathError> {
        let mut here = Rc::clone(&from.0);
        let mut rest = VecDeque::from([name.to_owned()]);
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                here = here.up.clone().ok_or(BeneathError::Outside)?;
                continue;
            }
            let stat = statat(&here.dir, &part, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Errno::LOOP.into());
                    }
                    let target = readlinkat(&here.dir, &part, Vec::new())?;
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    let below = if target.is_absolute() {
                        here = Rc::clone(&self.top);
                        self.below(&target)?
                    } else {
                        target
                    };
                    for part in parts(&below).rev() {
                        rest.push_front(part);
                    }
                }
                FileType::Directory => {
                    let dir = openat(&here.dir, &part, DIRECTORY, Mode::empty())?;
                    if rest.is_empty() {
                        let stat = fstat(&dir)?;
                        let open = Open {
                            dir,
                            up: Some(here),
                        };
                        return Ok(Thing::Directory(Directory(Rc::new(open)), identity(&stat)));
                    }
                    here = Rc::new(Open {
                        dir,
                        up: Some(here),
                    });
                }
                _ if !rest.is_empty() => return Err(Errno::NOTDIR.into()),
                FileType::RegularFile => return open_file(&here.dir, &part),
                other => return Ok(Thing::Special(words(other))),
            }
        }
        // A link to `.` or `..`.
        let stat = fstat(&here.dir)?;
        Ok(Thing::Directory(Directory(here), identity(&stat)))
    }

    /// The part of an absolute path below the root.
    fn below(&self, target: &Path) -> Result<PathBuf, BeneathError> {
        self.names
            .iter()
            .find_map(|name| target.strip_prefix(name).ok())
            .map(Path::to_owned)
            .ok_or(BeneathError::Outside)
    }
}

impl Directory {
    /// The names in it, at most `max` and one more, in no order.
    ///
    /// # Errors
    /// Where it may not be read.
    pub(crate) fn names(&self, max: usize) -> io::Result<Vec<OsString>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listing = openat(&self.0.dir, ".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::new(listing)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
            if names.len() > max {
                break;
            }
        }
        Ok(names)
    }
}

/// A directory is opened only to walk from it; that needs no leave to list it.
const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens what was a regular file a moment ago, without waiting if it is a pipe now.
fn open_file(dir: &OwnedFd, name: &OsStr) -> Result<Thing, BeneathError> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(dir, name, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Thing::File(File::from(file), identity(&stat)),
        other => Thing::Special(words(other)),
    })
}

fn words(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    }
}

#[expect(
    clippy::unnecessary_cast,
    reason = "the width of the fields differs between architectures"
)]
fn identity(stat: &Stat) -> Identity {
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// The steps of a relative path, without those that lead nowhere.
fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    /// What stands behind a name directly below the root, as a word.
    fn see(root: &Path, name: &str) -> String {
        let root = DirTree::open(root).unwrap();
        let (top, _) = root.directory().unwrap();
        match root.look(&top, OsStr::new(name)) {
            Ok(Thing::File(mut file, _)) => {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                text
            }
            Ok(Thing::Directory(dir, _)) => {
                let mut names = dir.names(100).unwrap();
                names.sort();
                format!("{names:?}")
            }
            Ok(Thing::Special(what)) => what.to_owned(),
            Err(BeneathError::Outside) => "outside".to_owned(),
            Err(BeneathError::Io(error)) => format!("{:?}", error.kind()),
        }
    }

    #[test]
    fn links_lead_anywhere_below_the_root_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        let root = real.join("root");
        std::fs::create_dir_all(root.join(".data/deep")).unwrap();
        std::fs::create_dir(root.join("sub")).unwrap();
        std::fs::write(root.join(".data/deep/a"), "a").unwrap();
        std::fs::write(real.join("secret"), "secret").unwrap();
        std::fs::create_dir(real.join("root-beside")).unwrap();
        std::fs::write(real.join("root-beside/x"), "x").unwrap();
        symlink(&root, real.join("alias")).unwrap();
        let table: &[(&str, &Path, &str)] = &[
            ("relative", Path::new(".data/deep/a"), "a"),
            ("through", Path::new("relative"), "a"),
            ("back", Path::new("sub/../.data/./deep/a"), "a"),
            ("dir", Path::new(".data"), "[\"deep\"]"),
            ("absolute", &root.join(".data/deep/a"), "a"),
            ("by-alias", &real.join("alias/.data/deep/a"), "outside"),
            ("out", Path::new("../secret"), "outside"),
            ("out-and-in", Path::new("../root/.data/deep/a"), "outside"),
            ("out-absolute", &real.join("secret"), "outside"),
            ("beside", &real.join("root-beside/x"), "outside"),
            ("whole-machine", Path::new("/"), "outside"),
            ("proc", Path::new("/proc/self/root"), "outside"),
            ("nowhere", Path::new("gone"), "NotFound"),
            ("loop", Path::new("loop"), "FilesystemLoop"),
            ("file-as-dir", Path::new(".data/deep/a/b"), "NotADirectory"),
        ];
        for (name, target, _) in table {
            symlink(target, root.join(name)).unwrap();
        }
        for (name, _, expected) in table {
            assert_eq!(see(&root, name), *expected, "{name}");
        }
        // The root may be a link itself; then its target is the tree, by both names.
        assert_eq!(see(&real.join("alias"), "absolute"), "a");
        assert_eq!(see(&real.join("alias"), "by-alias"), "a");
        assert_eq!(see(&real.join("alias"), "out"), "outside");
    }

    #[test]
    fn special_files_are_named_and_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        assert_eq!(see(dir.path(), "pipe"), "a pipe");
        assert_eq!(see(dir.path(), "socket"), "a socket");
    }

    #[test]
    fn names_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..10 {
            std::fs::write(dir.path().join(n.to_string()), "").unwrap();
        }
        let (top, _) = DirTree::open(dir.path()).unwrap().directory().unwrap();
        assert_eq!(top.names(100).unwrap().len(), 10);
        assert_eq!(top.names(3).unwrap().len(), 4);
    }
}
