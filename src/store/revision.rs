//! Which revision the orders are of, where they are in a git work tree.
//!
//! The commit is read from git's own files rather than by running git: a run asks every
//! time, the answer is one small file away, and git would refuse a repository of another
//! user. Followed are links on the way (as git-sync swaps them), `.git` files of
//! work trees and submodules, loose and packed refs. A repository in the reftable format
//! has no readable refs, and so no revision here.
//!
//! Whether the orders were edited since only git can say, which knows its index and what
//! is ignored. Where it is not installed, refuses the repository (another user's, see
//! `safe.directory`) or takes too long, nothing is said of it: a run never waits for this
//! or fails because of it.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::io::file::input;
use crate::io::process::{Program, ProgramError};

/// References point at references; git gives up at five as well.
const DEPTH: usize = 5;

/// More than any of the one-line files has.
const LINE_MAX: u64 = 4096;

/// How long git may look for changes. It reads the status of the files below the orders,
/// which takes milliseconds; a file system that does not answer takes for ever.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the revision of a work tree ends with whose orders are not as committed.
const DIRTY: &str = "-dirty";

/// What `git` itself would take for the repository or the files to look at.
const VARIABLES: [&str; 4] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"];

/// `branch@sha1:<commit>` for a branch, `sha1:<commit>` for a detached head (and
/// `sha256:` where the repository uses that), followed by `-dirty` where files at the
/// path are changed, deleted or not added; `None` outside of a work tree and for a
/// branch without a commit.
pub(crate) async fn of(path: &Path) -> Option<String> {
    let path = std::fs::canonicalize(path).ok()?;
    let mut revision = commit(&path)?;
    if is_dirty(&path).await {
        revision.push_str(DIRTY);
    }
    Some(revision)
}

/// True if one commit is another or was made before it; `None` where git cannot say, as
/// in a repository that has only the last one. Both are hexadecimal digits.
pub(crate) async fn contains(path: &Path, before: &str, commit: &str) -> Option<bool> {
    let (git, _) = git_at(path)?;
    let commits = [before, commit].map(|one| format!("{one}^{{commit}}"));
    answer(git.args(["merge-base", "--is-ancestor"]).args(commits)).await
}

/// True if two commits have the same orders; `None` where git cannot say.
pub(crate) async fn have_same(path: &Path, one: &str, other: &str) -> Option<bool> {
    let (git, name) = git_at(path)?;
    let commits = [one, other].map(|one| format!("{one}^{{commit}}"));
    let git = git.args(["diff", "--quiet", "--no-ext-diff"]).args(commits);
    answer(git.arg("--").arg(name)).await
}

/// git beside the orders, and what they are called there.
fn git_at(path: &Path) -> Option<(Program, OsString)> {
    let path = std::fs::canonicalize(path).ok()?;
    let (dir, name) = dir_and_name(&path);
    let git = Program::new("git")
        .arg("-C")
        .arg(dir)
        .env("GIT_LITERAL_PATHSPECS", "1")
        .total(PATIENCE);
    let git = VARIABLES.into_iter().fold(git, Program::without_env);
    Some((git, name.to_owned()))
}

/// What git says by its exit code.
async fn answer(git: Program) -> Option<bool> {
    match git.run().await {
        Ok(ended) => match ended.status.code() {
            Some(0) => Some(true),
            Some(1) => Some(false),
            _ => None,
        },
        Err(error) => {
            tracing::debug!(reason = %error, "cannot compare two commits");
            None
        }
    }
}

/// Where git is run for the orders at a path, and what they are called there.
fn dir_and_name(path: &Path) -> (&Path, &OsStr) {
    match (path.is_dir(), path.parent(), path.file_name()) {
        (false, Some(dir), Some(name)) => (dir, name),
        _ => (path, OsStr::new(".")),
    }
}

