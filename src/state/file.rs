//! One small JSON file: written whole, read forgivingly.
//!
//! The version stands first in the file. Another version than ours, a torn file or
//! anything else that does not read is told in the log and taken for no file: all of
//! it can be found out again, and refusing to run over it would cost more.

use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StateError;
use crate::io::atomic;

/// What the files say of their form; counted up when an old one would be misread.
const VERSION: u32 = 1;

/// More than any of these files ever has, and little enough to be read at once.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    content: T,
}

/// The content of a file; `None` if there is none that can be used.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let text = text(path)?;
    let unusable = |why: &dyn std::fmt::Display| {
        tracing::warn!(path = %path.display(), "taken for absent: {why}");
    };
    match serde_json::from_slice::<Versioned<T>>(&text) {
        Ok(file) if file.version == VERSION => Some(file.content),
        Ok(file) => {
            unusable(&format!("version {}, not {VERSION}", file.version));
            None
        }
        Err(why) => {
            unusable(&why);
            None
        }
    }
}

/// The bytes of a file; what keeps them from being read is only told.
pub(super) fn text(path: &Path) -> Option<Vec<u8>> {
    let read = || {
        use io::Read as _;
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let error: io::Error = error;
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), "taken for absent: {error}");
            }
            None
        }
    }
}

/// Replaces the content of a file, where it is another.
///
/// # Errors
/// Any error of the file system.
pub(super) fn write<T: Serialize>(path: &Path, content: &T) -> Result<(), StateError> {
    let text = form(path, content)?;
    // A pass that changes nothing waits for no disk.
    if std::fs::read(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    atomic::write(path, &text).map_err(failed(path))
}

/// Replaces the content of a file that the next pass writes anew.
///
/// # Errors
/// Any error of the file system.
pub(super) fn tell<T: Serialize>(path: &Path, content: &T) -> Result<(), StateError> {
    atomic::tell(path, &form(path, content)?).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> StateError {
    move |source| StateError::Io {
        doing: "write",
        path: path.to_owned(),
        source,
    }
}

fn form<T: Serialize>(path: &Path, content: &T) -> Result<Vec<u8>, StateError> {
    let versioned = Versioned {
        version: VERSION,
        content,
    };
    let mut text = serde_json::to_vec_pretty(&versioned).map_err(|e| failed(path)(e.into()))?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Content {
        names: Vec<String>,
    }

    #[test]
    fn whatever_is_no_file_of_ours_is_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        assert_eq!(read::<Content>(&path), None);
        let content = Content {
            names: vec!["x".to_owned()],
        };
        write(&path, &content).unwrap();
        assert_eq!(read::<Content>(&path), Some(content));

        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() - 2 {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(read::<Content>(&path), None, "{length} bytes");
        }
        let newer = String::from_utf8(whole).unwrap().replace('1', "2");
        for garbage in [newer.as_str(), "[]", "null", "\0\0\0", "\u{ff}"] {
            std::fs::write(&path, garbage).unwrap();
            assert_eq!(read::<Content>(&path), None, "{garbage:?}");
        }
        assert_eq!(read::<Content>(dir.path()), None);
    }
}
