//! Small files of the program's own: read within bounds, never overwritten unread.
//!
//! A file that cannot be read (a later version's, torn, garbage, too large, no file at
//! all) is no reason to stop: what it held is found out again, or the reader fails
//! closed. But it may be of use to somebody: before such a file is replaced it gets
//! another name.

use std::fs;
use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::io::file::{atomic, input, occupied};

/// What is found where a file should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<T> {
    Nothing,
    /// What it says.
    Content(T),
    /// Something else, and why it cannot be read, with the path.
    Unreadable(String),
}

impl<T> Found<T> {
    /// What it says; a file that cannot be read counts as absent, with a warning.
    pub(crate) fn or_told(self) -> Option<T> {
        match self {
            Self::Nothing => None,
            Self::Content(content) => Some(content),
            Self::Unreadable(why) => {
                tracing::warn!("{why}; it counts as absent");
                None
            }
        }
    }

    /// Reads on in what was found at a path.
    pub(crate) fn and_then<U>(
        self,
        path: &Path,
        read: impl FnOnce(T) -> Result<U, String>,
    ) -> Found<U> {
        match self {
            Self::Nothing => Found::Nothing,
            Self::Content(content) => match read(content) {
                Ok(content) => Found::Content(content),
                Err(why) => unreadable(path, &why),
            },
            Self::Unreadable(why) => Found::Unreadable(why),
        }
    }

    /// Before a file is replaced: gives one that cannot be read another name, and says
    /// so.
    ///
    /// # Errors
    /// Any error of the file system. The file is where it was then.
    pub(crate) fn make_way(&self, path: &Path) -> io::Result<()> {
        let Self::Unreadable(why) = self else {
            return Ok(());
        };
        // What a power failure leaves of a file that was not synced says nothing.
        if fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0) {
            return Ok(());
        }
        let aside = occupied::rename_aside(path)?;
        tracing::warn!("{why}; it is kept as {}", aside.display());
        Ok(())
    }
}

/// Looks at a file of up to `max` bytes, and touches nothing. `read` says why the bytes
/// are not what it expects, as a clause.
pub(crate) fn find<T>(
    path: &Path,
    max: u64,
    read: impl FnOnce(Vec<u8>) -> Result<T, String>,
) -> Found<T> {
    let found = match bytes(path, max) {
        Ok(Some(bytes)) => Found::Content(bytes),
        Ok(None) => Found::Nothing,
        Err(error) => unreadable(path, &error.to_string()),
    };
    found.and_then(path, read)
}

fn unreadable<T>(path: &Path, why: &str) -> Found<T> {
    Found::Unreadable(format!("{} cannot be read: {why}", path.display()))
}

/// The bytes of a file, up to `max`; `None` if there is none.
///
/// # Errors
/// What the file system says, and what is there instead of a file.
pub(crate) fn bytes(path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    match input::read_file(path, max) {
        Ok(bytes) => Ok(Some(bytes)),
        // A link that leads nowhere is there, in the place of the file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(path) {
            Ok(_) => Err(io::Error::new(
                error.kind(),
                "it is a link that leads nowhere",
            )),
            Err(_) => Ok(None),
        },
        Err(error) => Err(error),
    }
}

/// Reads JSON. What says of itself that it is of a later version than `version` is reported
/// as such, whatever else is wrong with it: the person who went back to an older release
/// knows then what happened.
///
/// # Errors
/// Why it cannot be read, as a clause.
pub(crate) fn json<T: DeserializeOwned>(text: &[u8], version: u32) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Head {
        version: u64,
    }
    let head = serde_json::from_slice::<Head>(text);
    if let Some(found) = head.ok().map(|head| head.version)
        && found > u64::from(version)
    {
        return Err(format!(
            "written by a later version of talos-order: it has version {found}, \
             this program reads version {version}"
        ));
    }
    serde_json::from_slice(text).map_err(|why| why.to_string())
}

/// A file of JSON that says nothing of its version. A later one will, if it has to.
pub(crate) fn find_json<T: DeserializeOwned>(path: &Path, max: u64) -> Found<T> {
    find(path, max, |text| json(&text, 1))
}

/// Replaces a file of JSON, and makes its directory if need be. One that cannot be read
/// keeps its content under another name.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn write_json<T>(path: &Path, max: u64, content: &T) -> io::Result<()>
where
    T: Serialize + DeserializeOwned,
{
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut text = serde_json::to_vec_pretty(content)?;
    text.push(b'\n');
    find_json::<T>(path, max).make_way(path)?;
    atomic::write(path, &text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Numbers = BTreeMap<String, u64>;

    const MAX: u64 = 100;

    /// What is there under other names, in words.
    fn kept(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let aside = entries.filter(|path| path.to_string_lossy().contains("set-aside"));
        let mut kept: Vec<String> = aside
            .map(|path| match fs::read_link(&path) {
                Ok(target) => format!("-> {}", target.display()),
                Err(_) => fs::read_to_string(&path).unwrap_or_else(|why| why.kind().to_string()),
            })
            .collect();
        kept.sort();
        kept
    }

    #[test]
    fn what_cannot_be_read_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/numbers.json");
        let numbers = Numbers::from([("a".to_owned(), 1)]);
        let write = || write_json(&path, MAX, &numbers).unwrap();
        write();
        let later = "{\"version\": 2}";
        let long = " ".repeat(101);
        for damage in ["[]", "{\"a\": ", later, "{\"a\": -1}", &long] {
            fs::write(&path, damage).unwrap();
            assert_eq!(find_json::<Numbers>(&path, MAX).or_told(), None);
            write();
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        write();
        // Nothing is lost with these.
        fs::write(&path, "").unwrap();
        write();
        fs::remove_file(&path).unwrap();
        write();
        write();
        assert_eq!(find_json(&path, MAX), Found::Content(numbers.clone()));
        assert_eq!(
            kept(&dir.path().join("sub")),
            [&long, "-> nowhere", "[]", "{\"a\": ", "{\"a\": -1}", later]
        );
    }

    #[test]
    fn a_hundred_kept_files_are_enough_and_none_of_them_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.json");
        let numbers = Numbers::new();
        for number in 1..=101 {
            fs::write(&path, format!("garbage {number}")).unwrap();
            assert_eq!(write_json(&path, MAX, &numbers).is_ok(), number <= 100);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "garbage 101");
        assert_eq!(kept(dir.path()).len(), 100);
    }

    #[test]
    fn a_later_version_is_told_whatever_it_says_else() {
        let read = |text: &str| json::<Numbers>(text.as_bytes(), 1);
        for later in ["{\"version\": 2}", "{\"names\": [], \"version\": 99}"] {
            let why = read(later).unwrap_err();
            assert!(
                why.starts_with("written by a later version of talos-order"),
                "{why}"
            );
        }
        let why = read("{\"version\": \"two\"}").unwrap_err();
        assert!(!why.contains("later"), "{why}");
        assert!(read("{\"version\": 1}").is_ok());
    }
}
