//! The directory of the source: the repository, a directory for each commit, and which of
//! them is the good one.
//!
//! ```text
//! git/
//!   repo/             the repository of our own
//!   trees/COMMIT-…/   what is in a commit; written under a hidden name, then renamed
//!   good.json         the last good revision: this decides what a run reads
//!   current           a link to its directory, for people and for the names in messages
//! ```
//!
//! Each is replaced in one step, the directory before the file that names it. So a process
//! that is killed leaves what the next one uses or removes, and a run that has begun keeps
//! the directory that it reads until the one after the next is there.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::SourceError;
use crate::io::file::atomic;
use crate::io::file::keep;
use crate::io::file::lock::DirLock;
use crate::model::{GitCommit, GitPath, GitSource};

/// The file that is locked while something is changed.
const LOCK: &str = "lock";
const GOOD: &str = "good.json";
const TREES: &str = "trees";
const REPOSITORY: &str = "repo";
const CURRENT: &str = "current";

/// What begins the name of everything that is not finished.
pub(super) const UNFINISHED: &str = ".new-";

/// More than the file ever has, in bytes.
const GOOD_MAX: u64 = 1 << 20;

/// How long a directory stays that is not the good one: a run that has begun reads its
/// orders within moments.
const STAYS: Duration = Duration::from_secs(600);

/// The last revision that was fetched and found to be good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GoodRevision {
    /// Of which repository, and what of it: with another configuration it is not good.
    pub(super) source: String,
    /// The whole name of the branch or tag.
    pub(super) name: String,
    /// What it pointed at: the commit, or the object of an annotated tag.
    pub(super) object: String,
    /// `main@sha1:<commit>`.
    pub(crate) revision: String,
    /// The commit, for people.
    #[serde(flatten)]
    pub(crate) commit: GitCommit,
    /// Who signed it; absent where that was not asked for.
    pub(crate) signer: Option<String>,
    /// When it was fetched.
    pub(crate) fetched_at: Timestamp,
    /// When the remote last said that it is the newest.
    pub(crate) checked_at: Timestamp,
    /// The name of its directory.
    pub(super) tree: String,
}

impl GoodRevision {
    /// What was found at a branch or tag.
    pub(super) fn new(
        source: &GitSource,
        name: &str,
        object: String,
        commit: GitCommit,
        now: Timestamp,
    ) -> Self {
        let short = name.strip_prefix("refs/heads/");
        let short = short.or_else(|| name.strip_prefix("refs/tags/"));
        let hash = match commit.commit.len() {
            64 => "sha256",
            _ => "sha1",
        };
        Self {
            source: identity(source),
            name: name.to_owned(),
            object,
            revision: format!("{}@{hash}:{}", short.unwrap_or(name), commit.commit),
            tree: tree_name(&commit.commit, &source.path),
            commit,
            signer: None,
            fetched_at: now,
            checked_at: now,
        }
    }
}

/// What a revision belongs to.
fn identity(source: &GitSource) -> String {
    format!("{} {}", source.url, source.reference)
}

/// One directory for a commit and a path in it.
fn tree_name(commit: &str, path: &GitPath) -> String {
    let digest = Sha256::digest(path.as_str());
    let digest = digest.iter().take(4).map(|byte| format!("{byte:02x}"));
    format!("{commit}-{}", digest.collect::<String>())
}

/// The directory of the source.
#[derive(Debug, Clone)]
pub(super) struct SourceHome {
    dir: PathBuf,
}

impl SourceHome {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(super) fn repository(&self) -> PathBuf {
        self.dir.join(REPOSITORY)
    }

    /// Where the good revision is, as people and messages name it.
    pub(super) fn current(&self) -> PathBuf {
        self.dir.join(CURRENT)
    }

    /// The directory of a revision.
    pub(super) fn tree(&self, good: &GoodRevision) -> PathBuf {
        self.dir.join(TREES).join(&good.tree)
    }

    /// Makes the directory and locks it.
    pub(super) async fn lock(&self, wait: Duration) -> Result<DirLock, SourceError> {
        let trees = self.dir.join(TREES);
        fs::create_dir_all(&trees).map_err(|source| failed("make", &trees, source))?;
        let lock = DirLock::acquire(&self.dir, LOCK, wait);
        lock.await.map_err(SourceError::from)
    }

    /// The last good revision of a source. Its directory may be missing, or have another
    /// path.
    pub(super) fn good(&self, source: &GitSource) -> Option<GoodRevision> {
        let file = self.dir.join(GOOD);
        let found = keep::find(&file, GOOD_MAX, |bytes| {
            serde_json::from_slice::<GoodRevision>(&bytes).map_err(|why| why.to_string())
        });
        let good = found.or_told()?;
        let is_one = Path::new(&good.tree).components().count() == 1;
        (is_one && good.source == identity(source)).then(|| GoodRevision {
            tree: tree_name(&good.commit.commit, &source.path),
            ..good
        })
    }