/// True if git says so.
async fn is_dirty(path: &Path) -> bool {
    let (dir, of) = dir_and_name(path);
    let git = Program::new("git")
        // The repository's own choice of a program to ask is not ours.
        .args(["-c", "core.fsmonitor=false", "-C"])
        .arg(dir)
        .args(["status", "--porcelain", "--ignore-submodules=all", "--"])
        .arg(of)
        .env("GIT_LITERAL_PATHSPECS", "1")
        // The index is not written: somebody else may be about to.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .total(PATIENCE)
        // The first line answers the question.
        .stdout_limit(0);
    let git = VARIABLES.into_iter().fold(git, Program::without_env);
    match git.run().await {
        Ok(_) => false,
        Err(ProgramError::TooMuchOutput { .. }) => true,
        Err(error) => {
            tracing::debug!(reason = %error, "cannot look for uncommitted orders");
            false
        }
    }
}

fn commit(path: &Path) -> Option<String> {
    // The innermost work tree decides, even where it is broken.
    let is_tree = |dir: &&Path| dir.join(".git").symlink_metadata().is_ok();
    let (git_dir, common_dir) = repository(path.ancestors().find(is_tree)?)?;
    let head = line(&git_dir.join("HEAD"))?;
    let name = head.strip_prefix("ref:").map(str::trim);
    let commit = match name {
        Some(name) => resolve(&git_dir, &common_dir, name)?,
        None => head.clone(),
    };
    let hash = match commit.len() {
        40 => "sha1",
        64 => "sha256",
        _ => return None,
    };
    if !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let branch = name.map(|name| name.strip_prefix("refs/heads/").unwrap_or(name));
    Some(match branch {
        Some(branch) => format!("{branch}@{hash}:{commit}"),
        None => format!("{hash}:{commit}"),
    })
}

/// The repository's directory of a work tree at `dir`, and the one that it shares
/// with other work trees.
fn repository(dir: &Path) -> Option<(PathBuf, PathBuf)> {
    let dot_git = dir.join(".git");
    let git_dir = if dot_git.is_dir() {
        dot_git
    } else {
        let text = line(&dot_git)?;
        dir.join(text.strip_prefix("gitdir:")?.trim())
    };
    let common_dir = match line(&git_dir.join("commondir")) {
        Some(path) => git_dir.join(path),
        None => git_dir.clone(),
    };
    git_dir
        .join("HEAD")
        .exists()
        .then_some((git_dir, common_dir))
}

/// The commit that a reference stands for.
fn resolve(git_dir: &Path, common_dir: &Path, name: &str) -> Option<String> {
    let mut name = name.to_owned();
    for _ in 0..DEPTH {
        if !is_reference(&name) {
            return None;
        }
        let loose = line(&git_dir.join(&name)).or_else(|| line(&common_dir.join(&name)));
        let Some(text) = loose else {
            return packed(common_dir, &name);
        };
        match text.strip_prefix("ref:") {
            Some(next) => name = next.trim().to_owned(),
            None => return Some(text),
        }
    }
    None
}

/// True for a name that stays below the repository's directory.
fn is_reference(name: &str) -> bool {
    name.starts_with("refs/") && name.split('/').all(|part| part != "..")
}

fn packed(common_dir: &Path, name: &str) -> Option<String> {
    let file = input::open_file(&common_dir.join("packed-refs")).ok()?;
    BufReader::new(file)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| {
            let (commit, packed) = line.split_once(' ')?;
            (packed == name).then(|| commit.to_owned())
        })
}

