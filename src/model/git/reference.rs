//! What of a repository is followed: a branch, a tag, or the highest of some versions.

use std::fmt;
use std::str::FromStr;

use semver::{Version, VersionReq};

use crate::model::Invalid;

/// The longest name, in bytes: it is part of a file name on the server.
const NAME_MAX: usize = 200;

/// What of a repository is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitReference {
    /// The newest commit of a branch.
    Branch(GitRefName),
    /// A tag.
    Tag(GitRefName),
    /// The tag with the highest version in a range.
    Semver(GitRange),
}

impl fmt::Display for GitReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "branch {name}"),
            Self::Tag(name) => write!(f, "tag {name}"),
            Self::Semver(range) => write!(f, "tags {range}"),
        }
    }
}

/// The name of a branch or a tag, without `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRefName(String);

impl GitRefName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GitRefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for GitRefName {
    type Err = Invalid;

    /// By the rules of `git check-ref-format`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some(name) = text
            .strip_prefix("refs/heads/")
            .or_else(|| text.strip_prefix("refs/tags/"))
        {
            return Err(Invalid::new(format!(
                "{text:?} is not the name of a branch or a tag; expected the name alone"
            ))
            .hint(format!("write `{name}`")));
        }
        let is_bad = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
        let is_bad_part =
            |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
        let fits = text.len() <= NAME_MAX
            && text != "@"
            && !text.starts_with('-')
            && !text.ends_with('.')
            && !text.contains(is_bad)
            && !text.contains("..")
            && !text.contains("@{")
            && !text.split('/').any(is_bad_part);
        match fits {
            true => Ok(Self(text.to_owned())),
            false => Err(Invalid::new(format!(
                "{text:?} is not the name of a branch or a tag; expected a name such as main \
                 or v1.2.0"
            ))),
        }
    }
}

/// A range of versions, such as `>=1.2, <2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRange {
    range: VersionReq,
    text: String,
}

impl GitRange {
    /// The version that a tag stands for, if it is one in the range: `v1.2.3` or `1.2.3`.
    pub fn version(&self, tag: &str) -> Option<Version> {
        let version = Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()?;
        self.range.matches(&version).then_some(version)
    }
}

impl fmt::Display for GitRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for GitRange {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match VersionReq::parse(text) {
            Ok(range) => Ok(Self {
                range,
                text: text.to_owned(),
            }),
            Err(why) => Err(
                Invalid::new(format!("{text:?} is not a range of versions: {why}"))
                    .hint("such as \"1.x\", \"~1.4\", \">=1.2, <2\" or \"*\""),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_git_accepts() {
        for text in ["main", "team/main", "v1.2.0", "a-b_c", "ö"] {
            assert!(text.parse::<GitRefName>().is_ok(), "{text:?}");
        }
        for text in [
            "",
            "-x",
            "a b",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.",
            "@",
            "a@{1}",
            "a\nb",
            "refs/heads/main",
        ] {
            assert!(text.parse::<GitRefName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_range_takes_tags_with_and_without_a_v() {
        let range: GitRange = ">=1.2, <2".parse().unwrap();
        let is_in = |tag: &str| range.version(tag).is_some();
        assert!(is_in("v1.2.0") && is_in("1.9.9"));
        // A pre-release is in a range only where the range names one.
        assert!(!is_in("v2.0.0") && !is_in("v1.3.0-rc.1") && !is_in("v1.3") && !is_in("x1.3.0"));
        assert!("1.x.y.z".parse::<GitRange>().is_err());
    }
}
