//! Whether a revision follows the last good one.
//!
//! That the last good commit is among the ancestors of the new one is proven by finding it
//! there. So history is fetched in growing parts until it is found: usually it is a few
//! commits back. That it is not there is known only with all of the history, which is
//! fetched then, without files where the server can do that. Until it is known, the
//! revision is not taken: what cannot be shown to follow may be anything.

use semver::Version;

use super::command::{self, Git};
use super::error::SourceError;
use super::remote::RemoteReference;
use super::repository::{self, Depth};

/// How much history is fetched to find the last good commit: enough for what is pushed
/// between two looks, then for what is pushed while a machine is off, then all of it.
const DEPTHS: [Depth; 3] = [Depth::Commits(32), Depth::Commits(1024), Depth::All];

/// What is remembered of the last good revision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before<'a> {
    pub commit: &'a str,
    /// The whole name of the branch or tag.
    pub name: &'a str,
    /// What it pointed at.
    pub object: &'a str,
}

/// What has been fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub commit: String,
    /// The commit itself, or the object of an annotated tag.
    pub object: String,
}

/// Fetches what the remote has, with as much history as is needed to see that it follows.
///
/// # Errors
/// When it does not follow, or cannot be fetched.
pub(super) async fn fetch(
    git: &Git<'_>,
    remote: &RemoteReference,
    before: Option<Before<'_>>,
) -> Result<Candidate, SourceError> {
    if let Some(before) = before.filter(|_| remote.is_tag()) {
        check_tag(remote, before)?;
    }
    let before = before.filter(|_| !remote.is_tag());
    let mut candidate = None;
    // A commit that was refused before is here, perhaps with all that is needed.
    if repository::has(git, &remote.object).await? {
        let known = Candidate {
            commit: repository::commit_of(git, &remote.object).await?,
            object: remote.object.clone(),
        };
        if follows(git, before, &known).await? {
            return Ok(known);
        }
        candidate = Some(known);
    }
    let depths = match before {
        None => &[Depth::Commits(1)][..],
        Some(_) => &DEPTHS[..],
    };
    for depth in depths {
        if candidate.is_some() && repository::is_whole(&git.dir) {
            break;
        }
        let object = repository::fetch(git, remote, *depth).await?;
        let fetched = Candidate {
            commit: repository::commit_of(git, &object).await?,
            object,
        };
        if follows(git, before, &fetched).await? {
            return Ok(fetched);
        }
        candidate = Some(fetched);
    }
    Err(SourceError::Rewound {
        reference: format!("branch {}", remote.short()),
        from: short(before.map_or("", |before| before.commit)),
        to: short(&candidate.map(|found| found.commit).unwrap_or_default()),
    })
}

/// True if the last good commit is the candidate, or found among its ancestors.
async fn follows(
    git: &Git<'_>,
    before: Option<Before<'_>>,
    candidate: &Candidate,
) -> Result<bool, SourceError> {
    let Some(before) = before else {
        return Ok(true);
    };
    if before.commit == candidate.commit {
        return Ok(true);
    }
    // Git fails where the last good commit is not even here.
    let program = git.local().args([
        "merge-base",
        "--is-ancestor",
        before.commit,
        &candidate.commit,
    ]);
    Ok(command::outcome(program).await?.status.success())
}

/// A tag stays what it was; of a range of versions the highest only rises.
fn check_tag(remote: &RemoteReference, before: Before<'_>) -> Result<(), SourceError> {
    if remote.name == before.name {
        return match remote.object == before.object {
            true => Ok(()),
            false => Err(SourceError::TagMoved {
                tag: remote.short().to_owned(),
                from: short(before.object),
                to: short(&remote.object),
            }),
        };
    }
    let tag = before
        .name
        .strip_prefix("refs/tags/")
        .unwrap_or(before.name);
    let version = Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok();
    match (&remote.version, version) {
        (Some(now), Some(then)) if *now < then => Err(SourceError::TagGone {
            from: tag.to_owned(),
            to: remote.short().to_owned(),
        }),
        _ => Ok(()),
    }
}

/// A hash cut to what people recognise.
pub(super) fn short(object: &str) -> String {
    object.chars().take(12).collect()
}
