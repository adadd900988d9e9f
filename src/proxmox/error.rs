//! Why a call to the API did not do what was asked.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::config::Fingerprint;
use super::upid::Upid;
use super::vm_refusal::VmRefusal;

/// Why a call to the API did not do what was asked.
///
/// `call` is the method and the path, such as `GET /nodes/pve-01/storage`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum PveError {
    #[error("no endpoint of the Proxmox VE API is configured")]
    NoEndpoint,
    #[error("{url} cannot be an endpoint of the Proxmox VE API: {reason}")]
    Endpoint { url: String, reason: &'static str },
    #[error("cannot set up HTTPS")]
    Setup {
        #[source]
        source: reqwest::Error,
    },
    #[error("cannot set up the check of pinned certificates")]
    PinSetup {
        #[source]
        source: rustls::Error,
    },
    #[error("the certificates in {} cannot be used", .path.display())]
    Authorities {
        path: PathBuf,
        #[source]
        source: reqwest::Error,
    },
    /// The endpoint has another certificate.
    #[error("{endpoint} has another certificate")]
    Pin {
        endpoint: String,
        #[source]
        source: PinMismatch,
    },
    /// There was no connection, or it broke.
    #[error("{endpoint}: {why}")]
    Transport {
        endpoint: String,
        /// What the system said; the layers between say only that a request failed.
        why: String,
        call: String,
        /// True if nothing of the request can have arrived.
        connect: bool,
    },
    #[error("{endpoint} did not answer within {} s ({call})", .after.as_secs_f32())]
    Timeout {
        endpoint: String,
        call: String,
        after: Duration,
    },
    /// No endpoint answers.
    #[error("none of the {} endpoints answers: {}", .tried.len(), .tried.join("; "))]
    Unavailable {
        /// Each endpoint with what happened.
        tried: Vec<String>,
        /// The last failure, which is also the last of those.
        last: Box<PveError>,
    },
    /// 401.
    #[error("{endpoint} does not accept the API token {token}: {text}")]
    Unauthorized {
        endpoint: String,
        token: String,
        text: String,
    },
    /// 403.
    #[error("the API token {token} may not {call}: {text}")]
    Forbidden {
        token: String,
        call: String,
        text: String,
        /// The path that the privileges are missing on, where the text has it.
        path: Option<String>,
        /// Any of these would do.
        privileges: Vec<String>,
    },
    /// 400.
    #[error("{call} was refused: {text}{}", listed(.errors))]
    Parameters {
        call: String,
        text: String,
        errors: BTreeMap<String, String>,
    },
    /// 501: this version of Proxmox VE does not know the call.
    #[error("{endpoint} does not know {call}: {text}")]
    Unsupported {
        endpoint: String,
        call: String,
        text: String,
    },
    /// 595 to 599: the endpoint could not reach the node that the call is about.
    #[error("{endpoint} cannot reach the node {node} ({status}: {text})")]
    NodeUnreachable {
        endpoint: String,
        node: String,
        status: u16,
        text: String,
    },
    #[error("the cluster has no node {node}: {text}")]
    NoSuchNode { node: String, text: String },
    #[error("there is no storage {storage} in the cluster, or not for this node")]
    NoSuchStorage { storage: String },
    /// The storage is configured, but not for this node, or not switched on.
    #[error("the storage {storage} cannot be used on this node: {text}")]
    StorageUnavailable { storage: String, text: String },
    #[error("{volume} does not exist: {text}")]
    NoSuchVolume { volume: String, text: String },
    /// What is special to one virtual machine; tasks fail with the same as
    /// [`TaskFailure::Vm`].
    #[error("VM {vmid}")]
    Vm {
        vmid: u32,
        #[source]
        source: VmRefusal,
    },
    /// Any other error status.
    #[error("{call} was answered with {status}: {text}")]
    Status {
        call: String,
        status: u16,
        text: String,
    },
    #[error("{call} was answered with {reason}")]
    Answer { call: String, reason: String },
    /// A task that did not do its work.
    #[error("the task {} of {} failed", .upid.kind, .upid.node)]
    Task {
        upid: Box<Upid>,
        #[source]
        source: TaskFailure,
    },
    /// It was not sent, or a part of its body was not: the permission has ended, see
    /// [`ChangePermit`](super::ChangePermit).
    #[error("{call} was not sent: the permission for it has ended")]
    NotPermitted { call: String },
    #[error("the name {name:?} cannot be used: {reason}")]
    Name { name: String, reason: String },
    /// The content type is not enabled on the storage.
    #[error("the storage {storage} does not hold {content}; enabled are: {enabled}")]
    ContentNotEnabled {
        storage: String,
        content: &'static str,
        enabled: String,
    },
}

