//! Talos versions: `vX.Y.Z` with at most an `alpha.N`, `beta.N` or `rc.N` tail.

use std::fmt;
use std::str::FromStr;

use super::{Invalid, text_form};

/// A released Talos version; ordered by semantic versioning, shown with a `v`.
///
/// No number in it is above 9999, so that a version has a greatest length and every
/// file name made from one fits.
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
                "{text:?} is not a Talos version; expected \
                 vX.Y.Z or vX.Y.Z-(alpha|beta|rc).N, such as v1.11.3"
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
        let numbers = [version.major, version.minor, version.patch];
        if !version.build.is_empty()
            || !is_known_prerelease(version.pre.as_str())
            || numbers.iter().any(|number| *number > NUMBER_MAX)
        {
            return Err(refuse());
        }
        Ok(Self(version))
    }
}

/// The greatest number accepted in a version.
const NUMBER_MAX: u64 = 9999;

fn is_known_prerelease(pre: &str) -> bool {
    if pre.is_empty() {
        return true;
    }
    matches!(
        pre.split_once('.'),
        Some(("alpha" | "beta" | "rc", number))
            if number.bytes().all(|b| b.is_ascii_digit())
                && number.parse::<u64>().is_ok_and(|number| number <= NUMBER_MAX)
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
                "{text:?} is not a minor line; expected vX.Y or X.Y, such as v1.11"
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> TalosVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_ordered_as_semantic_versions() {
        let ascending = [
            "v0.14.3",
            "v1.9.10",
            "v1.10.0-alpha.0",
            "v1.10.0-alpha.2",
            "v1.10.0-alpha.10",
            "v1.10.0-beta.1",
            "v1.10.0-rc.1",
            "v1.10.0",
            "v1.10.2",
            "v1.10.10",
            "v1.11.0-rc.0",
            "v2.0.0",
        ];
        let mut sorted: Vec<_> = ascending.iter().rev().map(|text| version(text)).collect();
        sorted.sort();
        let shown: Vec<_> = sorted.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ascending);
    }

    #[test]
    fn channels_and_minor_lines_are_told_apart() {
        for (text, channel, minor) in [
            ("v1.11.3", Channel::Ga, "v1.11"),
            ("1.12.0-rc.1", Channel::Rc, "v1.12"),
            ("v1.12.0-beta.0", Channel::Beta, "v1.12"),
            ("v1.2.0-alpha.3", Channel::Alpha, "v1.2"),
        ] {
            let version = version(text);
            assert_eq!(version.channel(), channel, "{text}");
            assert_eq!(version.is_ga(), channel == Channel::Ga, "{text}");
            assert_eq!(version.minor().to_string(), minor, "{text}");
        }
        assert!("v1.10".parse::<Minor>().unwrap() > "v1.9".parse().unwrap());
    }

    #[test]
    fn what_was_never_released_is_refused() {
        for text in [
            "",
            "v",
            "latest",
            "v1.11",
            "1",
            "vv1.2.3",
            "V1.2.3",
            " v1.2.3",
            "v1.2.3 ",
            "v01.2.3",
            "v1.2.3+build",
            "v1.2.3-rc",
            "v1.2.3-rc.",
            "v1.2.3-rc.01",
            "v1.2.3-rc.1.2",
            "v1.2.3-dev.1",
            "v1.2.3-rc.x",
            "v1.2.3-",
            "v1.2.3/../x",
            "v1.2.10000",
            "v1.2.3-rc.10000",
            "v99999999999999999999.0.0",
        ] {
            let why = text.parse::<TalosVersion>().unwrap_err();
            assert!(
                why.message.starts_with(&format!("{text:?} is not")),
                "{why}"
            );
        }
        for text in [
            "", "v", "1", "1.", ".1", "1.2.3", "v1.x", "v01.2", "v1.02", "v1.-2",
        ] {
            assert!(text.parse::<Minor>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_minor_line_where_a_version_is_meant_gets_a_hint() {
        let why = "1.11".parse::<TalosVersion>().unwrap_err();
        assert!(why.hint.unwrap().contains("latest-in-minor"));
        assert_eq!("latest".parse::<TalosVersion>().unwrap_err().hint, None);
    }

    proptest! {
        #[test]
        fn a_version_reads_back(text in "v?[0-9]{1,4}\\.[0-9]{1,3}\\.[0-9]{1,3}(-(alpha|beta|rc)\\.[0-9]{1,2})?") {
            if let Ok(version) = text.parse::<TalosVersion>() {
                let shown = version.to_string();
                prop_assert_eq!(shown.trim_start_matches('v'), text.trim_start_matches('v'));
                prop_assert_eq!(shown.parse::<TalosVersion>(), Ok(version));
            }
        }

        #[test]
        fn any_text_is_judged(text in any::<String>()) {
            let _ = text.parse::<TalosVersion>();
            let _ = text.parse::<Minor>();
        }
    }
}
