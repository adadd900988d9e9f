//! Where files go: nodes, how they are reached, and directories on them.
//!
//! These texts end up on the command lines of ssh and rsync and in the shell of
//! a node, so each accepts only characters that mean nothing there. Quoting is
//! done as well; the narrow alphabet is the second lock, not the first.
//!
//! Every delivery carries some of them, so clones share the text.

mod system;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{Invalid, text_form};

/// The name under which plans, logs and manifests speak of a node.
///
/// The inventory's name where the node is listed there, otherwise what the
/// order wrote: `pve-01`, `root@10.0.0.5`, `pve-01:2222`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

/// A host name or address that ssh can be given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Arc<str>);

/// A login name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User(Arc<str>);

/// An absolute directory on a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dir(Arc<str>);

/// A host with an optional login before it, as ssh takes them: `root@pve-01`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The login, where one is given.
    pub user: Option<User>,
    /// Where to connect to.
    pub host: Host,
}

/// How a node is reached.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
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
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
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
        let (dir, file) = (self.as_str().trim_end_matches('/'), file.as_str());
        [dir, "/", file].concat()
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
            Ok(Self(text.into()))
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
        let refuse = || {
            Invalid::new(format!(
                "{text:?} is not a host; accepted are a DNS name, an ssh alias or an IP address"
            ))
        };
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if is_ipv6(bare) {
            return Ok(Self(bare.into()));
        }
        if plain(text, "._-") && !text.starts_with(['-', '.']) {
            return Ok(Self(text.into()));
        }
        let port = text.rsplit_once(':').filter(|(host, port)| {
            !host.contains(':') && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
        });
        Err(match port {
            Some((host, port)) => refuse().hint(format!(
                "write the port on its own: `host: {host}` and `port: {port}`"
            )),
            None => refuse(),
        })
    }
}

impl FromStr for Login {
    type Err = Invalid;

    /// Accepts `host` and `user@host`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some((scheme, rest)) = text.split_once("://") {
            // A password in it is not repeated.
            let login = rest.rsplit_once('@').map_or("", |(login, _)| login);
            let shown = if login.contains(':') {
                "a URL".to_owned()
            } else {
                format!("{text:?}")
            };
            return Err(Invalid::new(format!(
                "{shown} is not a host; accepted are a DNS name, an ssh alias or an IP address"
            ))
            .hint(without_scheme(scheme, rest)));
        }
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

/// How to write what stands in a URL.
fn without_scheme(scheme: &str, rest: &str) -> String {
    let rest = rest.split('/').next().unwrap_or_default();
    let (user, host) = match rest.split_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    };
    let port = host.rsplit_once(':').filter(|(host, port)| {
        let closed = !host.contains(':') || host.ends_with(']');
        closed && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
    });
    let (host, port) = port.map_or((host, None), |(host, port)| (host, Some(port)));
    let user = user.filter(|user| !user.contains(':'));
    let parts = [("host", Some(host)), ("user", user), ("port", port)];
    let parts = parts
        .into_iter()
        .filter_map(|(key, value)| value.map(|value| format!("`{key}: {value}`")));
    let parts: Vec<String> = parts.collect();
    format!("leave out {scheme}:// and write {}", parts.join(", "))
}

/// An IPv6 address, with a zone such as `%eth0` where one is given.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "none"));
    // From `core`, since only parsing is wanted here, nothing of the network.
    address.parse::<core::net::Ipv6Addr>().is_ok() && plain(zone, "._-")
}

impl FromStr for User {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if plain(text, "._-") && text.len() <= 64 && !text.starts_with('-') {
            Ok(Self(text.into()))
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
        Ok(Self(format!("/{}", parts.join("/")).into()))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a shell, ssh or rsync could read as more than a name.
    const HOSTILE: &[&str] = &[
        "",
        "-oProxyCommand=x",
        "a b",
        "a;b",
        "a$(b)",
        "a`b`",
        "a|b",
        "a&b",
        "a>b",
        "a\nb",
        "a'b",
        "a\"b",
        "a\\b",
        "a*b",
        "a?b",
        "a~b",
        "a!b",
        "a{b}",
        "a#b",
        "é",
        "a\0b",
        "../a",
        "a/b",
    ];

