//! Where files go: nodes, how they are reached, and directories on them.
//!
//! These texts end up on the command lines of ssh and rsync and in the shell of
//! a node, so each accepts only characters that mean nothing there. Quoting is
//! done as well; the narrow alphabet is the second lock, not the first.

use std::fmt;
use std::str::FromStr;

use super::{Invalid, text_form};

/// The name under which plans, logs and manifests speak of a node.
///
/// The inventory's name where the node is listed there, otherwise what the
/// order wrote: `pve-01`, `root@10.0.0.5`, `pve-01:2222`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(String);

/// A host name or address that ssh can be given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

/// A login name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User(String);

/// An absolute directory on a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dir(String);

/// A host with an optional login before it, as ssh takes them: `root@pve-01`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The login, where one is given.
    pub user: Option<User>,
    /// Where to connect to.
    pub host: Host,
}

/// How a node is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Over ssh, with rsync for the bytes.
    Ssh {
        /// Where to connect to.
        host: Host,
        /// The login; ssh's own configuration decides where it is absent.
        user: Option<User>,
        /// The port; ssh's own configuration decides where it is absent.
        port: Option<u16>,
    },
    /// A directory of this machine: a mounted share, or the node itself.
    Local,
}

/// A node as the adapters need to know it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Node {
    /// How it is called.
    pub id: NodeId,
    /// How it is reached.
    pub reach: Reach,
}

impl Reach {
    /// The canonical text of a target, equal for equal targets:
    /// `[user@]host[:port]`, or `local`.
    pub fn address(&self) -> String {
        match self {
            Self::Local => "local".to_owned(),
            Self::Ssh { host, user, port } => {
                let user = user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
                let port = port.map(|p| format!(":{p}")).unwrap_or_default();
                if port.is_empty() || !host.as_str().contains(':') {
                    format!("{user}{host}{port}")
                } else {
                    format!("{user}[{host}]{port}")
                }
            }
        }
    }
}

impl NodeId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Host {
    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl User {
    /// The login as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Dir {
    /// The directory as text, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of a file in this directory.
    pub fn join(&self, file: &super::FileName) -> String {
        match self.0.as_str() {
            "/" => format!("/{file}"),
            dir => format!("{dir}/{file}"),
        }
    }
}

/// The longest text accepted for names of hosts, logins and nodes (DNS's limit).
const NAME_MAX: usize = 253;

fn plain(text: &str, extra: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_MAX
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

impl FromStr for NodeId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if plain(text, "._-@:[]%") && !text.starts_with(['-', '.']) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(format!(
                "{text:?} is not a node name; accepted are letters, digits and . _ - @ :, \
                 not starting with - or ."
            )))
        }
    }
}

impl FromStr for Host {
    type Err = Invalid;

    /// Accepts DNS names, ssh aliases, IPv4 and IPv6 addresses (with or without
    /// brackets, with an optional zone).
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        let refuse = || {
            Invalid::new(format!(
                "{text:?} is not a host; accepted are a DNS name, an ssh alias or an IP address"
            ))
        };
        if !plain(bare, "._-:%") || bare.starts_with(['-', '.']) {
            return Err(refuse());
        }
        // A colon belongs to an IPv6 address or it is not part of the host.
        let address = bare.split('%').next().unwrap_or(bare);
        if bare.contains(':') && address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(refuse().hint("a port has a key of its own: `port: 2222`"));
        }
        Ok(Self(bare.to_owned()))
    }
}

impl FromStr for Login {
    type Err = Invalid;

    /// Accepts `host` and `user@host`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Ok(match text.split_once('@') {
            Some((user, host)) => Self {
                user: Some(user.parse()?),
                host: host.parse()?,
            },
            None => Self {
                user: None,
                host: text.parse()?,
            },
        })
    }
}

impl FromStr for User {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if plain(text, "._-") && text.len() <= 64 && !text.starts_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(format!(
                "{text:?} is not a login name; accepted are letters, digits and . _ -"
            )))
        }
    }
}

impl FromStr for Dir {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |why: &str| Invalid::new(format!("{text:?} is not a directory: {why}"));
        if !text.starts_with('/') {
            return Err(refuse(
                "it must be absolute, such as /var/lib/vz/template/iso",
            ));
        }
        if text.split('/').any(|part| part == "..") {
            return Err(refuse("`..` is not accepted"));
        }
        let safe = |c: char| c.is_ascii_alphanumeric() || "/._-+=@".contains(c);
        if let Some(bad) = text.chars().find(|&c| !safe(c)) {
            return Err(refuse(&format!(
                "{bad:?} is not accepted; use letters, digits and / . _ - + = @"
            )));
        }
        if text.len() > 1024 {
            return Err(refuse("it is longer than 1024 bytes"));
        }
        let parts: Vec<&str> = text
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        Ok(Self(format!("/{}", parts.join("/"))))
    }
}

macro_rules! shown_as_written {
    ($($type:ty)+) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        text_form!($type);
    )+};
}
shown_as_written!(NodeId Host User Dir);
