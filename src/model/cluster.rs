//! Clusters of Proxmox VE, as far as they are reached through the API.

use std::fmt;
use std::str::FromStr;

use super::label::label;
use super::{Invalid, Sha256};

label! {
    /// The name of a cluster in the configuration.
    ClusterName, "a cluster"
}

/// The ID of an API token: `USER@REALM!TOKENID`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(String);

impl TokenId {
    /// The ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The user, as `USER@REALM`, and the name of the token.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once('!').unwrap_or((&self.0, ""))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for TokenId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_plain = |text: &str, more: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
            !text.is_empty() && text.chars().all(plain)
        };
        let is_name = |name: &str| {
            let is_bad = |c: char| c.is_whitespace() || c.is_control() || " :/'".contains(c);
            !name.is_empty() && !name.contains(is_bad)
        };
        let parts = text.split_once('!').and_then(|(user, token)| {
            let (name, realm) = user.rsplit_once('@')?;
            Some((name, realm, token))
        });
        match parts {
            Some((name, realm, token))
                if is_name(name) && is_plain(realm, "._-") && is_plain(token, "._-") =>
            {
                Ok(Self(text.to_owned()))
            }
            // What follows an equals sign is the secret: it is not repeated.
            _ if text.contains('=') => Err(Invalid::new(
                "this is not the ID of an API token; expected USER@REALM!TOKENID",
            )
            .hint("leave out = and the secret; name its file with `token_file`")),
            _ => Err(Invalid::new(format!(
                "{text:?} is not the ID of an API token; expected USER@REALM!TOKENID"
            ))
            .hint(
                "such as talos-order@pve!ctl; `pveum user token list USER@REALM` shows its tokens",
            )),
        }
    }
}

/// The SHA-256 of a certificate, written as Proxmox VE shows it: `AB:CD:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// The fingerprint with this digest.
    pub fn new(digest: Sha256) -> Self {
        Self(digest)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.as_bytes().iter().enumerate() {
            if index > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = Invalid;

    /// Accepts 64 hex digits of either case, with or without colons.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digits = text.trim().replace(':', "");
        digits.parse().map(Self).map_err(|_| {
            Invalid::new(format!(
                "{text:?} is not the fingerprint of a certificate; expected 32 bytes in hex, \
                 as in AB:CD:…"
            ))
            .hint("`pvenode cert info` on the node shows the SHA-256 fingerprint")
        })
    }
}