/// The certificate is not one of those that were pinned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {found}, expected {}", joined(.expected))]
pub struct PinMismatch {
    /// What the endpoint has.
    pub found: Fingerprint,
    /// What it could have.
    pub expected: Vec<Fingerprint>,
}

/// What a task said when it failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskFailure {
    /// Another content than the promised one: on the node already, or what came.
    #[error("checksum mismatch: found {found}, expected {expected}")]
    Checksum {
        /// The digest of what is there.
        found: String,
        /// The one that was given.
        expected: String,
    },
    /// A file is there, and no checksum was given.
    #[error("a file of this name is there already")]
    Exists,
    /// The node could not load the URL.
    #[error("the download failed: {0}")]
    Download(String),
    /// The content does not fit the name's extension, or refers to other files.
    #[error("the content was refused: {0}")]
    Content(String),
    /// What is special to one virtual machine.
    #[error(transparent)]
    Vm(VmRefusal),
    /// A privilege that is looked at only in the task is missing.
    #[error("{text}")]
    Denied {
        /// What the task said.
        text: String,
        /// The path that the privileges are missing on, where the text has it.
        path: Option<String>,
        /// Any of these would do.
        privileges: Vec<String>,
    },
    /// The task was stopped.
    #[error("it was stopped")]
    Stopped,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl PveError {
    /// True if the same call may succeed later without anyone doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Timeout { .. } | Self::NodeUnreachable { .. } => true,
            Self::Unavailable { last, .. } => last.is_transient(),
            Self::Status { status, .. } => matches!(status, 429 | 500 | 502..=504),
            Self::StorageUnavailable { .. } => true,
            Self::Task { source, .. } => match source {
                TaskFailure::Download(_) | TaskFailure::Other(_) => true,
                TaskFailure::Vm(refusal) => refusal.is_transient(),
                _ => false,
            },
            Self::Vm { source, .. } => source.is_transient(),
            _ => false,
        }
    }

    /// What is special to one virtual machine, whether a call or a task said it.
    pub fn vm_refusal(&self) -> Option<&VmRefusal> {
        match self {
            Self::Vm { source, .. }
            | Self::Task {
                source: TaskFailure::Vm(source),
                ..
            } => Some(source),
            _ => None,
        }
    }

    /// True where the token does not have a privilege, or is not accepted.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::Forbidden { .. } | Self::Unauthorized { .. } => true,
            Self::Task { source, .. } => matches!(source, TaskFailure::Denied { .. }),
            _ => false,
        }
    }

    /// True if another endpoint may be asked: this one said nothing.
    pub(super) fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Transport { .. } | Self::Timeout { .. } | Self::Pin { .. }
        )
    }

    /// A hint for the user.
    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            Self::Forbidden {
                path, privileges, ..
            }
            | Self::Task {
                source:
                    TaskFailure::Denied {
                        path, privileges, ..
                    },
                ..
            } => return forbidden_hint(path.as_deref(), privileges),
            Self::Unavailable { last, .. } => return last.hint(),
            Self::Vm { .. }
            | Self::Task {
                source: TaskFailure::Vm(_),
                ..
            } => return self.vm_refusal()?.hint().map(str::to_owned),
            Self::Setup { .. } => {
                "no CA certificates found on this machine; install the package ca-certificates, \
                 or pin the fingerprint of the node's certificate"
            }
            Self::Authorities { .. } => {
                "the file holds certificates in PEM form; the cluster's own authority is \
                 /etc/pve/pve-root-ca.pem on every node"
            }
            Self::Pin { .. } => {
                "compare it with `pvenode cert info` on the node; the certificate changes when it \
                 is renewed, and the pin has to change with it"
            }
            Self::Transport { .. } if self.says("not valid for name") => {
                "the certificate is for other names; use one of them as the endpoint, or pin the \
                 fingerprint"
            }
            Self::Transport { .. } if self.says("certificate expired") => {
                "`pvecm updatecerts` on the node renews the certificate"
            }
            Self::Transport { .. } if self.says("invalid peer certificate") => {
                "name the cluster's authority, /etc/pve/pve-root-ca.pem, as the CA file, or pin the \
                 SHA-256 fingerprint that `pvenode cert info` shows"
            }
            Self::Transport { connect: true, .. } => {
                "check host, port (8006) and firewall; `systemctl status pveproxy` on the node \
                 tells whether the API runs"
            }
            Self::Transport {
                connect: false,
                call,
                ..
            } if call.ends_with("/upload") => {
                "a node that refuses an upload closes the connection; check the token's privileges \
                 on the storage, and the space on the node's root file system"
            }
            Self::Unauthorized { .. } => {
                "check the token's ID (USER@REALM!TOKENID) and secret; `pveum user token list \
                 USER@REALM` shows whether it exists and when it expires"
            }
            Self::NodeUnreachable {
                status: 596, text, ..
            } if text.contains("certificate verify failed") => {
                "the cluster's internal certificate of that node is invalid; run \
                 `pvecm updatecerts` on it and restart pveproxy"
            }
            Self::NoSuchStorage { .. } => "`pvesm status` on a node lists the storages",
            Self::StorageUnavailable { .. } => {
                "`pvesm status` on the node shows whether the storage is enabled and active there"
            }
            Self::ContentNotEnabled {
                storage, content, ..
            } => {
                return Some(format!(
                    "`pvesm set {storage} --content LIST` sets the list, with {content} in it; \
                     it replaces the list"
                ));
            }
            Self::Task {
                source: TaskFailure::Download(_),
                ..
            } => "the node itself loads the URL; check that it reaches this machine",
            _ => return None,
        };
        Some(fixed.to_owned())
    }

    /// True if one of the causes says this: the TLS library's errors cannot be reached
    /// as a type through those of the client.
    fn says(&self, what: &str) -> bool {
        crate::error::chain(self).contains(what)
    }
}

/// The causes of an error of the client, also those inside of I/O errors, which do not show
/// what they hold as their source.
pub(super) fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&error| {
        let held = error.downcast_ref::<io::Error>();
        match held.and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        }
    })
}

fn forbidden_hint(path: Option<&str>, privileges: &[String]) -> Option<String> {
    let (path, one) = (path?, privileges.first()?);
    if one.contains("for modifying tag") {
        return Some(
            "the cluster restricts tags: allow this one with `user-tag-access` in \
             Datacenter -> Options, or in /etc/pve/datacenter.cfg"
                .to_owned(),
        );
    }
    Some(format!(
        "grant a role with {one} on {path} to the user and to the token; `talos-order pve-setup` \
         prints the commands"
    ))
}

fn listed(errors: &BTreeMap<String, String>) -> String {
    let each = errors
        .iter()
        .map(|(name, text)| format!("; {name}: {}", text.trim()));
    each.collect()
}

fn joined(pins: &[Fingerprint]) -> String {
    let texts: Vec<String> = pins.iter().map(ToString::to_string).collect();
    texts.join(" or ")
}
