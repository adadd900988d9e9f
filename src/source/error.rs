//! Why there is no newer revision of the orders.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::io::file::lock::LockError;
use crate::io::process::ProgramError;

/// Why there is no newer revision. Which of them are refusals, which only an operator can
/// end, is said by [`is_rejection`](Self::is_rejection).
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// `git` could not be run to its end.
    #[error(transparent)]
    Program(ProgramError),
    /// The server does not answer.
    #[error("the git server does not answer: {said}")]
    Unreachable { said: String },
    /// The server does not let us in.
    #[error("the git server denies access: {said}")]
    Denied { said: String },
    /// The server's key is not the one that is known, or none is known.
    #[error("the host key of the git server is not known: {said}")]
    HostKey { said: String },
    /// The server's certificate is not trusted.
    #[error("the certificate of the git server is not trusted: {said}")]
    Certificate { said: String },
    /// There is no repository.
    #[error("there is no such repository: {said}")]
    NoRepository { said: String },
    /// A directory of this machine that belongs to somebody else.
    #[error("the repository belongs to another user: {said}")]
    OtherOwner { said: String },
    /// Git failed for another reason.
    #[error("git failed to {what}: {said}")]
    Git { what: &'static str, said: String },
    /// The file of the token.
    #[error("the token file {} cannot be read", path.display())]
    Token {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// What is fetched cannot be kept.
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Another process fetches.
    #[error("another process fetches the orders")]
    Locked(#[source] LockError),
    /// The lock cannot be used: the file system is read-only or full, most likely.
    #[error("nothing can be fetched")]
    NoLock(#[source] LockError),
    /// Nobody has fetched anything, and nobody was asked to.
    #[error("the orders were never fetched from {url}")]
    NeverFetched { url: String },
    /// The branch or the tag is not there.
    #[error("{reference} does not exist in the repository")]
    NoReference {
        reference: String,
        /// What is there instead.
        others: Vec<String>,
    },
    /// The branch does not lead on from the last good revision.
    #[error(
        "{reference} was rewound or force-pushed: {to} does not follow the last good revision {from}"
    )]
    Rewound {
        reference: String,
        from: String,
        to: String,
    },
    /// The tag is another one now.
    #[error("tag {tag} was moved: it was {from} and is {to}")]
    TagMoved {
        tag: String,
        from: String,
        to: String,
    },
    /// The tag of the last good revision is gone, and an older one is the highest.
    #[error("tag {from} is gone, and the highest that is left is {to}")]
    TagGone { from: String, to: String },
    /// It is not signed as asked.
    #[error("{what} {why}")]
    Signature { what: String, why: String },
    /// The keys to verify with cannot be used.
    #[error("cannot verify signatures with {}", path.display())]
    Keys {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// There is nothing at the path of the orders.
    #[error("{path} does not exist in commit {commit}")]
    NoPath { path: String, commit: String },
    /// What is in the commit cannot be used.
    #[error("commit {commit} cannot be used: {why}")]
    Tree { commit: String, why: String },
}

impl From<LockError> for SourceError {
    fn from(error: LockError) -> Self {
        match error.is_transient() {
            true => Self::Locked(error),
            false => Self::NoLock(error),
        }
    }
}

impl SourceError {
    /// The time of a request is over.
    pub(super) fn is_timeout(&self) -> Option<Duration> {
        match self {
            Self::Program(ProgramError::Total { after, .. }) => Some(*after),
            _ => None,
        }
    }

    /// True if what the remote has is refused: it stays so until somebody changes it there,
    /// or says otherwise in the configuration.
    pub(crate) fn is_rejection(&self) -> bool {
        match self {
            Self::NoReference { .. }
            | Self::Rewound { .. }
            | Self::TagMoved { .. }
            | Self::TagGone { .. }
            | Self::Signature { .. }
            | Self::Keys { .. }
            | Self::NoPath { .. }
            | Self::Tree { .. } => true,
            Self::Program(_)
            | Self::Unreachable { .. }
            | Self::Denied { .. }
            | Self::HostKey { .. }
            | Self::Certificate { .. }
            | Self::NoRepository { .. }
            | Self::OtherOwner { .. }
            | Self::Git { .. }
            | Self::Token { .. }
            | Self::Io { .. }
            | Self::Locked(_)
            | Self::NoLock(_)
            | Self::NeverFetched { .. } => false,
        }
    }

    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Program(error) => {
                return match self.is_timeout() {
                    Some(_) => Some("raise `orders.git.timeout` if the server is slow".to_owned()),
                    None => error.hint(),
                };
            }
            Self::Denied { .. } => {
                "check `orders.git.auth`: for ssh the key in `ssh_key_file`, which must be a \
                 deploy key of the repository; for https `username`, and a token that may read \
                 the repository"
            }
            Self::HostKey { .. } => {
                "add the key of the server to `orders.git.auth.known_hosts_file`, or to the \
                 known_hosts of the user: `ssh-keyscan HOST` prints it; compare it with what \
                 the server's operator publishes"
            }
            Self::Certificate { .. } => {
                "add the authority to those of the system, such as with update-ca-certificates"
            }
            Self::NoRepository { .. } => {
                "check `orders.git.url`; servers say the same where access is not allowed"
            }
            Self::OtherOwner { .. } => {
                "git reads a directory of this machine only as its owner; use ssh, or run as \
                 that user"
            }
            Self::NoReference { others, .. } if !others.is_empty() => {
                return Some(format!("there are {}", others.join(", ")));
            }
            Self::NoReference { .. } => "push it, or name another one in `orders.git`",
            Self::Rewound { .. } | Self::TagMoved { .. } | Self::TagGone { .. } => {
                "if the rewrite was intended, set `orders.git.allow_rewind: true` until it is \
                 applied; otherwise push a commit that follows the last good revision"
            }
            Self::Signature { .. } => {
                "push a signed commit or tag, or add the key to the file in `orders.git.verify`"
            }
            Self::Locked(_) => "wait for it, or stop it",
            Self::NoLock(_) => "check `state_dir`: its owner, and whether it can be written to",
            Self::NoPath { .. } => "check `orders.git.path`",
            Self::NeverFetched { .. } => {
                "start a run, or use --online to fetch them; `--orders PATH` reads a directory"
            }
            Self::Unreachable { .. }
            | Self::Git { .. }
            | Self::Token { .. }
            | Self::Io { .. }
            | Self::Keys { .. }
            | Self::Tree { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
