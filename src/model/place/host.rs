//! Hosts and logins, as ssh takes them.

use std::str::FromStr;
use std::sync::Arc;

use super::text::{plain, shared_text};
use crate::model::Invalid;

/// A host name or address that ssh can be given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Arc<str>);

shared_text!(Host);

/// A login name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User(Arc<str>);

shared_text!(User);

/// A host with an optional login before it, as ssh takes them: `root@pve-01`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The login, where one is given.
    pub user: Option<User>,
    /// Where to connect to.
    pub host: Host,
}

impl FromStr for Host {
    type Err = Invalid;

    /// Accepts DNS names, ssh aliases, IPv4 and IPv6 addresses (with or without
    /// brackets, with an optional zone).
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = || {
            Invalid::new(format!(
                "{text:?} is not a host; expected a DNS name, an ssh alias or an IP address"
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
                "write the port separately: `host: {host}` and `port: {port}`"
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
                "{shown} is not a host; expected a DNS name, an ssh alias or an IP address"
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
                "{text:?} is not a login name; expected letters, digits and . _ -"
            )))
        }
    }
}
