//! Directories on nodes.

use std::str::FromStr;
use std::sync::Arc;

use super::text::shared_text;
use crate::model::{FileName, Invalid};

/// An absolute directory on a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dir(Arc<str>);

shared_text!(Dir);

impl Dir {
    /// The path of a file in this directory.
    pub fn join(&self, file: &FileName) -> String {
        let (dir, file) = (self.as_str().trim_end_matches('/'), file.as_str());
        [dir, "/", file].concat()
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
