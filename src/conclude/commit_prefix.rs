//! A commit that somebody names, compared with the revision of a run.

use std::fmt;
use std::str::FromStr;

/// As git itself takes it, at least. A shorter one would soon fit several.
const DIGITS_MIN: usize = 7;

/// A SHA-256 in a repository that uses it.
const DIGITS_MAX: usize = 64;

/// A commit, or so many of its first digits that it is recognised. Always lowercase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPrefix(String);

/// Why a text names no commit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a commit of {DIGITS_MIN} to {DIGITS_MAX} hexadecimal digits, such as the output of \
     `git rev-parse HEAD`"
)]
pub struct NoCommit;

impl CommitPrefix {
    /// True if a revision such as `main@sha1:8d9f…` or `sha1:8d9f…-dirty` has this commit.
    pub fn fits(&self, revision: &str) -> bool {
        commit_of(revision).is_some_and(|commit| commit.starts_with(&self.0))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The commit of a revision, in hexadecimal digits.
pub fn commit_of(revision: &str) -> Option<&str> {
    let (_, commit) = revision.rsplit_once(':')?;
    let end = commit.find(|c: char| !c.is_ascii_hexdigit());
    Some(&commit[..end.unwrap_or(commit.len())])
}

/// Also takes a revision as `status` prints it.
impl FromStr for CommitPrefix {
    type Err = NoCommit;

    fn from_str(text: &str) -> Result<Self, NoCommit> {
        let digits = match text.contains(':') {
            true => commit_of(text).ok_or(NoCommit)?,
            false => text,
        };
        let is_commit = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_hexdigit());
        match is_commit {
            true => Ok(Self(digits.to_ascii_lowercase())),
            false => Err(NoCommit),
        }
    }
}

impl fmt::Display for CommitPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_recognised_in_every_form_of_a_revision() {
        let commit = "8d9f0c1e2f3a4b5c6d7e8f90a1b2c3d4e5f60718";
        for revision in [
            format!("main@sha1:{commit}"),
            format!("team/main@sha1:{commit}-dirty"),
            format!("sha1:{commit}"),
        ] {
            for text in [commit, "8d9f0c1", "8D9F0C1E", &revision] {
                let named: CommitPrefix = text.parse().unwrap();
                assert!(named.fits(&revision), "{text} {revision}");
            }
            let other: CommitPrefix = "8d9f0c2".parse().unwrap();
            assert!(!other.fits(&revision));
        }
    }

    #[test]
    fn what_is_no_commit_is_refused() {
        for text in [
            "",
            "HEAD",
            "8d9f0c",
            "main@sha1:",
            "8d9f0cg",
            &"a".repeat(65),
        ] {
            assert_eq!(text.parse::<CommitPrefix>(), Err(NoCommit), "{text}");
        }
        let named: CommitPrefix = "8d9f0c1".parse().unwrap();
        assert!(!named.fits("8d9f0c1"));
        assert!(!named.fits(""));
    }
}
