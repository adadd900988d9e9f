//! Finding and reading the files of an orders directory.
//!
//! The tree may be made of links: git-sync points a link at its newest worktree,
//! Kubernetes mounts `a.yaml -> ..data/a.yaml`. So links are followed, every real
//! directory and file is visited once, and names that start with a dot are not
//! looked at (they hold the other end of those links, or an editor's leavings).
//!
//! Nothing outside the directory is opened, wherever a link leads: whoever may write
//! orders may not read this machine's files with the controller's rights. And the walk
//! has limits. A tree that exceeds one is read as far as it goes and counts as
//! incomplete, so that nothing is pruned because of what was not read.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::error::OrdersError;
use crate::io::file::beneath::{BeneathError, DirTree, Directory, Identity, Thing};
use crate::io::file::input;
use crate::model::{Problem, visible_path};
use crate::yaml::{MAX_BYTES, SourceText};

/// A file of orders, read or not.
pub(super) struct FoundFile {
    /// Its name as messages give it.
    pub file: String,
    /// Its text, or why there is none.
    pub content: Result<SourceText, Box<Problem>>,
}

/// How much of a tree is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct TreeBounds {
    /// Files of orders. A thousand orders fit into one, and every file is parsed anew
    /// where one of them changes.
    pub files: usize,
    /// Names of any kind, as many as the watch of the orders looks at: beyond this it
    /// is not a directory of orders that somebody named.
    pub entries: usize,
    /// Bytes of all files together. They are held in memory, and their trees take
    /// about ten times as much.
    pub bytes: u64,
    /// Directories within directories. Each holds a file descriptor while it is read.
    pub depth: usize,
}

impl Default for TreeBounds {
    fn default() -> Self {
        Self {
            files: 10_000,
            entries: 100_000,
            bytes: 64 * 1024 * 1024,
            depth: 32,
        }
    }
}

/// The files at a path, in the order they are to be read.
pub(super) fn find(path: &Path) -> Result<Vec<FoundFile>, OrdersError> {
    find_as(path, path)
}

/// The same, named as below another path.
pub(super) fn find_as(path: &Path, shown: &Path) -> Result<Vec<FoundFile>, OrdersError> {
    read_tree(path, shown, TreeBounds::default())
}

#[cfg(test)]
pub(super) fn find_within(path: &Path, bounds: TreeBounds) -> Result<Vec<FoundFile>, OrdersError> {
    read_tree(path, path, bounds)
}

fn read_tree(path: &Path, shown: &Path, bounds: TreeBounds) -> Result<Vec<FoundFile>, OrdersError> {
    let unreadable = |source| OrdersError::new(shown.to_owned(), source);
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_dir() {
        let bytes = input::read(path, MAX_BYTES).map_err(unreadable)?;
        return Ok(vec![found(shown, &bytes)]);
    }
    let root = DirTree::open(path).map_err(unreadable)?;
    let (top, identity) = root.directory().map_err(unreadable)?;
    let mut walk = TreeWalk {
        root,
        bounds,
        seen: HashSet::from([identity]),
        entries: 0,
        files: 0,
        bytes: 0,
        full: false,
        found: Vec::new(),
    };
    walk.directory(shown, &top, 0).map_err(unreadable)?;
    Ok(walk.found)
}

struct TreeWalk {
    root: DirTree,
    bounds: TreeBounds,
    seen: HashSet<Identity>,
    entries: usize,
    files: usize,
    bytes: u64,
    /// A limit was reached; nothing more is read.
    full: bool,
    found: Vec<FoundFile>,
}

