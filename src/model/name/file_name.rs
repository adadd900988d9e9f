//! File names that are safe wherever they are written.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::model::{Invalid, text_form};

/// A safe file name: no directory, not hidden, at most 200 bytes of
/// `A-Z a-z 0-9 . _ - +`.
///
/// 255 bytes is the file system's limit; the rest is head-room for the
/// temporary and sidecar names made from it. Proxmox cuts volume ids at commas,
/// colons and blanks, so none of them is accepted.
///
/// The text is shared: a plan has the same name on every node it goes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Arc<str>);

/// The longest accepted file name, in bytes.
const NAME_MAX: usize = 200;

impl FileName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<std::path::Path> for FileName {
    fn as_ref(&self) -> &std::path::Path {
        std::path::Path::new(&*self.0)
    }
}

impl FromStr for FileName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |why: String| Invalid::new(format!("{text:?} is not a file name: {why}"));
        if text.is_empty() {
            return Err(refuse("it is empty".into()));
        }
        if text.contains('/') {
            return Err(refuse("it must not contain a directory".into()));
        }
        if text.starts_with(['.', '-']) {
            return Err(refuse("it must not start with . or -".into()));
        }
        if let Some(bad) = text
            .chars()
            .find(|&c| !(c.is_ascii_alphanumeric() || "._-+".contains(c)))
        {
            return Err(refuse(format!(
                "{bad:?} is not accepted; use letters, digits and . _ - +"
            )));
        }
        if text.len() > NAME_MAX {
            return Err(refuse(format!("it is longer than {NAME_MAX} bytes")));
        }
        Ok(Self(text.into()))
    }
}

text_form!(FileName);
