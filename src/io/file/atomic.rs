//! Small files written whole or not at all.
//!
//! The content goes to a hidden sibling first, reaches the disk, and then takes
//! the final name in one step; a reader sees the old content or the new one. A
//! crash leaves at most a temporary whose name [`is_temporary`] recognises.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The mode of a file made with `open(2)`: this less the umask, where tempfile alone
/// would make it unreadable for everyone else.
const ORDINARY: u32 = 0o666;

/// The mode of a file that nobody else may read.
const PRIVATE: u32 = 0o600;

/// The mode of a file that everybody may read.
const READABLE: u32 = 0o644;

/// What stands between a file's name and the random end of its temporary.
const TEMPORARY: &str = ".tmp-";

/// Writes a file whole: hidden temporary, fsync, rename, fsync of the directory.
///
/// # Errors
/// Any error of the file system; the temporary is removed then, and what was at
/// `path` before is unchanged.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, content, File::sync_all, ORDINARY)?;
    sync_dir(parent(path)?)
}

/// The same for a file that only its owner may read, at a path that a user named.
///
/// # Errors
/// Like [`write()`], and what [`check_replaceable`] says.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    check_replaceable(path)?;
    put(path, content, File::sync_all, PRIVATE)?;
    sync_dir(parent(path)?)
}

/// The same for a file that everybody may read, whatever the umask is. Another program
/// that reads the directory at any time sees the old content or the new one, and no name
/// that it knows besides.
///
/// # Errors
/// Like [`write_private()`].
pub(crate) fn write_readable(path: &Path, content: &[u8]) -> io::Result<()> {
    check_replaceable(path)?;
    let open = |file: &File| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(READABLE);
        file.set_permissions(mode)?;
        file.sync_all()
    };
    put(path, content, open, PRIVATE)?;
    sync_dir(parent(path)?)
}

/// Checks that a path which a user named is one that a file can be written to.
///
/// # Errors
/// What [`check_replaceable`] says, and that its directory is missing.
pub(crate) fn check_place(path: &Path) -> io::Result<()> {
    file_name(path)?;
    if !fs::metadata(parent(path)?)?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    check_replaceable(path)
}

/// Checks that a path which a user named is free, or a file. A rename replaces whatever
/// has the name: as root it would turn `/dev/null` into a file for the whole machine. A
/// link is not followed, since in a directory like `/tmp` it may be somebody else's.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for a device, a pipe, a socket or a link.
pub(crate) fn check_replaceable(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let message = match kind.is_symlink() {
        true => "it is a link; give the path of the file itself",
        false => "it is a device, a pipe or a socket; accepted is a file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// Writes a file whole for every reader, and does not wait for the disk: a power
/// failure may leave it empty. For what the next run writes again.
///
/// # Errors
/// Like [`write()`].
pub(crate) fn write_unsynced(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, content, |_| Ok(()), ORDINARY)
}

fn put(
    path: &Path,
    content: &[u8],
    sync: fn(&File) -> io::Result<()>,
    mode: u32,
) -> io::Result<()> {
    let dir = parent(path)?;
    let name = file_name(path)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(&format!(".{name}{TEMPORARY}"))
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
        .tempfile_in(dir)?;
    temporary.write_all(content)?;
    sync(temporary.as_file())?;
    temporary.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

/// True for a name that [`write()`] gives to its temporaries of any file, with the
/// name of that file.
pub(crate) fn is_temporary(name: &str) -> Option<&str> {
    let (of, _) = name.strip_prefix('.')?.rsplit_once(TEMPORARY)?;
    (!of.is_empty()).then_some(of)
}

/// Makes renames and removals in a directory survive a power failure.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removes a file; that it is not there is fine.
///
/// # Errors
/// Any error of the file system but a missing file.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A hidden sibling of a file: `.NAME<suffix>`.
pub(crate) fn hidden_sibling(dir: &Path, name: &str, suffix: &str) -> PathBuf {
    dir.join(format!(".{name}{suffix}"))
}

fn parent(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(dir) if dir.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(dir) => Ok(dir),
        None => Err(no_file_name(path)),
    }
}

fn file_name(path: &Path) -> io::Result<&str> {
    path.file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| no_file_name(path))
}

fn no_file_name(path: &Path) -> io::Error {
    let message = format!("{} does not name a file", path.display());
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_private_file_is_its_owner_s() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.json");
        fs::write(&path, "another").unwrap();
        write_private(&path, b"one").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_failed_write_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("occupied");
        fs::create_dir(&path).unwrap();
        assert!(write(&path, b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn temporaries_are_recognised_with_the_name_they_belong_to() {
        assert_eq!(is_temporary(".a.json.tmp-x1y2"), Some("a.json"));
        assert_eq!(is_temporary("a.json.tmp-x1y2"), None);
        assert_eq!(is_temporary(".a.json"), None);
        assert_eq!(is_temporary("..tmp-x"), None);
    }
}
