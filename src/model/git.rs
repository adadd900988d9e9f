//! Orders in git: which files of which revision of which repository, how it is reached,
//! and what has to vouch for it.

mod reference;
mod url;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::Invalid;
pub use reference::{GitRange, GitRefName, GitReference};
pub use url::{GitProtocol, GitUrl};

/// Where the orders are in git, and how they are fetched.
#[derive(Debug, Clone)]
pub struct GitSource {
    /// The repository.
    pub url: GitUrl,
    /// What of it is followed.
    pub reference: GitReference,
    /// The file or directory with the orders.
    pub path: GitPath,
    /// How the server knows who asks.
    pub auth: GitAuth,
    /// What has to vouch for a commit; `None` for nothing.
    pub verify: Option<GitVerify>,
    /// A rewritten branch and a moved tag are followed.
    pub allow_rewind: bool,
    /// How often the remote is asked.
    pub interval: Duration,
    /// How long one request to the remote may take.
    pub timeout: Duration,
}

/// How the server knows who asks.
#[derive(Debug, Clone, Default)]
pub struct GitAuth {
    /// A private key for ssh; `None` for those of the user.
    pub ssh_key_file: Option<PathBuf>,
    /// The host keys that are accepted; `None` for those that the user knows.
    pub known_hosts_file: Option<PathBuf>,
    /// The login for HTTP.
    pub login: Option<GitLogin>,
}

/// A login for HTTP.
#[derive(Debug, Clone)]
pub struct GitLogin {
    /// The user; most servers look at the token only.
    pub username: String,
    /// The token, which is the password.
    pub token: GitToken,
}

/// Where a token is.
#[derive(Debug, Clone)]
pub enum GitToken {
    /// In a file, which is read each time: some tokens last for an hour.
    File(PathBuf),
    /// It was in the environment.
    Value(SecretString),
    /// Nobody needs it.
    Unread,
}

/// Whose signatures are accepted; at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitVerify {
    /// A file of ssh-keygen's format ALLOWED SIGNERS.
    pub ssh_allowed_signers: Option<PathBuf>,
    /// A file with public keys of OpenPGP.
    pub gpg_keys: Option<PathBuf>,
}

/// A commit, as people recognise it. The texts are as somebody else wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitCommit {
    /// Its hash.
    pub commit: String,
    /// Who wrote it.
    pub author: String,
    /// When it was written.
    pub date: Option<Timestamp>,
    /// The first line of its message.
    pub subject: String,
}

/// A path within a repository: relative, without `.` and `..`; empty for all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitPath(String);

impl GitPath {
    /// The path as text, with `/` between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below a directory.
    pub fn below(&self, dir: &Path) -> PathBuf {
        match self.0.as_str() {
            "" => dir.to_owned(),
            path => dir.join(path),
        }
    }
}

impl fmt::Display for GitPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for GitPath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let path = text.trim_end_matches('/');
        let path = path.strip_prefix("./").unwrap_or(path);
        if path.is_empty() || path == "." {
            return match text.starts_with('/') {
                true => Err(absolute(text)),
                false => Ok(Self::default()),
            };
        }
        if path.starts_with('/') {
            return Err(absolute(text));
        }
        let is_bad = |part: &str| matches!(part, "" | "." | "..") || part == ".git";
        if path.split('/').any(is_bad) {
            return Err(Invalid::new(format!(
                "{text:?} is not a path within a repository; expected names with / between them"
            )));
        }
        Ok(Self(path.to_owned()))
    }
}

fn absolute(text: &str) -> Invalid {
    Invalid::new(format!(
        "{text:?} is not a path within a repository: it begins with /"
    ))
    .hint("paths start at the top of the repository, such as `clusters/home/orders`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_its_repository() {
        for (text, path) in [
            ("", ""),
            (".", ""),
            ("./", ""),
            ("orders", "orders"),
            ("./clusters/home/", "clusters/home"),
        ] {
            assert_eq!(text.parse::<GitPath>().unwrap().as_str(), path, "{text:?}");
        }
        for text in ["/", "/etc", "..", "a/../../b", "a//b", "a/./b", ".git/x"] {
            assert!(text.parse::<GitPath>().is_err(), "{text:?}");
        }
    }
}
