//! Why a node did not do what was asked, in terms of the user.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;

use super::api::error::ApiError;
use super::authority::NotLeading;
use crate::facts::FailureKind;
use crate::io::process::ProgramError;
use crate::model::{LeaderEpoch, NodeId, Sha256, SiteName};
use crate::proxmox::PveError;

/// Why a node did not do what was asked.
///
/// What ssh or rsync wrote to standard error goes with it, printable and
/// bounded, for the manifest: see [`NodeError::stderr`].
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// ssh did not get through to the node.
    #[error("the node cannot be reached: {why}")]
    Unreachable {
        /// One sentence.
        why: String,
        /// It may answer later without anybody doing anything.
        transient: bool,
        /// It answers, and does not accept the login.
        is_denied: bool,
        /// A hint for the user.
        hint: Option<&'static str>,
        /// What ssh wrote.
        stderr: String,
    },
    /// Something prints before the command that ssh was asked to run.
    #[error("the login shell of {node} prints text ({text:?}), which breaks rsync")]
    NoisyShell {
        /// Which node.
        node: NodeId,
        /// How the text begins.
        text: String,
        /// What ssh or rsync wrote.
        stderr: String,
    },
    /// The connection ended in the middle of an answer.
    #[error("the node's answer is truncated")]
    CutShort {
        /// What ssh wrote.
        stderr: String,
    },
    /// The answer is not what the script writes.
    #[error("unexpected answer from the node: {found:?}")]
    Unintelligible {
        /// How the answer begins.
        found: String,
        /// What ssh wrote.
        stderr: String,
    },
    /// A program could not be started here, or did not end in time.
    #[error("a program on this machine failed")]
    Program {
        /// Which, and why.
        #[from]
        source: ProgramError,
    },
    /// A program is missing on the node.
    #[error("{tool} is not installed on {node}")]
    MissingTool {
        /// Which node.
        node: NodeId,
        /// The program.
        tool: &'static str,
    },
    /// There is no room for the file.
    #[error("no space in {place}: {need} bytes needed, {free} free")]
    NoSpace {
        /// `node:directory`.
        place: String,
        /// Bytes needed, the reserve included.
        need: u64,
        /// Bytes free.
        free: u64,
        /// What rsync wrote, if it was under way.
        stderr: String,
    },
    /// What arrived is not what was sent. It was removed.
    #[error("the bytes that arrived at {place} are wrong: SHA-256 {found}, expected {expected}")]
    DigestDiffers {
        /// `node:path`.
        place: String,
        /// What was sent.
        expected: Sha256,
        /// What was found on the node.
        found: Sha256,
    },
    /// The node was reached and could not do something.
    #[error("{what} failed on {node}: {message}")]
    Refused {
        /// Which node.
        node: NodeId,
        /// What was to be done.
        what: &'static str,
        /// What the program there said.
        message: String,
    },
    /// Another controller works in the directory, or another node of this one.
    #[error("{place} is locked by {owner} until {until}")]
    Locked {
        /// `node:directory`.
        place: String,
        /// Who holds it.
        owner: String,
        /// Which instance of that owner; empty where an earlier version holds it.
        by: String,
        /// When it is free again if nobody refreshes it, by the node's clock.
        until: Timestamp,
    },
    /// The lease of an operation is gone: it expired while this controller or the
    /// connection made no progress, and somebody else went on. Nothing was changed since.
    #[error("the lease of {place} was lost during the operation{}", lost_to(holder.as_deref()))]
    Fenced {
        /// `node:directory`.
        place: String,
        /// The owner who has it now, if anybody does.
        holder: Option<String>,
    },
    /// Another controller leads the site, or nobody knows who does. Operations that ran when
    /// that was found ended at once; what their scripts still do is up to the node.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    /// The node has seen a later leader of the site. Nothing was changed.
    #[error("{node} has seen a later leader of the site {site}, with the epoch {epoch}")]
    Outranked {
        /// Which node.
        node: NodeId,
        /// The site.
        site: SiteName,
        /// The highest epoch that the node has seen.
        epoch: LeaderEpoch,
    },
    /// This controller has no leader, and leaders with the same owner have been there.
    #[error("{node} is managed by the controllers of the site {site}, which have the same owner")]
    OfFleet {
        /// Which node.
        node: NodeId,
        /// The site, as the node has it.
        site: String,
    },
    /// What is under a name of ours in the directory belongs to somebody else, who may
    /// have put it there to be written to.
    #[error("{node} refuses a directory that others can write to: {message}")]
    Hostile {
        /// Which node.
        node: NodeId,
        /// What was found.
        message: String,
    },
    /// Another controller placed the file.
    #[error("{place} is managed by another controller, {owner}")]
    NotOurs {
        /// `node:path`.
        place: String,
        /// Who placed it.
        owner: String,
    },
    /// A file that nobody recorded has the name.
    #[error("{place} exists and was not written by talos-order")]
    Foreign {
        /// `node:path`.
        place: String,
    },
    /// rsync ended with an error.
    #[error(
        "rsync failed: {meaning} (code {code}){}",
        super::rsync::output::said(stderr)
    )]
    Rsync {
        /// Its exit code; -1 if a signal ended it.
        code: i32,
        /// What the code means.
        meaning: &'static str,
        /// What it wrote.
        stderr: String,
    },
    /// The file to deliver cannot be read, or is not what it should be.
    #[error("the file to deliver cannot be read: {}", path.display())]
    Source {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A copy on this machine failed.
    #[error("cannot write {}", path.display())]
    Copy {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What can go wrong with the Proxmox VE API only.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// There is no place for the sockets of shared connections.
    #[error("cannot create the directory for ssh sockets, {}", path.display())]
    ControlDir {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn lost_to(holder: Option<&str>) -> String {
    holder.map_or_else(String::new, |owner| format!(", and {owner} has it now"))
}

/// What the system says of things that stay as they are until somebody acts.
const LASTING: [&str; 9] = [
    "only the login of root",
    "enable its content type",
    "is older than",
    "Permission denied",
    "Operation not permitted",
    "Read-only file system",
    "Not a directory",
    "File exists",
    "is a directory",
];

/// What the system says where the login may not do something.
const DENIED: [&str; 3] = [
    "Permission denied",
    "Operation not permitted",
    "only the login of root",
];

impl NodeError {
    /// ssh or rsync was not let to its end, or was never there. A session that
    /// makes no progress is the node's silence and not a failure of the program.
    pub(super) fn remote_command(error: ProgramError) -> Self {
        match error {
            ProgramError::Idle { after, stderr, .. } => Self::Unreachable {
                why: format!("no answer for {} s", after.as_secs()),
                transient: true,
                is_denied: false,
                hint: None,
                stderr,
            },
            ProgramError::Total { after, stderr, .. } => Self::Unreachable {
                why: format!("it did not finish within {} s", after.as_secs()),
                transient: true,
                is_denied: false,
                hint: None,
                stderr,
            },
            source => Self::Program { source },
        }
    }

    /// True if trying again later may help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { transient, .. } => *transient,
            Self::NoisyShell { .. }
            | Self::MissingTool { .. }
            | Self::Unintelligible { .. }
            | Self::NotOurs { .. }
            | Self::Hostile { .. }
            | Self::OfFleet { .. }
            | Self::Foreign { .. } => false,
            // Whoever leads goes on, and this controller does once it leads.
            Self::NotLeading(_) | Self::Outranked { .. } => true,
            Self::Locked { .. } | Self::Fenced { .. } => true,
            // Wrong bytes are sent anew from the start; room can be made by
            // whoever fills the disk, often a backup that is under way.
            Self::CutShort { .. } | Self::DigestDiffers { .. } | Self::NoSpace { .. } => true,
            Self::Program { source } => source.is_transient(),
            Self::Api(source) => source.is_transient(),
            Self::Refused { message, .. } => !LASTING.iter().any(|text| message.contains(text)),
            Self::Rsync { code, stderr, .. } => {
                super::rsync::output::is_transient(*code)
                    && !LASTING.iter().any(|text| stderr.contains(text))
            }
            Self::Source { source, .. }
            | Self::Copy { source, .. }
            | Self::ControlDir { source, .. } => !matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
            ),
        }
    }

    /// True where others work with the node now, or may: it is left alone, and asked for
    /// nothing more.
    pub(super) fn is_fenced(&self) -> bool {
        matches!(
            self,
            Self::Fenced { .. }
                | Self::NotLeading(_)
                | Self::Outranked { .. }
                | Self::OfFleet { .. }
        )
    }

    /// True where it was not done because this process does not lead the site any more.
    pub(crate) fn is_leadership_lost(&self) -> bool {
        matches!(self, Self::NotLeading(_) | Self::Outranked { .. })
    }

    /// True where nothing was sent because the authority has ended.
    pub(super) fn is_unsent(&self) -> bool {
        match self {
            Self::Api(ApiError::Call { source, .. }) => {
                matches!(**source, PveError::NotPermitted { .. })
            }
            _ => false,
        }
    }

    /// True where the node, or this machine, does not permit it.
    pub fn is_permission(&self) -> bool {
        match self {
            Self::Unreachable { is_denied, .. } => *is_denied,
            Self::Api(source) => source.is_permission(),
            Self::Refused { message, .. }
            | Self::Rsync {
                stderr: message, ..
            } => DENIED.iter().any(|text| message.contains(text)),
            _ => false,
        }
    }

    /// What kind of trouble it is, where only an operator can end it.
    pub(super) fn lasting(&self) -> Option<FailureKind> {
        match (self.is_transient(), self.is_permission()) {
            (true, _) => None,
            (false, true) => Some(FailureKind::PermissionDenied),
            (false, false) => Some(FailureKind::Unreachable),
        }
    }

    /// What ssh or rsync wrote to standard error: the last lines, printable.
    pub fn stderr(&self) -> &str {
        match self {
            Self::Unreachable { stderr, .. }
            | Self::NoisyShell { stderr, .. }
            | Self::CutShort { stderr }
            | Self::Unintelligible { stderr, .. }
            | Self::NoSpace { stderr, .. }
            | Self::Rsync { stderr, .. } => stderr,
            Self::Program { source } => source.stderr(),
            Self::Api(source) => source.log(),
            Self::Refused { message, .. } | Self::Hostile { message, .. } => message,
            _ => "",
        }
    }

    /// The error and its cause in one sentence, with the hint: what stands in
    /// the state of a node that could not be observed.
    pub(super) fn sentence(&self) -> String {
        let mut text = match self {
            // "the node cannot be reached" is what the state itself says.
            Self::Unreachable { why, .. } => why.clone(),
            _ => self.to_string(),
        };
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            text.push_str(&format!("; hint: {hint}"));
        }
        text
    }
}
