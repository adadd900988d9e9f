//! The repository of our own, and how a commit gets into it.

use std::path::Path;

use jiff::Timestamp;

use super::command::{self, Git};
use super::error::SourceError;
use super::remote::{RemoteReference, is_object};
use crate::model::GitCommit;

/// What is fetched last is kept under this name, so that git's housekeeping keeps it.
const CANDIDATE: &str = "refs/talos-order/candidate";

/// The same for the last good revision.
const GOOD: &str = "refs/talos-order/good";

/// A file of git's that is there where history is cut off.
const SHALLOW: &str = "shallow";

/// The longest texts of a commit that are kept, in characters.
const SUBJECT_MAX: usize = 200;
const AUTHOR_MAX: usize = 100;

/// How much history is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// So many commits.
    Commits(u32),
    /// Everything.
    All,
}

/// Makes an empty repository, unless one is there.
///
/// # Errors
/// When git or the file system says no.
pub(super) async fn make(git: &Git<'_>, object: &str) -> Result<(), SourceError> {
    let format = match object.len() {
        64 => "sha256",
        _ => "sha1",
    };
    let program = git
        .local()
        .args(["init", "--quiet", "--bare", "--template="])
        .arg(format!("--object-format={format}"));
    command::run(program, "make a repository").await.map(drop)
}

/// Fetches a branch or a tag, and what it points at then: it may be newer than what the
/// remote said before.
///
/// Of the files only those that are wanted come, later, where the server can do that; a
/// server that can do neither that nor a part of the history sends everything.
///
/// # Errors
/// When the server or git says no.
pub(super) async fn fetch(
    git: &Git<'_>,
    reference: &RemoteReference,
    depth: Depth,
) -> Result<String, SourceError> {
    let refspec = format!("+{}:{CANDIDATE}", reference.name);
    let depth = match depth {
        Depth::Commits(count) => format!("--depth={count}"),
        // What git itself takes for all of it.
        Depth::All => "--depth=2147483647".to_owned(),
    };
    let partial = [depth.as_str(), "--filter=blob:none"];
    let what = "fetch the orders";
    match command::ask(fetching(git, &partial)?.arg(&refspec), what).await {
        Ok(_) => {}
        // A lock that somebody left is in the way of every fetch.
        Err(SourceError::Git { said, .. }) if !said.contains(".lock") => {
            tracing::debug!(reason = said, "the server sends no part of the repository");
            command::ask(fetching(git, &[])?.arg(&refspec), what).await?;
        }
        Err(error) => return Err(error),
    }
    object_of(git, CANDIDATE).await
}

fn fetching(git: &Git<'_>, options: &[&str]) -> Result<crate::io::process::Program, SourceError> {
    let program = git.remote(&[])?.args(["fetch", "--quiet", "--force"]);
    Ok(program
        .args([
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
        ])
        .args(options)
        .arg("origin"))
}

/// Fetches files that a fetch without them left out. Git asks nobody where they are all
/// there.
///
/// # Errors
/// When the server or git says no.
pub(super) async fn fetch_files(git: &Git<'_>, objects: &[&str]) -> Result<(), SourceError> {
    if objects.is_empty() {
        return Ok(());
    }
    let mut wanted = objects.join("\n");
    wanted.push('\n');
    // As git does it for a file that it misses.
    let program = git
        .remote(&[("fetch.negotiationAlgorithm", "noop")])?
        .args(["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"])
        .args([
            "--no-write-fetch-head",
            "--filter=blob:none",
            "--stdin",
            "origin",
        ])
        .stdin(wanted);
    command::ask(program, "fetch the files of the orders")
        .await
        .map(drop)
}

/// True if an object is there.
pub(super) async fn has(git: &Git<'_>, object: &str) -> Result<bool, SourceError> {
    let program = git.local().args(["cat-file", "-e", object]);
    Ok(command::outcome(program).await?.status.success())
}

/// Keeps an object as that of the last good revision.
pub(super) async fn keep_good(git: &Git<'_>, object: &str) -> Result<(), SourceError> {
    let program = git.local().args(["update-ref", "--no-deref", GOOD, object]);
    command::run(program, "keep the revision").await.map(drop)
}

/// True if the history of what was fetched is all there.
pub(super) fn is_whole(dir: &Path) -> bool {
    !dir.join(SHALLOW).exists()
}

/// The commit that a name or an object leads to.
///
/// # Errors
/// When it leads to something else, or nowhere.
pub(super) async fn commit_of(git: &Git<'_>, name: &str) -> Result<String, SourceError> {
    object_of(git, &format!("{name}^{{commit}}")).await
}

async fn object_of(git: &Git<'_>, name: &str) -> Result<String, SourceError> {
    let program = git
        .local()
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options", name]);
    let what = "find a commit behind the branch or tag";
    let said = command::run(program, what).await?;
    let object = String::from_utf8_lossy(&said).trim().to_owned();
    match is_object(&object) {
        true => Ok(object),
        false => Err(SourceError::Git {
            what,
            said: "it is no object".to_owned(),
        }),
    }
}

/// A commit as people recognise it.
///
/// # Errors
/// When git says no.
pub(super) async fn describe(git: &Git<'_>, commit: &str) -> Result<GitCommit, SourceError> {
    let program = git
        .local()
        .args(["show", "--no-patch", "--no-notes", "--no-show-signature"])
        .args(["--format=%an%x00%at%x00%s%x00", "--end-of-options", commit]);
    let text = command::run(program, "read the commit").await?;
    let text = String::from_utf8_lossy(&text);
    let mut parts = text.split('\0');
    let mut part = |most: usize| -> String {
        let part = parts.next().unwrap_or_default().trim();
        part.chars().take(most).collect()
    };
    let (author, date, subject) = (part(AUTHOR_MAX), part(20), part(SUBJECT_MAX));
    let date = date.parse().ok();
    Ok(GitCommit {
        commit: commit.to_owned(),
        author,
        date: date.and_then(|second| Timestamp::from_second(second).ok()),
        subject,
    })
}