    /// An empty directory for a commit, beside those that are finished.
    pub(super) fn new_tree(&self) -> Result<tempfile::TempDir, SourceError> {
        let trees = self.dir.join(TREES);
        let made = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&trees);
        made.map_err(|source| failed("write to", &trees, source))
    }

    /// Gives a finished directory its name. One that is there already has the same content.
    pub(super) fn add_tree(
        &self,
        written: &tempfile::TempDir,
        good: &GoodRevision,
    ) -> Result<(), SourceError> {
        let tree = self.tree(good);
        let trees = self.dir.join(TREES);
        let put = || {
            if tree.is_dir() {
                return Ok(());
            }
            // Others than the owner may read it, as everything else of the state.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(written.path(), mode)?;
            fs::rename(written.path(), &tree)?;
            atomic::sync_dir(&trees)
        };
        put().map_err(|source| failed("write to", &trees, source))
    }

    /// Takes away the directory of a revision that is not whole any more.
    pub(super) fn drop_tree(&self, good: &GoodRevision) -> Result<(), SourceError> {
        let tree = self.tree(good);
        fs::remove_dir_all(&tree).map_err(|source| failed("replace", &tree, source))
    }

    /// Notes that a revision is not the good one from now on: its directory stays for a
    /// while.
    pub(super) fn retire(&self, before: Option<&GoodRevision>) {
        let tree = before.map(|good| self.tree(good));
        let dir = tree.and_then(|tree| fs::File::open(tree).ok());
        // Where it fails, nobody could read the directory either.
        let _ = dir.map(|dir| dir.set_modified(std::time::SystemTime::now()));
    }

    /// Makes a revision the good one.
    pub(super) fn publish(&self, good: &GoodRevision) -> Result<(), SourceError> {
        let file = self.dir.join(GOOD);
        let text = serde_json::to_vec(good).unwrap_or_default();
        atomic::write(&file, &text).map_err(|source| failed("write", &file, source))?;
        self.point_to(good)
    }

    /// Lets the link name the good revision.
    pub(super) fn point_to(&self, good: &GoodRevision) -> Result<(), SourceError> {
        let target = Path::new(TREES).join(&good.tree);
        let link = self.current();
        if fs::read_link(&link).is_ok_and(|found| found == target) {
            return Ok(());
        }
        let next = self.dir.join(format!("{UNFINISHED}{CURRENT}"));
        let put = || {
            atomic::remove_if_there(&next)?;
            symlink(&target, &next)?;
            fs::rename(&next, &link)
        };
        put().map_err(|source| failed("replace the link", &link, source))
    }

    /// Removes what processes left that are gone, and the directories of old commits. That
    /// something stays is no harm.
    pub(super) fn tidy(&self, good: Option<&GoodRevision>) {
        self.tidy_repository();
        let trees = self.dir.join(TREES);
        for dir in [&self.dir, &trees] {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let is_unfinished = name.starts_with(UNFINISHED);
                let is_good = good.is_some_and(|good| *name == *good.tree);
                let is_old = dir == &trees && !is_good && is_older(&entry.path(), STAYS);
                if is_unfinished || is_old {
                    remove(&entry.path());
                }
            }
        }
    }

    /// Removes the packs that git had not finished when it was ended: a server that is too
    /// slow for `timeout` would fill the disk with them, try by try, as git itself keeps
    /// them for weeks.
    fn tidy_repository(&self) {
        let packs = self.repository().join("objects/pack");
        for entry in fs::read_dir(packs).into_iter().flatten().flatten() {
            if entry.file_name().as_bytes().starts_with(b"tmp_") {
                remove(&entry.path());
            }
        }
    }

    /// Takes away the repository, whatever is wrong with it: everything in it can be
    /// fetched again. It gets another name first, since a git that outlived its process may
    /// still write to it.
    pub(super) fn drop_repository(&self) -> Result<(), SourceError> {
        let (repository, away) = (self.repository(), self.dir.join(format!("{UNFINISHED}old")));
        remove(&away);
        match fs::rename(&repository, &away) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(failed("replace", &repository, source)),
            Ok(()) => remove(&away),
        }
        Ok(())
    }
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> SourceError {
    SourceError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

fn is_older(path: &Path, than: Duration) -> bool {
    let made = fs::symlink_metadata(path).and_then(|found| found.modified());
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > than))
}

fn remove(path: &Path) {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let removed = match is_dir {
        true => fs::remove_dir_all(path),
        false => atomic::remove_if_there(path),
    };
    if let Err(error) = removed {
        tracing::debug!(reason = %error, path = %path.display(), "cannot remove what is left over");
    }
}
