//! One small JSON file: written whole, read within bounds, never lost.
//!
//! The version stands first in the file. What cannot be read is kept under another name
//! before it is replaced ([`keep`]).

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StateError;
pub(super) use crate::io::file::keep::Found;
use crate::io::file::{atomic, keep, set_aside as move_aside};

/// What the files say of their form; counted up when an old one would be misread.
const VERSION: u32 = 1;

/// More than any of these files ever has (a memory of a million files), in bytes.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    content: T,
}

/// Looks at a file and touches nothing.
pub(super) fn find<T: DeserializeOwned>(path: &Path) -> Found<T> {
    keep::find(path, MAX_BYTES, |text| {
        let file: Versioned<T> = keep::json(&text, VERSION)?;
        match file.version {
            VERSION => Ok(file.content),
            other => Err(format!(
                "it has version {other}, and this program reads version {VERSION}"
            )),
        }
    })
}

/// The content of a file; `None` if there is none that can be read.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    find(path).or_told()
}

/// The bytes of a file, within bounds; `None` if there is none.
///
/// # Errors
/// What the file system says, and what is there instead of a file.
pub(super) fn bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    keep::bytes(path, MAX_BYTES)
}

/// Replaces the content of a file, where it is another. One that cannot be read keeps
/// its content under another name.
///
/// # Errors
/// Any error of the file system.
pub(super) fn write<T>(path: &Path, content: &T) -> Result<(), StateError>
where
    T: Serialize + DeserializeOwned,
{
    let text = form(path, content)?;
    // A run that changes nothing waits for no disk.
    if bytes(path).is_ok_and(|there| there.as_deref() == Some(&text)) {
        return Ok(());
    }
    find::<T>(path).make_way(path).map_err(renaming(path))?;
    atomic::write(path, &text).map_err(failed(path))
}

/// Replaces the content of a file that the next run writes anew.
///
/// # Errors
/// Any error of the file system.
pub(super) fn tell<T>(path: &Path, content: &T) -> Result<(), StateError>
where
    T: Serialize + DeserializeOwned,
{
    find::<T>(path).make_way(path).map_err(renaming(path))?;
    atomic::write_unsynced(path, &form(path, content)?).map_err(failed(path))
}

/// Gives whatever is at a path another name beside it, and returns that.
///
/// # Errors
/// Any error of the file system.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, StateError> {
    move_aside(path).map_err(renaming(path))
}

fn renaming(path: &Path) -> impl Fn(io::Error) -> StateError {
    move |source| StateError::io("rename", path, source)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> StateError {
    move |source| StateError::io("write", path, source)
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
    use std::fs;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct SampleContent {
        names: Vec<String>,
    }

    #[test]
    fn what_cannot_be_read_is_kept_under_another_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        let content = SampleContent { names: Vec::new() };
        for (number, damage) in ["{\"version\": 2, \"names\": []}", "garbage", "[]"]
            .iter()
            .enumerate()
        {
            fs::write(&path, damage).unwrap();
            match number {
                0 => write(&path, &content).unwrap(),
                _ => tell(&path, &content).unwrap(),
            }
            assert_eq!(read::<SampleContent>(&path).unwrap(), content);
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        write(&path, &content).unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        write(&path, &content).unwrap();
        let mut kept: Vec<String> = fs::read_dir(dir.path())
            .unwrap()
            .filter_map(|entry| {
                let path = entry.unwrap().path();
                let aside = path.to_string_lossy().contains(".set-aside-");
                aside.then(|| fs::read_to_string(path).unwrap_or_default())
            })
            .collect();
        kept.sort();
        assert_eq!(
            kept,
            ["", "", "[]", "garbage", "{\"version\": 2, \"names\": []}"]
        );
        // Nothing is lost with an empty file: it is what an unsynced one becomes.
        fs::write(&path, "").unwrap();
        tell(&path, &content).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 6);
    }

    #[test]
    fn a_pipe_or_a_huge_file_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        assert!(
            matches!(find::<SampleContent>(&path), Found::Unreadable(why) if why.contains("pipe"))
        );
        fs::remove_file(&path).unwrap();
        let huge = fs::File::create(&path).unwrap();
        huge.set_len(3 << 30).unwrap();
        assert!(
            matches!(find::<SampleContent>(&path), Found::Unreadable(why) if why.contains("larger than 268435456 bytes"))
        );
    }

    #[test]
    fn whatever_is_no_file_of_ours_is_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        assert_eq!(read::<SampleContent>(&path), None);
        let content = SampleContent {
            names: vec!["x".to_owned()],
        };
        write(&path, &content).unwrap();
        assert_eq!(read::<SampleContent>(&path), Some(content));

        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() - 2 {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(read::<SampleContent>(&path), None, "{length} bytes");
        }
        let newer = String::from_utf8(whole).unwrap().replace('1', "2");
        // Also where the later form is another one.
        for newer in [&newer, "{\"version\": 2}"] {
            fs::write(&path, newer).unwrap();
            let Found::Unreadable(why) = find::<SampleContent>(&path) else {
                panic!("{newer}")
            };
            assert!(
                why.contains("written by a later version of talos-order"),
                "{why}"
            );
        }
        for garbage in [newer.as_str(), "[]", "null", "\0\0\0", "\u{ff}"] {
            fs::write(&path, garbage).unwrap();
            assert_eq!(read::<SampleContent>(&path), None, "{garbage:?}");
        }
        assert_eq!(read::<SampleContent>(dir.path()), None);
    }
}