/// The first line of a small file, without the space around it.
fn line(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = input::open_file(path).ok()?;
    file.take(LINE_MAX).read_to_string(&mut text).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn git(dir: &Path, words: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(words)
            .current_dir(dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()
            .expect("git is installed");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn repository() -> (tempfile::TempDir, PathBuf, String) {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo");
        let orders = repo.join("fleet/orders");
        std::fs::create_dir_all(&orders).unwrap();
        git(&repo, &["init", "-q", "-b", "team/main"]);
        std::fs::write(orders.join("a.yaml"), "[]").unwrap();
        git(&repo, &["add", "."]);
        git(&repo, &["commit", "-q", "-m", "first"]);
        let commit = git(&repo, &["rev-parse", "HEAD"]);
        (dir, orders, commit)
    }

    #[tokio::test]
    async fn a_branch_is_named_from_a_directory_and_from_a_file() {
        let (_dir, orders, commit) = repository();
        let revision = format!("team/main@sha1:{commit}");
        assert_eq!(of(&orders).await, Some(revision.clone()));
        assert_eq!(of(&orders.join("a.yaml")).await, Some(revision));
    }

    #[tokio::test]
    async fn packed_refs_and_a_detached_head_are_read() {
        let (_dir, orders, commit) = repository();
        git(&orders, &["pack-refs", "--all"]);
        assert_eq!(of(&orders).await, Some(format!("team/main@sha1:{commit}")));
        git(&orders, &["checkout", "-q", "--detach"]);
        assert_eq!(of(&orders).await, Some(format!("sha1:{commit}")));
    }

    #[tokio::test]
    async fn a_loose_ref_is_newer_than_a_packed_one() {
        let (_dir, orders, _) = repository();
        git(&orders, &["pack-refs", "--all"]);
        git(&orders, &["commit", "-q", "--allow-empty", "-m", "second"]);
        let second = git(&orders, &["rev-parse", "HEAD"]);
        assert_eq!(of(&orders).await, Some(format!("team/main@sha1:{second}")));
    }

    #[tokio::test]
    async fn a_work_tree_behind_a_link_is_followed() {
        let (dir, orders, commit) = repository();
        let tree = dir.path().join("trees").join(&commit);
        let words = ["worktree", "add", "-q", "--detach"];
        git(&orders, &[&words[..], &[tree.to_str().unwrap()]].concat());
        let current = dir.path().join("current");
        symlink(&tree, &current).unwrap();
        let revision = Some(format!("sha1:{commit}"));
        assert_eq!(of(&current.join("fleet/orders")).await, revision);
        let words = ["checkout", "-q", "-b", "side"];
        git(&tree, &words);
        assert_eq!(
            of(&current.join("fleet/orders")).await,
            Some(format!("side@sha1:{commit}"))
        );
    }

    #[tokio::test]
    async fn what_is_no_repository_has_no_revision() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(of(dir.path()).await, None);
        assert_eq!(of(&dir.path().join("missing")).await, None);
        // A branch without a commit.
        git(dir.path(), &["init", "-q"]);
        assert_eq!(of(dir.path()).await, None);
        // Files that are no repository's, or lead out of it.
        std::fs::write(dir.path().join(".git/HEAD"), "ref: refs/../../x\n").unwrap();
        std::fs::write(dir.path().join("x"), "0".repeat(40)).unwrap();
        assert_eq!(of(dir.path()).await, None);
        std::fs::write(dir.path().join(".git/HEAD"), "nonsense\n").unwrap();
        assert_eq!(of(dir.path()).await, None);
        let other = dir.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join(".git"), "gitdir: /nonexistent\n").unwrap();
        assert_eq!(of(&other).await, None);
    }

    #[tokio::test]
    async fn uncommitted_orders_are_told_and_nothing_else_is() {
        let (_dir, orders, commit) = repository();
        let clean = Some(format!("team/main@sha1:{commit}"));
        let dirty = Some(format!("team/main@sha1:{commit}-dirty"));
        let (file, beside) = (orders.join("a.yaml"), orders.join("b*.yaml"));
        assert_eq!(of(&orders).await, clean);
        // Elsewhere in the repository.
        std::fs::write(orders.join("../README"), "new").unwrap();
        assert_eq!(of(&orders).await, clean);
        // Not added: it is an order all the same.
        std::fs::write(&beside, "[]").unwrap();
        assert_eq!(of(&orders).await, dirty);
        assert_eq!(of(&file).await, clean);
        assert_eq!(of(&beside).await, dirty);
        std::fs::remove_file(&beside).unwrap();
        assert_eq!(of(&orders).await, clean);
        // Edited, whether added or not.
        std::fs::write(&file, "[1]").unwrap();
        assert_eq!(of(&file).await, dirty);
        git(&orders, &["add", "."]);
        assert_eq!(of(&orders).await, dirty);
        git(&orders, &["commit", "-q", "-m", "second"]);
        assert!(!of(&orders).await.unwrap().ends_with(DIRTY));
        std::fs::remove_file(&file).unwrap();
        assert!(of(&orders).await.unwrap().ends_with(DIRTY));
        // What git cannot read has its commit still.
        std::fs::write(orders.join("../../.git/index"), "nonsense").unwrap();
        assert!(!of(&orders).await.unwrap().ends_with(DIRTY));
    }
}