    #[test]
    fn hostile_names_are_refused() {
        for text in HOSTILE {
            assert!(text.parse::<Host>().is_err(), "{text:?}");
            assert!(text.parse::<User>().is_err(), "{text:?}");
            assert!(text.parse::<NodeId>().is_err(), "{text:?}");
            let dir = format!("/{text}");
            let harmless = ["", "-oProxyCommand=x", "a/b"].contains(text);
            assert_eq!(dir.parse::<Dir>().is_ok(), harmless, "{dir:?}");
        }
        for text in [
            "a@b", "pve:2222", ":22", "[pve]", "1::2::3", "fe80::1%", "::1%a b", ".",
        ] {
            assert!(text.parse::<Host>().is_err(), "{text:?}");
        }
        assert!("a".repeat(254).parse::<Host>().is_err());
        assert!("a".repeat(65).parse::<User>().is_err());
    }

    #[test]
    fn a_host_with_a_port_gets_a_hint() {
        let why = "pve:2222".parse::<Host>().unwrap_err();
        let hint = "write the port on its own: `host: pve` and `port: 2222`";
        assert_eq!(why.hint.as_deref(), Some(hint));
        assert_eq!("a b".parse::<Host>().unwrap_err().hint, None);
    }

    #[test]
    fn a_url_gets_a_hint() {
        for (text, hint) in [
            ("ssh://pve", "`host: pve`"),
            (
                "ssh://root@pve-01:2222/",
                "`host: pve-01`, `user: root`, `port: 2222`",
            ),
            ("ssh://root@[::1]", "`host: [::1]`, `user: root`"),
            ("https://pve:8006", "`host: pve`, `port: 8006`"),
        ] {
            let why = text.parse::<Login>().unwrap_err();
            assert!(why.hint.unwrap_or_default().ends_with(hint), "{text}");
        }
    }

    #[test]
    fn hosts_of_every_kind_are_accepted() {
        for (text, host) in [
            ("pve-01", "pve-01"),
            ("pve-01.example.org.", "pve-01.example.org."),
            ("10.0.0.5", "10.0.0.5"),
            ("fe80::1%vmbr0", "fe80::1%vmbr0"),
            ("[2001:db8::5]", "2001:db8::5"),
            ("::1", "::1"),
            ("node_1", "node_1"),
        ] {
            assert_eq!(text.parse::<Host>().unwrap().as_str(), host);
        }
    }

    #[test]
    fn an_address_names_its_target_and_no_other() {
        let reach = |host: &str, user: Option<&str>, port| Reach::Ssh {
            host: host.parse().unwrap(),
            user: user.map(|user| user.parse().unwrap()),
            port,
        };
        assert_eq!(reach("pve", None, None).address(), "pve");
        assert_eq!(
            reach("pve", Some("root"), Some(22)).address(),
            "root@pve:22"
        );
        assert_eq!(reach("::1", None, Some(22)).address(), "[::1]:22");
        assert_eq!(reach("::1", Some("root"), None).address(), "root@::1");
        assert_eq!(Reach::Local.address(), "local");
    }

    #[test]
    fn directories_are_absolute_and_tidied() {
        for (text, dir) in [
            ("/", "/"),
            ("/var//lib/./vz/", "/var/lib/vz"),
            ("/mnt/pve/a+b=c@d", "/mnt/pve/a+b=c@d"),
            ("/.hidden", "/.hidden"),
            ("/a..b", "/a..b"),
        ] {
            let parsed: Dir = text.parse().unwrap();
            assert_eq!(parsed.as_str(), dir);
        }
        for text in [
            "", "var", "~/x", "./x", "/..", "/a/../b", "/a/..", "/a b", "/a:b", "/a,b",
        ] {
            assert!(text.parse::<Dir>().is_err(), "{text:?}");
        }
        let file = "a.iso".parse().unwrap();
        assert_eq!("/".parse::<Dir>().unwrap().join(&file), "/a.iso");
        assert_eq!("/b/".parse::<Dir>().unwrap().join(&file), "/b/a.iso");
    }

    fn safe(text: &str, extra: &str) -> bool {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
            && !text.is_empty()
            && !text.starts_with('-')
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_safe(text in "[ -~]{0,12}|\\PC{0,8}|[a-z0-9:%./@_-]{0,12}") {
            if let Ok(host) = text.parse::<Host>() {
                prop_assert!(safe(host.as_str(), "._-:%"));
            }
            if let Ok(user) = text.parse::<User>() {
                prop_assert!(safe(user.as_str(), "._-"));
            }
            if let Ok(node) = text.parse::<NodeId>() {
                prop_assert!(safe(node.as_str(), "._-@:[]%"));
            }
            if let Ok(dir) = text.parse::<Dir>() {
                prop_assert!(dir.as_str().starts_with('/') && safe(dir.as_str(), "/._-+=@"));
                prop_assert!(dir.as_str().split('/').all(|part| part != ".."));
                prop_assert_eq!(dir.as_str().parse::<Dir>(), Ok(dir.clone()));
            }
        }
    }
}
