//! The names of objects.

use std::fmt;
use std::str::FromStr;

use crate::model::{Invalid, SiteName};

/// The name of an object below the prefix of the bucket: words of letters, digits, `.`, `_`
/// and `-` between slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

/// The beginning of keys, up to and with a slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectPrefix(String);

/// S3 accepts 1024 bytes; the prefix of the bucket takes some of them.
const LONGEST: usize = 512;

impl ObjectKey {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one of a site below a folder: the name of a site is a word of keys as well, and
    /// `folder` has to be some.
    pub fn of_site(folder: &str, site: &SiteName) -> Self {
        Self(format!("{folder}/{site}.json"))
    }

    /// The key of this name, which is known to be right.
    pub(super) fn known(name: String) -> Self {
        debug_assert!(check(&name).is_ok(), "{name}");
        Self(name)
    }

    /// The last word.
    pub fn file(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl ObjectPrefix {
    /// This prefix, which is known to be right and ends in a slash.
    pub(super) fn known(prefix: String) -> Self {
        debug_assert!(check(prefix.trim_end_matches('/')).is_ok(), "{prefix}");
        Self(prefix)
    }
}

impl FromStr for ObjectKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for ObjectPrefix {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        check(text.strip_suffix('/').unwrap_or(text))?;
        Ok(Self(format!("{}/", text.trim_end_matches('/'))))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ObjectPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(text: &str) -> Result<(), Invalid> {
    let refuse = |what: &str| {
        Err(Invalid::new(format!(
            "{what}; expected words between slashes"
        )))
    };
    if text.len() > LONGEST {
        return refuse("a key of more than 512 bytes");
    }
    for word in text.split('/') {
        if word.is_empty() || word == "." || word == ".." {
            return refuse("a key with an empty word or with dots alone");
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !word.chars().all(is_plain) {
            return refuse("a key with other characters than letters, digits, `.`, `_` and `-`");
        }
    }
    Ok(())
}
