//! What the branch or the tag is at the remote, which is a cheap question.

use semver::Version;

use super::command::{self, Git};
use super::error::SourceError;
use crate::model::{GitRange, GitReference, visible};

/// The most that a remote's list of references may have, in bytes: 100,000 tags.
const LIST_MAX: usize = 16 << 20;

/// How many branches or tags a hint names.
const OTHERS_MAX: usize = 5;

/// A branch or a tag at the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteReference {
    /// The whole name, such as `refs/heads/main`.
    pub name: String,
    /// What it points at: a commit, or the object of an annotated tag.
    pub object: String,
    /// Of a range of versions, the highest.
    pub version: Option<Version>,
}

impl RemoteReference {
    /// The name as people use it.
    pub(super) fn short(&self) -> &str {
        let name = self.name.strip_prefix("refs/heads/");
        let name = name.or_else(|| self.name.strip_prefix("refs/tags/"));
        name.unwrap_or(&self.name)
    }

    pub(super) fn is_tag(&self) -> bool {
        self.name.starts_with("refs/tags/")
    }
}

/// Asks the remote.
///
/// # Errors
/// When it does not answer, or has no such branch or tag.
pub(super) async fn look(git: &Git<'_>) -> Result<RemoteReference, SourceError> {
    let list = |patterns: Vec<String>| async move {
        let program = git
            .remote(&[])?
            .args(["ls-remote", "--quiet", "--refs"])
            .arg(git.source.url.as_str())
            .args(patterns)
            .stdout_limit(LIST_MAX);
        let listed = command::ask(program, "list the references of the remote").await?;
        Ok::<_, SourceError>(references(&listed))
    };
    let (pattern, kind) = match &git.source.reference {
        GitReference::Branch(name) => (format!("refs/heads/{name}"), "refs/heads/*"),
        GitReference::Tag(name) => (format!("refs/tags/{name}"), "refs/tags/*"),
        GitReference::Semver(range) => {
            let listed = list(vec!["refs/tags/*".to_owned()]).await?;
            return highest(range, &listed).ok_or_else(|| missing(git, &listed));
        }
    };
    let found = list(vec![pattern.clone()]).await?;
    // A pattern also fits names that end with it.
    if let Some((object, name)) = found.into_iter().find(|(_, name)| *name == pattern) {
        return Ok(RemoteReference {
            name,
            object,
            version: None,
        });
    }
    Err(missing(git, &list(vec![kind.to_owned()]).await?))
}

fn missing(git: &Git<'_>, listed: &[(String, String)]) -> SourceError {
    let short = |name: &str| {
        let short = name.strip_prefix("refs/heads/");
        let short = short.or_else(|| name.strip_prefix("refs/tags/"));
        visible(short.unwrap_or(name)).into_owned()
    };
    let names = listed.iter().rev().take(OTHERS_MAX);
    SourceError::NoReference {
        reference: match &git.source.reference {
            GitReference::Semver(range) => format!("a tag with a version in the range {range}"),
            reference => reference.to_string(),
        },
        others: names.map(|(_, name)| short(name)).collect(),
    }
}

fn highest(range: &GitRange, listed: &[(String, String)]) -> Option<RemoteReference> {
    let versions = listed.iter().filter_map(|(object, name)| {
        let version = range.version(name.strip_prefix("refs/tags/")?)?;
        Some((version, name, object))
    });
    // `v1.0.0` and `1.0.0` are one version: by name, so that the answer is always the same.
    let (version, name, object) = versions.max()?;
    Some(RemoteReference {
        name: name.clone(),
        object: object.clone(),
        version: Some(version),
    })
}

/// The lines of `ls-remote`, each an object and a name. What is not one is left out.
fn references(listed: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(listed);
    let lines = text.lines().filter_map(|line| {
        let (object, name) = line.split_once('\t')?;
        is_object(object).then(|| (object.to_owned(), name.to_owned()))
    });
    lines.collect()
}

/// True for the name of an object, of SHA-1 or SHA-256.
pub(super) fn is_object(text: &str) -> bool {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    matches!(text.len(), 40 | 64) && text.bytes().all(is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_in_the_range_wins() {
        let object = "1".repeat(40);
        let tags = [
            "v1.2.0",
            "v1.10.0",
            "v2.0.0",
            "v1.11.0-rc.1",
            "latest",
            "1.9",
        ];
        let listed: String = tags
            .iter()
            .map(|tag| format!("{object}\trefs/tags/{tag}\n"))
            .collect();
        let listed = references(format!("{listed}nonsense\nxyz\trefs/tags/v1.99.0\n").as_bytes());
        assert_eq!(listed.len(), tags.len());
        let of = |range: &str| {
            let found = highest(&range.parse().unwrap(), &listed)?;
            Some(found.short().to_owned())
        };
        assert_eq!(of("1.x").as_deref(), Some("v1.10.0"));
        assert_eq!(of("*").as_deref(), Some("v2.0.0"));
        assert_eq!(of("3"), None);
    }
}