impl TreeWalk {
    /// Visits a directory; fails only where it cannot be listed.
    fn directory(&mut self, path: &Path, dir: &Directory, depth: usize) -> io::Result<()> {
        let left = self.bounds.entries - self.entries;
        let mut names: Vec<OsString> = dir.names(left)?;
        if names.len() > left {
            let most = self.bounds.entries;
            self.stop(
                path,
                &format!("there are more than {most} files and directories"),
            );
            return Ok(());
        }
        self.entries += names.len();
        names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
        names.sort();
        for name in names {
            if self.full {
                break;
            }
            self.entry(&path.join(&name), dir, &name, depth);
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, dir: &Directory, name: &OsStr, depth: usize) {
        let is_yaml = path.extension().is_some_and(is_yaml);
        let thing = match self.root.look(dir, name) {
            Ok(thing) => thing,
            // A broken link that could be orders, or a directory of them, must
            // not look like "nothing is wanted".
            Err(why) if is_yaml || path.extension().is_none() => {
                let problem = Problem::of_file(visible_path(path), cannot_look(&why));
                let problem = match why {
                    BeneathError::Outside => problem.hint(OUTSIDE),
                    BeneathError::Io(_) => problem,
                };
                return self.reject(path, problem);
            }
            Err(_) => return,
        };
        match thing {
            Thing::Directory(below, identity) => {
                if !self.seen.insert(identity) {
                    return;
                }
                if depth >= self.bounds.depth {
                    let most = self.bounds.depth;
                    let message = format!("directories are nested deeper than {most} levels");
                    return self.stop(path, &message);
                }
                if let Err(why) = self.directory(path, &below, depth + 1) {
                    let problem = Problem::of_file(visible_path(path), cannot_read(&why));
                    self.reject(path, problem);
                }
            }
            Thing::File(file, identity) if is_yaml => self.file(path, file, identity),
            // It was not opened: a pipe would be waited for until someone writes.
            Thing::Special(what) if is_yaml => {
                let message = format!("this is {what}, not a file");
                self.reject(path, Problem::of_file(visible_path(path), message));
            }
            Thing::File(..) | Thing::Special(_) => {}
        }
    }

    fn file(&mut self, path: &Path, file: File, identity: Identity) {
        if !self.seen.insert(identity) {
            return;
        }
        self.files += 1;
        if self.files > self.bounds.files {
            let most = self.bounds.files;
            return self.stop(path, &format!("there are more than {most} files of orders"));
        }
        let mut bytes = Vec::new();
        if let Err(why) = file.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
            let problem = Problem::of_file(visible_path(path), cannot_read(&why));
            return self.reject(path, problem);
        }
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bounds.bytes {
            let most = self.bounds.bytes / (1024 * 1024);
            return self.stop(
                path,
                &format!("all files together are larger than {most} MiB"),
            );
        }
        self.found.push(found(path, &bytes));
    }

    /// Ends the walk at a limit.
    fn stop(&mut self, path: &Path, reason: &str) {
        self.full = true;
        let message = format!("{reason}; this and all following files are skipped");
        let problem = Problem::of_file(visible_path(path), message)
            .hint("point --orders to a directory that contains only orders");
        self.reject(path, problem);
    }

    fn reject(&mut self, path: &Path, problem: Problem) {
        self.found.push(FoundFile {
            file: visible_path(path),
            content: Err(Box::new(problem)),
        });
    }
}

/// What can be done about a link that leads out.
const OUTSIDE: &str = "files outside the orders directory are not read; copy the file into it, \
     or point --orders to a directory that contains the link and its target";

/// True for the endings of YAML files, however they are spelled.
fn is_yaml(extension: &OsStr) -> bool {
    ["yaml", "yml"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

fn cannot_look(why: &BeneathError) -> String {
    match why {
        BeneathError::Outside => "the link leads out of the orders directory".to_owned(),
        BeneathError::Io(why) if why.kind() == io::ErrorKind::NotFound => {
            "the link leads nowhere".to_owned()
        }
        BeneathError::Io(why) => cannot_read(why),
    }
}

fn cannot_read(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::PermissionDenied => "it cannot be read: permission denied".to_owned(),
        _ => format!("it cannot be read: {why}"),
    }
}

fn found(path: &Path, bytes: &[u8]) -> FoundFile {
    let file = visible_path(path);
    FoundFile {
        content: SourceText::from_bytes(&file, bytes),
        file,
    }
}
