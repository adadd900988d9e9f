//! Talos versions: `vX.Y.Z` with at most an `alpha.N`, `beta.N` or `rc.N` tail.

use std::fmt;
use std::str::FromStr;

use super::{Invalid, text_form};

/// A released Talos version; ordered by semantic versioning, shown with a `v`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TalosVersion(semver::Version);

/// How finished a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// A pre-release of the kind `alpha.N`.
    Alpha,
    /// A pre-release of the kind `beta.N`.
    Beta,
    /// A release candidate, `rc.N`.
    Rc,
    /// A general release, without a pre-release part.
    Ga,
}

/// The minor line that a version belongs to: `v1.11` for `v1.11.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
}

impl TalosVersion {
    /// The minor line this version belongs to.
    pub fn minor(&self) -> Minor {
        Minor {
            major: self.0.major,
            minor: self.0.minor,
        }
    }

    /// How finished the version is.
    pub fn channel(&self) -> Channel {
        match self.0.pre.as_str().split('.').next() {
            Some("alpha") => Channel::Alpha,
            Some("beta") => Channel::Beta,
            Some("rc") => Channel::Rc,
            _ => Channel::Ga,
        }
    }

    /// True for a version without a pre-release part.
    pub fn is_ga(&self) -> bool {
        self.0.pre.is_empty()
    }

    /// The bare semantic version, without the `v`.
    pub fn semver(&self) -> &semver::Version {
        &self.0
    }
}

impl fmt::Display for TalosVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl FromStr for TalosVersion {
    type Err = Invalid;

    /// Accepts `v1.11.3` and `1.11.3`, with an optional `-alpha.N`, `-beta.N` or
    /// `-rc.N`; nothing else is ever tagged as a Talos release.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = || {
            Invalid::new(format!(
                "{text:?} is not a Talos version; accepted are \
                 vX.Y.Z and vX.Y.Z-(alpha|beta|rc).N, such as v1.11.3"
            ))
        };
        let bare = text.strip_prefix('v').unwrap_or(text);
        let version = semver::Version::parse(bare).map_err(|_| match bare.parse::<Minor>() {
            Ok(minor) => refuse().hint(format!(
                "{minor} is a minor line; use `type: latest-in-minor` with `minor: \"{minor}\"`, \
                     or name a patch release"
            )),
            Err(_) => refuse(),
        })?;
        if !version.build.is_empty() || !is_known_prerelease(version.pre.as_str()) {
            return Err(refuse());
        }
        Ok(Self(version))
    }
}

fn is_known_prerelease(pre: &str) -> bool {
    if pre.is_empty() {
        return true;
    }
    matches!(
        pre.split_once('.'),
        Some(("alpha" | "beta" | "rc", number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    )
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}", self.major, self.minor)
    }
}

impl FromStr for Minor {
    type Err = Invalid;

    /// Accepts `v1.11` and `1.11`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = || {
            Invalid::new(format!(
                "{text:?} is not a minor line; accepted are vX.Y and X.Y, such as v1.11"
            ))
        };
        let bare = text.strip_prefix('v').unwrap_or(text);
        let (major, minor) = bare.split_once('.').ok_or_else(refuse)?;
        let number = |part: &str| -> Option<u64> {
            let plain = !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'));
            plain.then(|| part.parse().ok()).flatten()
        };
        Ok(Self {
            major: number(major).ok_or_else(refuse)?,
            minor: number(minor).ok_or_else(refuse)?,
        })
    }
}

text_form!(TalosVersion);
text_form!(Minor);
